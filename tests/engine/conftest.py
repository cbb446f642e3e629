"""Runs of ``tools/*.py`` in processes of their own, on tiny image folders."""
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from faults import run_script
from PIL import Image

# A model with dropout and a pipeline with random crops: both random streams
# matter. Everything a test varies comes in by --cfg-options.
CONFIG = """
custom_imports = dict(imports=['faults'])
default_scope = 'mmpretrain'
data_root = {root!r}
pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=16),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs')]
train_dataloader = dict(
    batch_size=5, num_workers=0,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CustomDataset', data_root=data_root, pipeline=pipeline))
val_dataloader = dict(
    batch_size=8, num_workers=0,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CustomDataset', data_root=data_root, pipeline=[
            pipeline[0], dict(type='Resize', scale=16), pipeline[-1]]))
test_dataloader = val_dataloader
val_evaluator = dict(type='Accuracy', topk=1)
test_evaluator = val_evaluator
train_cfg = dict(by_epoch=True, max_epochs=3)
val_cfg = dict()
test_cfg = dict()
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        mean=[120.] * 3, std=[60.] * 3, num_classes=3, to_rgb=True),
    backbone=dict(
        type='VisionTransformer', img_size=16, patch_size=8, drop_rate=0.1,
        arch=dict(
            embed_dims=16, num_layers=1, num_heads=2,
            feedforward_channels=16)),
    head=dict(
        type='VisionTransformerClsHead', num_classes=3, in_channels=16,
        loss=dict(type='CrossEntropyLoss')))
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-2))
param_scheduler = dict(
    type='CosineAnnealingLR', by_epoch=True, begin=0,
    convert_to_iter_based=True)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=2),
    checkpoint=dict(type='CheckpointHook', interval=1, save_best='auto'),
    visualization=dict(type='VisualizationHook'))
custom_hooks = [dict(type='FaultHook')]
visualizer = dict(
    type='UniversalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
randomness = dict(seed=7)
"""


@pytest.fixture(scope='session')
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three folders of eight small pictures, one of each a grey one."""
    root = tmp_path_factory.mktemp('images')
    rng = np.random.default_rng(0)
    for label in 'abc':
        (root / label).mkdir()
        for number in range(8):
            shape = (20, 24) if number == 0 else (20, 24, 3)
            picture = rng.integers(0, 255, shape, dtype=np.uint8)
            Image.fromarray(picture).save(root / label /
                                          f'{label}{number}.png')
    return root


@pytest.fixture
def config(image_folder: Path, tmp_path: Path) -> Path:
    """A config file over the image folder; tests may append to it."""
    path = tmp_path / 'tiny.py'
    path.write_text(CONFIG.format(root=str(image_folder)))
    return path


@pytest.fixture
def run_tool(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Run ``tools/NAME.py`` in a process that has imported nothing else.

    The processes are forked from a server that imports the toolboxes once.
    """
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['projects.engine', 'mmpretrain'])

    def run(name: str,
            *arguments: object,
            max_file_size: int | None = None) -> tuple[int, str]:
        log = tmp_path / 'log.txt'
        process = context.Process(
            target=run_script,
            args=(name, [str(item) for item in arguments], str(log),
                  str(tmp_path), max_file_size))
        process.start()
        process.join(120)
        assert process.exitcode is not None, 'the tool hangs'
        return process.exitcode, log.read_text()

    return run
