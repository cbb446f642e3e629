"""Pictures of feature maps, of a detector and of a plain backbone."""
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from PIL import Image
from shrink import shrink
from tooling import ROOT, run_tool

from projects.analysis.encoders import Normalize
from projects.visualization.features import draw_features, lively_channels

DETECTOR = ROOT / ('configs/extrema/detection/mask-rcnn_extrema-base_fpn_'
                   '16xb2-amp-ms-crop-1x_coco.py')


def test_channels_that_vary_most_come_first() -> None:
    map_CYX = torch.zeros(4, 2, 2)
    map_CYX[1] = 100.  # the same everywhere
    map_CYX[2, 0, 0] = 5.
    map_CYX[3, 0, 0] = -9.
    assert lively_channels(map_CYX, 2) == [3, 2]


@pytest.fixture(scope='module')
def detector(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Config and checkpoint of a tiny one."""
    folder = tmp_path_factory.mktemp('detector')
    cfg = Config.fromfile(DETECTOR)
    shrink(cfg)
    init_default_scope('mmdet')
    model = MODELS.build(cfg.model)
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), folder / 'model.pth')
    path = folder / 'config.py'
    path.write_text('\n'.join(f'{name} = {value!r}'
                              for name, value in cfg.to_dict().items()))
    return path, folder / 'model.pth'


@pytest.fixture
def image(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(
        0, 256, (64, 96, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'image.png')
    return tmp_path / 'image.png'


def test_maps_are_those_of_the_detector(detector: tuple, image: Path,
                                        tmp_path: Path) -> None:
    config, checkpoint = detector
    cfg = Config.fromfile(config)
    maps = draw_features(
        cfg, str(checkpoint), str(image), str(tmp_path / 'a.png'), size=64)
    model = MODELS.build(cfg.model)
    model.load_state_dict(torch.load(checkpoint)['state_dict'])
    model.eval()
    rgb = torch.from_numpy(np.array(Image.open(image))).permute(2, 0, 1)
    with torch.no_grad():
        x = Normalize(cfg)(rgb[None])
        torch.testing.assert_close(maps['backbone'], model.backbone(x)[0][0])
        torch.testing.assert_close(maps['neck'], model.extract_feat(x)[0][0])
    assert maps['neck'].shape == (32, 16, 24)


def test_tool(detector: tuple, image: Path, tmp_path: Path) -> None:
    config, checkpoint = detector
    tool, out = 'visualization/features.py', tmp_path / 'new/features.png'
    done = run_tool(tool, config, checkpoint, image, '--size', 64, '--level',
                    1, '--num', 2, '--out', out)
    assert done.returncode == 0, done.stderr
    assert 'features.png: backbone, neck' in done.stdout
    with Image.open(out) as sheet:
        assert sheet.format == 'PNG'
        # image and two channels, enlarged to more than 224 pixels
        assert sheet.width == 8 + 3 * (4 * 96 + 12 + 8)
    for arguments, message in ((('--level', 9), 'backbone gives 4 maps'),
                               (('--num', 0), '--num is 0'),
                               (('--out', 'a.jpg'), 'ending in .png'),
                               (('--prefix', 'roi_head.'), 'model.pth'),
                               (('--cfg-options',
                                 'model.backbone.token_mode=avg'),
                                'model.pth')):
        failed = tmp_path / 'failed.png'
        done = run_tool(tool, config, checkpoint, image, '--size', 64, '--out',
                        failed, *arguments)
        assert done.returncode, arguments
        assert message in done.stderr and 'Traceback' not in done.stderr
        assert not failed.exists()
