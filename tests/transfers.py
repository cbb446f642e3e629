"""ExtreMA's recipes of detection and segmentation, small, on drawn shapes."""
from pathlib import Path

from detectors import CONFIGS, full_precision, use_shapes
from mmengine.config import Config
from shrink import dicts_of, shrink

from projects.shapes import CLASSES

DETECTION = (
    CONFIGS / 'extrema/detection/'
    'mask-rcnn_extrema-base_fpn_16xb2-amp-ms-crop-1x_coco.py')
SEGMENTATION = (
    CONFIGS / 'extrema/segmentation/'
    'extrema-base_upernet_8xb2-amp-160k_ade20k-512x512.py')


def small(path: Path) -> Config:
    """A recipe with a tiny model; norms that know the CPU."""
    cfg = Config.fromfile(path)
    shrink(cfg)
    for node in dicts_of(cfg._cfg_dict):
        if node.get('type') == 'SyncBN':
            node.type = 'EmptySafeSyncBN'
        if 'num_classes' in node:
            node.num_classes = len(CLASSES) + (path == SEGMENTATION)
    if 'projects.detection' not in cfg.custom_imports.imports:
        cfg.custom_imports.imports += ['projects.detection']
    full_precision(cfg)
    return cfg


def detector(folder: Path, side: int = 64) -> Config:
    """The detector, to train on a shapes data set.

    Args:
        folder: The detection part of the data set.
        side: Side of the images that the detector sees, in pixels.
    """
    cfg = small(DETECTION)
    use_shapes(cfg, folder, side)
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        evaluator.metric_items = ['mAP', 'AR@100']
    cfg.train_dataloader.dataset.filter_cfg.min_size = 1
    cfg.model.test_cfg.rcnn.score_thr = 0.
    return cfg


def segmentor(folder: Path, side: int = 64) -> Config:
    """The segmentor, to train on a shapes data set.

    Args:
        folder: The segmentation part of the data set.
        side: Side of the crops, in pixels.
    """
    cfg = small(SEGMENTATION)
    for split in ('train', 'val', 'test'):
        files = 'train' if split == 'train' else 'val'
        loader = cfg[f'{split}_dataloader']
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.update(
            type='BaseSegDataset',
            data_root=str(folder),
            data_prefix=dict(
                img_path=f'images/{files}',
                seg_map_path=f'annotations/{files}'),
            metainfo=dict(classes=(*CLASSES, 'background')),
            reduce_zero_label=True)
    cfg.model.data_preprocessor.update(
        size=(side, side), test_cfg=dict(size=(side, side)))
    cfg.model.test_cfg.update(
        crop_size=(side, side), stride=(side * 2 // 3, side * 2 // 3))
    return cfg
