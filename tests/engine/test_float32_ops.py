"""Mixed precision leaves LayerNorm, softmax and losses in float32.

Every operator of a training step is looked at, below autocast, where its
inputs have the precision that it computes in.
"""
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from shrink import shrink, use_data
from tooling import ROOT
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from projects.common.activation_checkpoint import run
from projects.engine import CpuAmpOptimWrapper, GlimpseRunner
from projects.shapes import Recipe, make_dataset

RECIPES = dict(
    convmae='convmae/demo/convmae_tiny_1xb32-coslr-6k_shapes.py',
    extrema='extrema/demo/'
    'extrema_tiny-mask08x5-crops-color_1xb32-coslr-2k_shapes.py',
    infonce='extrema/demo/'
    'extrema_tiny-mask08x5-crops-color_1xb32-coslr-2k_shapes.py',
    mae='mimdet/demo/mae_vit-tiny-p16_1xb32-coslr-2k_shapes-det-128x128.py',
    mimdet='mimdet/demo/'
    'mask-rcnn_mimdet-tiny_fpn_1xb8-600_shapes-det-128x128.py',
    videoconvmae='videoconvmae/demo/'
    'videoconvmae_tiny_1xb32-coslr-5k_shapes.py',
    videoclassifier='videoconvmae/demo/'
    'videoconvvit-tiny_videoconvmae-pre_1xb32-coslr-400_shapes.py',
    classifier='convmae/demo/'
    'convvit-tiny_convmae-pre_1xb32-coslr-500_shapes.py',
    segmentor='convmae/demo/'
    'convvit-tiny_upernet_1xb8-450_shapes-seg-128x128.py')
SENSITIVE = ('layer_norm', 'softmax', '_loss', 'cross_entropy', 'vector_norm')
LOW = {torch.bfloat16, torch.float16}


class Precisions(TorchDispatchMode):
    """Dtypes that the inputs of each operator had."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, set[torch.dtype]] = defaultdict(set)

    def __torch_dispatch__(self,
                           func: Any,
                           types: Any,
                           args: tuple = (),
                           kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        self.seen[func._opname] |= {
            value.dtype
            for value in tree_leaves((args, kwargs))
            if isinstance(value, torch.Tensor) and value.is_floating_point()
        }
        return func(*args, **kwargs)


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('precision')
    make_dataset(folder / 'data/shapes', Recipe('smoke'), jobs=1)
    return folder


@pytest.mark.parametrize('name', RECIPES)
def test_sensitive_operators(name: str, data: Path, tmp_path: Path,
                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_:
                        (text, False))
    cfg = Config.fromfile(ROOT / 'configs' / RECIPES[name])
    shrink(cfg)
    use_data(cfg, str(data))
    if name == 'infonce':
        cfg.model.head.loss = dict(type='CrossMaskInfoNCE', temperature=.2)
    if name == 'mimdet':
        cfg.train_dataloader.dataset.pop('filter_cfg', None)
    cfg.work_dir = str(tmp_path)
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=1)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.optim_wrapper.type = 'CpuAmpOptimWrapper'
    for key in ('dtype', 'loss_scale'):  # of a GPU's
        cfg.optim_wrapper.pop(key, None)
    runner = GlimpseRunner.from_cfg(cfg)
    with Precisions() as precisions:
        runner.train()
    seen = precisions.seen
    low = {
        op: dtypes
        for op, dtypes in seen.items()
        if any(part in op for part in SENSITIVE) and dtypes & LOW
    }
    assert low == {}
    # mixed precision was on, and these operators were there
    assert any('mm' in op and dtypes & LOW for op, dtypes in seen.items())
    assert 'native_layer_norm' in seen
    assert any('softmax' in op or 'attention' in op for op in seen)


def test_what_is_computed_again_has_the_same_precision():
    """A checkpoint's second forward pass lies in the backward pass."""
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
    wrapper = CpuAmpOptimWrapper(torch.optim.SGD(model.parameters(), lr=.1))
    grads = []
    x = torch.randn(2, 4, requires_grad=True)
    for with_cp in (False, True):
        with wrapper.optim_context(model):
            loss = run(model, x, with_cp=with_cp).square().sum()
        model.zero_grad()
        wrapper.backward(loss)
        grads.append([p.grad.clone() for p in model.parameters()])
    assert all(map(torch.equal, *grads))
