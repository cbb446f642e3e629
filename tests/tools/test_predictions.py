"""Pictures of predictions beside the truth, of real models on real files."""
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from PIL import Image
from tooling import ROOT, run_tool

from projects.shapes import Recipe, make_dataset

DEMO = ROOT / 'configs/convmae/demo'
MASK_RCNN = 'mask-rcnn_convmae-tiny_fpn_1xb8-250_shapes-det-128x128.py'
UPERNET = 'convvit-tiny_upernet_1xb8-450_shapes-seg-128x128.py'
PRETRAIN = 'convmae_tiny_1xb32-coslr-6k_shapes.py'


@pytest.fixture(scope='module')
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('shapes') / 'data'
    make_dataset(folder, Recipe('smoke', parts=('det', 'seg')), jobs=1)
    return folder


def prepare(name: str, shapes: Path, folder: Path) -> tuple[Path, Path]:
    """A config that reads ``shapes``, and a checkpoint of random weights."""
    cfg = Config.fromfile(DEMO / name)
    cfg.model.backbone.init_cfg = None
    part = 'det' if 'det' in name else 'seg'
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset.data_root = str(shapes / part)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    checkpoint = folder / 'weights.pth'
    torch.save(dict(state_dict=model.state_dict()), checkpoint)
    config = folder / 'config.py'
    cfg.dump(config)
    return config, checkpoint


@pytest.mark.parametrize('name', [MASK_RCNN, UPERNET], ids=['det', 'seg'])
def test_a_row_for_each_image(name: str, shapes: Path, tmp_path: Path) -> None:
    """The truth is drawn over the image, and predictions differ from it."""
    config, checkpoint = prepare(name, shapes, tmp_path)
    out = tmp_path / 'new/sheet.png'
    done = run_tool('visualization/predictions.py', config, checkpoint,
                    '--out', out, '--num', 2, '--score-thr', 0)
    assert done.returncode == 0, done.stderr
    assert 'sheet.png: 2 images' in done.stdout
    sheet = np.asarray(Image.open(out).convert('RGB')).astype(int)
    assert sheet.shape[0] > 2 * 256 and sheet.shape[1] >= 3 * 256
    assert [path.name for path in out.parent.iterdir()] == ['sheet.png']
    # three pictures side by side, below title and captions
    top = 8 + 18 + 8 + 13 + 8
    width = (sheet.shape[1] - 8) // 3
    image, truth, found = (
        sheet[top:top + 256, 8 + i * width:8 + i * width + 256]
        for i in range(3))
    for one, other in ((image, truth), (image, found), (truth, found)):
        assert (one != other).any(-1).mean() > 0.005


def test_what_cannot_be_drawn_is_refused(shapes: Path, tmp_path: Path) -> None:

    def message(*args: object) -> str:
        done = run_tool('visualization/predictions.py', *args)
        assert done.returncode == 1 and 'Traceback' not in done.stderr
        assert done.stderr.count('error: ') == 1
        assert not list(tmp_path.glob('*.png*'))
        return done.stderr

    config, checkpoint = prepare(UPERNET, shapes, tmp_path)
    out = tmp_path / 'x.png'
    assert "default_scope is 'mmpretrain'" in message(DEMO / PRETRAIN,
                                                      checkpoint, '--out', out)
    assert 'x.jpg; a file name ending in .png' in message(
        config, checkpoint, '--out', tmp_path / 'x.jpg')
    assert '--num is 0' in message(config, checkpoint, '--out', out, '--num',
                                   0)
    assert '--score-thr is 2.0' in message(config, checkpoint, '--out', out,
                                           '--score-thr', 2)
    weights = torch.load(checkpoint, weights_only=True)
    del weights['state_dict']['decode_head.conv_seg.weight']
    torch.save(weights, checkpoint)
    assert 'weights.pth' in message(config, checkpoint, '--out', out)
    assert 'missing.pth' in message(config, tmp_path / 'missing.pth', '--out',
                                    out)
