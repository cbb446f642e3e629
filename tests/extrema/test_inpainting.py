"""A decoder learns on frozen tokens and is drawn, by the real tools."""
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from PIL import Image
from tooling import ROOT, run_tool

from projects.common.masking import TokenMask
from projects.extrema import TokenDecoder
from projects.shapes import Recipe, make_dataset

CONFIG = ('configs/extrema/demo/'
          'extrema-tiny_token-decoder_1xb32-coslr-1k_shapes.py')


@pytest.fixture(scope='module')
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('data') / 'shapes'
    make_dataset(folder, Recipe('smoke', parts=('cls', )), jobs=1)
    return folder / 'cls'


def test_trains_the_decoder_only_and_draws(shapes: Path,
                                           tmp_path: Path) -> None:
    cfg = Config.fromfile(ROOT / CONFIG)
    pretrained = MODELS.build({
        **cfg.model.backbone, 'token_mode': 'cait',
        'init_cfg': None
    })
    pretrained.init_weights()
    weights = pretrained.state_dict()
    torch.save({f'backbone.{name}': value
                for name, value in weights.items()},
               tmp_path / 'pretrained.pth')  # yapf: disable
    done = run_tool(
        'train.py', CONFIG, '--work-dir', tmp_path / 'run', '--cfg-options',
        f'train_dataloader.dataset.data_root={shapes}',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False', 'train_cfg.max_iters=3',
        f'model.backbone.init_cfg.checkpoint={tmp_path / "pretrained.pth"}')
    assert done.returncode == 0, done.stderr
    trained = torch.load(
        tmp_path / 'run/iter_3.pth', weights_only=True)['state_dict']
    kept = [name for name in trained if name.startswith('backbone.')]
    assert len(kept) > 40
    assert all(trained[name].equal(weights[name.removeprefix('backbone.')])
               for name in kept)
    assert not trained['neck.norm.bias'].equal(torch.zeros(64))

    out = tmp_path / 'inpainting.png'
    done = run_tool('visualize_reconstruction.py', CONFIG,
                    tmp_path / 'run/iter_3.pth', shapes / 'val', '--num', 2,
                    '--mask-ratio', 0.5, 0.75, 0.9, '--out', out)
    assert done.returncode == 0, done.stderr
    assert 'inpainting.png: 6 reconstructions' in done.stdout
    with Image.open(out) as sheet:
        assert sheet.format == 'PNG'


def test_order_of_visible_tokens_does_not_matter() -> None:
    """They are put back where the mask took them from."""
    decoder = TokenDecoder(
        16, out_channels=12, grid=(3, 4), channels=16, depth=1, num_heads=2)
    decoder.init_weights()
    latent_BKC = torch.randn(2, 5, 16)
    keep_BK = torch.stack([torch.randperm(12)[:5] for _ in range(2)])
    order = torch.tensor([4, 0, 3, 1, 2])
    one, other = (decoder(latent, TokenMask(keep, (3, 4)), (3, 4))
                  for latent, keep in ((latent_BKC, keep_BK),
                                       (latent_BKC[:, order], keep_BK[:,
                                                                      order])))
    assert one.shape == (2, 12, 12)
    torch.testing.assert_close(one, other)
