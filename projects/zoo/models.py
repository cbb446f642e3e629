"""Models of the zoo for use from Python."""
from collections.abc import Iterator
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.infer import BaseInferencer
from mmengine.model import BaseModel, revert_sync_batchnorm
from mmengine.registry import MODELS, init_default_scope
from mmpretrain.apis.model import ModelHub

from projects.common.checkpoint import load_weights

from . import index
from .address import SCHEME


def find_config(model: str) -> Path:
    """The config of a model's name, or the config file itself.

    Raises:
        FileNotFoundError: If a file of Python does not exist.
        ValueError: If no model has the name.
    """
    if not model.endswith('.py'):
        return index.find(model).config
    for path in (Path(model), index.ROOT / model):
        if path.is_file():
            return path
    raise FileNotFoundError(f'config {model} does not exist')


def get_model(model: str,
              pretrained: bool | str = False,
              device: str | torch.device = 'cpu') -> BaseModel:
    """Build a model of the zoo, ready for inference.

    Args:
        model: Name of a model (see ``list_models``), or a config file.
        pretrained: True takes the published weights, downloaded and
            converted at first use; a string is the path or address of a
            checkpoint in our layout; False leaves the weights as they are
            after building.
        device: Where to put the model.

    Returns:
        The model of the config in evaluation mode. The toolboxes'
        inferencers find its config as ``_config`` and ``cfg``.

    Raises:
        FileNotFoundError: If the config or the checkpoint does not exist.
        ValueError: If there is no such model, nothing is published for it,
            or the checkpoint does not fit.
    """
    config = find_config(model)
    if pretrained is True:
        pretrained = SCHEME + config.stem
    return build_model(Config.fromfile(config), pretrained or None, device)


def build_model(cfg: Config,
                checkpoint: str | None,
                device: str | torch.device = 'cpu') -> BaseModel:
    """The model of a config, in evaluation mode.

    Args:
        cfg: The config; checkpoints that it starts training from are left
            out.
        checkpoint: Path or address of weights in our layout, if any.
        device: Where to put the model.

    Raises:
        FileNotFoundError: If the checkpoint does not exist.
        ValueError: If it does not fit.
    """
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    if 'data_preprocessor' in cfg:
        cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
    cfg.model.backbone.init_cfg = None
    model = revert_sync_batchnorm(MODELS.build(cfg.model))
    model._config = model.cfg = cfg
    if checkpoint is not None:
        load_weights(model, checkpoint)
    return model.to(device).eval()


def register_names() -> None:
    """Let the toolboxes' inferencers find our models by name.

    ``ImageClassificationInferencer``, ``DetInferencer`` and
    ``MMSegInferencer`` then take our names as they take their own. Weights
    are downloaded and converted at first use, unless some are given.
    """
    if getattr(BaseInferencer, '_knows_glimpse', False):
        return
    entries = index.read_index()
    # mmpretrain has a hub of its own
    ModelHub.register_model_index(index.ROOT / 'model-index.yml', index.ROOT)
    for entry in entries:
        hub_model = ModelHub._models_dict[entry.name.lower()]
        hub_model.weights = SCHEME + entry.name
    theirs = BaseInferencer._get_models_from_metafile

    def ours_first(folder: str) -> Iterator[dict]:
        for entry in entries:
            yield dict(
                Name=entry.name,
                Config=str(entry.config),
                Weights=SCHEME + entry.name)
        yield from theirs(folder)

    BaseInferencer._get_models_from_metafile = staticmethod(ours_first)
    BaseInferencer._knows_glimpse = True
