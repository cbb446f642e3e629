"""Every method, killed wherever it hurts and resumed, in one process and two.

The small recipes of the demonstration, shorter: three epochs of three
iterations, killed in an iteration, in a validation and in the middle of a
checkpoint. By iterations, weights are also averaged (EMA).
"""
from pathlib import Path

import pytest
from mmengine.config import Config
from shrink import shrink, use_data
from tooling import ROOT
from training_runs import check_interrupted

from projects.shapes import Recipe, make_dataset

METHODS = dict(
    convmae='convmae/demo/convmae_tiny_1xb32-coslr-6k_shapes.py',
    extrema='extrema/demo/'
    'extrema_tiny-mask08x5-crops-color_1xb32-coslr-2k_shapes.py',
    mae='mimdet/demo/mae_vit-tiny-p16_1xb32-coslr-2k_shapes-det-128x128.py',
    mimdet='mimdet/demo/'
    'mask-rcnn_mimdet-tiny_fpn_1xb8-600_shapes-det-128x128.py',
    videoconvmae='videoconvmae/demo/'
    'videoconvmae_tiny_1xb32-coslr-5k_shapes.py',
    videoclassifier='videoconvmae/demo/'
    'videoconvvit-tiny_videoconvmae-pre_1xb32-coslr-400_shapes.py')
ITERATIONS = 9
BATCH, SAMPLES = 4, 12


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/shapes."""
    folder = tmp_path_factory.mktemp('resume')
    make_dataset(folder / 'data/shapes', Recipe('smoke'), jobs=1)
    return folder


def short(name: str, data: Path, by_epoch: bool, processes: int) -> Config:
    """A recipe of three times three iterations, with validations."""
    cfg = Config.fromfile(ROOT / 'configs' / METHODS[name])
    shrink(cfg)
    use_data(cfg, str(data))
    cfg.train_dataloader.update(
        batch_size=BATCH // processes, num_workers=1, persistent_workers=True)
    cfg.train_dataloader.dataset.update(indices=SAMPLES)
    cfg.train_dataloader.dataset.pop('filter_cfg', None)
    if cfg.get('val_dataloader') is not None:
        cfg.val_dataloader.dataset.update(indices=6)
        if cfg.val_cfg.get('type') == 'KNNValLoop':
            cfg.val_cfg.k = 2
    cfg.param_scheduler = [
        dict(type='LinearLR', start_factor=.1, by_epoch=False, end=2),
        dict(
            type='CosineAnnealingLR', by_epoch=False, begin=2, end=ITERATIONS)
    ]
    cfg.custom_imports.imports.append('faults')
    cfg.custom_hooks = [dict(type='FaultHook')]
    cfg.default_hooks.logger.interval = 1
    cfg.randomness = dict(seed=3)
    if by_epoch:
        cfg.train_dataloader.sampler = dict(type='DefaultSampler')  # finite
        cfg.train_cfg = dict(by_epoch=True, max_epochs=3, val_interval=1)
        cfg.default_hooks.checkpoint.update(by_epoch=True, interval=1)
        cfg.log_processor = dict(by_epoch=True)
    else:
        cfg.train_cfg = dict(
            by_epoch=False, max_iters=ITERATIONS, val_interval=3)
        cfg.default_hooks.checkpoint.update(by_epoch=False, interval=2)
        cfg.custom_hooks.append(dict(type='EMAHook', momentum=.1))
    cfg.default_hooks.checkpoint.update(max_keep_ckpts=2, save_best=None)
    return cfg


@pytest.mark.slow
@pytest.mark.parametrize('processes', [1, 2])
@pytest.mark.parametrize('by_epoch', [True, False], ids=['epoch', 'iter'])
@pytest.mark.parametrize('name', METHODS)
def test_ends_as_unbroken(data: Path, tmp_path: Path, name: str,
                          by_epoch: bool, processes: int) -> None:
    cfg = short(name, data, by_epoch, processes)
    path = tmp_path / 'config.py'
    path.write_text('\n'.join(f'{key} = {value!r}'
                              for key, value in cfg.to_dict().items()))
    faults, last = (('kill_at=5', 'kill_in_val_after=6',
                     'kill_in_save_after=8'), 'iter_9.pth')
    if by_epoch:
        faults, last = (('kill_at=4', 'kill_in_val_after=6',
                         'kill_in_save_after=9'), 'epoch_3.pth')
    if cfg.get('val_dataloader') is None:  # pretraining on clips has none
        faults = faults[::2]
    check_interrupted(path, tmp_path, faults, last, processes)
