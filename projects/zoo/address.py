"""``zoo://NAME``: the published weights of a model, as an address.

It stands wherever a checkpoint is named: ``init_cfg``, ``load_from``,
``--cfg-options``, the toolboxes' inferencers. Importing this module registers
the loader; files are downloaded and converted at their first use.
"""
from typing import Any

from mmengine.dist import barrier, get_rank
from mmengine.runner import CheckpointLoader

from projects.common.safe_load import load_file

from .index import find

SCHEME = 'zoo://'


def load_from_zoo(filename: str, map_location: Any = 'cpu') -> Any:
    """Loader of addresses; the first process of a job downloads.

    Raises:
        ValueError: If there is no such model, or its weights cannot be had.
    """
    # requests and gdown are imported for this alone
    from .weights import download
    entry = find(filename.removeprefix(SCHEME))
    try:
        if get_rank() == 0:
            download(entry, convert=True)
    finally:
        barrier()
    path = download(entry, convert=True, offline=True)
    return load_file(str(path), map_location)


CheckpointLoader.register_scheme(SCHEME, load_from_zoo, force=True)
