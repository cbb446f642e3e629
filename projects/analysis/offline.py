"""The metrics of predictions that were saved before."""
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmengine
import numpy as np
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import DATASETS, DefaultScope, init_default_scope
from mmengine.structures import PixelData
from PIL import Image


def evaluate_file(cfg: Config, predictions: str) -> dict[str, Any]:
    """Evaluate what ``tools/test.py --out`` wrote.

    Args:
        cfg: The config that was tested; gives data set and metrics.
        predictions: A folder of label maps, or the path of a pickle. That is
            a list of dicts, and reading a pickle may run code from it: give
            only files of your own.

    Returns:
        The metrics, the same that the test gave.

    Raises:
        FileNotFoundError: If the file, or the label map of an image, does
            not exist.
        ValueError: If it is not a list of predictions, or a label map is of
            another size than its image's annotation.
    """
    path = Path(predictions)
    if not path.exists():
        raise FileNotFoundError(
            f'predictions {predictions} do not exist; tools/test.py CONFIG '
            'CHECKPOINT --out FILE.pkl writes them, or label maps to --out '
            'FOLDER')
    scope = cfg.get('default_scope', 'mmengine')
    init_default_scope(scope)
    with DefaultScope.overwrite_default_scope(scope):
        # of a pickle only the class names are asked for: nothing is loaded
        dataset = DATASETS.build(
            dict(cfg.test_dataloader.dataset, lazy_init=path.is_file()))
        samples = (
            _read_pickle(path) if path.is_file() else _read_label_maps(
                path, dataset))
        evaluator = Evaluator(cfg.test_evaluator)
        evaluator.dataset_meta = dataset.metainfo
        return evaluator.offline_evaluate(samples)


def _read_pickle(path: Path) -> list[dict]:
    """Predictions of all images, with what their metrics need."""
    try:
        samples = mmengine.load(path, file_format='pkl')
    except (pickle.UnpicklingError, EOFError):
        samples = None
    if not (isinstance(samples, list) and samples
            and isinstance(samples[0], dict)):
        raise ValueError(f'{path} is not a list of predictions, as '
                         'tools/test.py --out FILE.pkl writes it')
    return samples


def _read_label_maps(folder: Path, dataset: Any) -> Sequence:
    """Label maps of all images of a segmentation data set, with the truth."""
    samples = []
    for index in range(len(dataset)):
        truth = dataset[index]['data_samples']
        if 'gt_sem_seg' not in truth:
            raise ValueError(
                f'{folder} is a folder, as of label maps, but the config is '
                'not of a segmentor with annotations')
        path = folder / f'{Path(truth.img_path).stem}.png'
        if not path.is_file():
            raise FileNotFoundError(f'label map {path} of {truth.img_path} '
                                    'does not exist')
        # saved as the annotations are: without label 0 if that is reduced
        found_HW = np.array(Image.open(path), dtype=np.int64)
        found_HW -= truth.get('reduce_zero_label', False)
        shape = truth.gt_sem_seg.shape
        if found_HW.shape != shape:
            raise ValueError(f'{path} has {found_HW.shape} pixels; the '
                             f'annotation of its image has {tuple(shape)}')
        truth.pred_sem_seg = PixelData(data=torch.from_numpy(found_HW)[None])
        samples.append(truth)
    return samples
