"""Exported files compute what the models compute, for any batch."""
import copy
import functools

import numpy as np
import onnxruntime
import pytest
import torch
from mimdet_models import TINY_DECODER
from mmengine.config import Config
from tiny_recipes import CLASSIFIER, SEGMENTOR, tiny_checkpoint, tiny_config
from tooling import run_tool

from projects.deploy import export
from projects.zoo.models import build_model

run = functools.partial(run_tool, 'export.py')
VARIANTS = {
    'per_block': dict(),
    'decomposed': dict(rel_pos='decomposed', window_size=3,
                       global_blocks=(1, 3)),
    'MIMDet': dict(_delete_=True, type='MIMDetViT', arch='tiny', img_size=64,
                   decoder=TINY_DECODER),
    'Benchmarking-ViT': dict(_delete_=True, type='BenchmarkingViT',
                             arch='tiny', img_size=64, window_size=2),
}  # yapf: disable


def test_classifier_to_onnx(tmp_path):
    config = tiny_config(CLASSIFIER, tmp_path)
    checkpoint, out = tiny_checkpoint(config), tmp_path / 'model.onnx'
    done = run(config, checkpoint, '--out', out)
    assert done.returncode == 0, done.stderr
    assert 'inputs of 64 x 64 in any number' in done.stdout

    model = build_model(Config.fromfile(config), str(checkpoint))
    session = onnxruntime.InferenceSession(out)
    for number in (1, 4):
        images = torch.randn(number, 3, 64, 64)
        scores, = session.run(None, dict(images=images.numpy()))
        with torch.no_grad():
            expected = model(images, mode='tensor').numpy()
        assert scores.shape == (number, 8)
        np.testing.assert_allclose(scores, expected, atol=1e-5)
        assert np.ptp(expected) > 1e-3


def test_backbone_with_maps(tmp_path):
    """Windowed and global blocks with a shared table, four maps."""
    config = tiny_config(SEGMENTOR, tmp_path)
    cfg = Config.fromfile(config)
    cfg.model.backbone.update(
        rel_pos='shared', window_size=2, shift_windows=True,
        global_blocks=(1, 3), layer_scale=None)  # yapf: disable
    cfg.dump(config)
    checkpoint, out = tiny_checkpoint(config), tmp_path / 'maps.pt2'
    done = run(config, checkpoint, '--part', 'backbone', '--shape', 96, 160,
               '--out', out)
    assert done.returncode == 0, done.stderr
    backbone = build_model(cfg, str(checkpoint)).backbone
    images = torch.randn(4, 3, 96, 160)
    with torch.no_grad():
        expected = backbone(images)
        maps = torch.export.load(out).module()(images)
    assert [tuple(x.shape[2:]) for x in maps] == [(24, 40), (12, 20), (6, 10),
                                                  (2, 4)]
    for ours, theirs in zip(maps, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize('name', VARIANTS)
@pytest.mark.parametrize('suffix', export.SUFFIXES)
def test_every_backbone(name, suffix, tmp_path):
    import projects.detection  # noqa: F401
    import projects.mimdet  # noqa: F401
    cfg = Config.fromfile(tiny_config(SEGMENTOR, tmp_path))
    cfg.merge_from_dict(
        dict(model=dict(backbone=copy.deepcopy(VARIANTS[name]))))
    from mmengine.registry import MODELS, DefaultScope
    with DefaultScope.overwrite_default_scope('mmseg'):
        backbone = MODELS.build(cfg.model.backbone)
    holder = torch.nn.Module()
    holder.backbone = backbone
    out = tmp_path / f'maps{suffix}'
    assert export.export(holder.eval(), str(out), (64, 64), 'backbone') < 1e-4


def test_errors_leave_nothing(tmp_path):
    config = tiny_config(SEGMENTOR, tmp_path)
    checkpoint = tiny_checkpoint(config)
    for args, message in [
        (['--out', tmp_path / 'out.onnx'], 'EncoderDecoder is no classifier'),
        (['--out', tmp_path / 'out.bin'], 'ends in one of .onnx, .pt2'),
        ([
            '--part', 'backbone', '--shape', 50, 64, '--out',
            tmp_path / 'out.pt2'
        ], 'cannot be exported for images of 50 x 64'),
    ]:
        done = run(config, checkpoint, *args)
        assert done.returncode == 1 and message in done.stderr, done.stderr
    assert not list(tmp_path.glob('out*'))


def test_a_file_that_computes_something_else_is_refused(tmp_path, monkeypatch):
    """The check looks at numbers."""
    config = tiny_config(CLASSIFIER, tmp_path)
    model = build_model(Config.fromfile(config), None)
    runner = export._program_runner

    def broken(path):
        run = runner(path)
        return lambda images: [output + 1e-2 for output in run(images)]

    monkeypatch.setattr(export, '_program_runner', broken)
    with pytest.raises(export.ExportError, match='differ by up to 0.01'):
        export.export(model, str(tmp_path / 'out.pt2'), (64, 64))
    assert not list(tmp_path.glob('out*'))
