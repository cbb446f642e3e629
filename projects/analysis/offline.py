"""The metrics of predictions that were saved before."""
import pickle
from pathlib import Path
from typing import Any

import mmengine
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import DATASETS, DefaultScope, init_default_scope


def evaluate_file(cfg: Config, predictions: str) -> dict[str, Any]:
    """Evaluate what ``tools/test.py --out FILE.pkl`` wrote.

    Args:
        cfg: The config that was tested; gives data set and metrics.
        predictions: Path of the pickle. It is a list of dicts, and reading a
            pickle may run code from it: give only files of your own.

    Returns:
        The metrics, the same that the test gave.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is not a list of predictions.
    """
    if not Path(predictions).is_file():
        raise FileNotFoundError(
            f'predictions {predictions} do not exist; tools/test.py CONFIG '
            'CHECKPOINT --out FILE.pkl writes them')
    scope = cfg.get('default_scope', 'mmengine')
    init_default_scope(scope)
    with DefaultScope.overwrite_default_scope(scope):
        try:
            samples = mmengine.load(predictions, file_format='pkl')
        except (pickle.UnpicklingError, EOFError):
            samples = None
        if not (isinstance(samples, list) and samples
                and isinstance(samples[0], dict)):
            raise ValueError(f'{predictions} is not a list of predictions, as '
                             'tools/test.py --out FILE.pkl writes it')
        # for the class names alone: nothing is loaded
        dataset = DATASETS.build(
            dict(cfg.test_dataloader.dataset, lazy_init=True))
        evaluator = Evaluator(cfg.test_evaluator)
        evaluator.dataset_meta = dataset.metainfo
        return evaluator.offline_evaluate(samples)
