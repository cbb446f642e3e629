"""Parameters and multiply-accumulates, against independent counts.

``flops.json`` was counted on the official models with another counter, which
adds the normalisation layers; the specification's totals leave them out.
"""
import json
from pathlib import Path

import pytest
from golden import GOLDEN
from mmengine.config import Config
from PIL import Image
from tooling import run_tool

from projects.analysis.complexity import default_shape, measure, shown_shape
from projects.analysis.complexity_mean import image_shapes, measure_mean
from projects.analysis.complexity_varied import (draw_varied, format_varied,
                                                 measure_varied)
from projects.common import biased_attention

CONFIGS = Path(__file__).parents[2] / 'configs/convmae'
PRETRAIN = CONFIGS / 'pretrain/convmae_base_8xb256-amp-coslr-1600e_in1k.py'
CLASSIFIER = CONFIGS / ('finetune/convvit-base_convmae-pre_8xb128-amp-coslr-'
                        '100e_in1k.py')
SIAMESE = CONFIGS.parent / (
    'extrema/pretrain/extrema_base-mask08x5_8xb256-amp-'
    'coslr-300e_in1k.py')
OFFICIAL = json.loads((GOLDEN / 'flops.json').read_text())['models']


def products(name):
    """Official count of linear layers, convolutions and attention."""
    counts = OFFICIAL[name]['by_operator']
    return sum(counts[kind] for kind in ('conv', 'linear', 'matmul'))


def test_classifier():
    result = measure(Config.fromfile(CLASSIFIER))
    assert result.shape == (224, 224)
    assert result.total.macs == products('convvit_finetune_base_224')
    assert result.total.parameters == 85_374_824
    assert result.parts['head'].macs == 768 * 1000
    assert round(result.parts['backbone'].macs / 1e9, 2) == 23.08


def test_pretraining():
    """The official code computes hidden cells too; ours does not."""
    cfg = Config.fromfile(PRETRAIN)
    visible = measure(cfg)
    cfg.model.backbone.masked_conv = False
    dense = measure(cfg)
    hidden_tokens = 196 - 49
    fusion = hidden_tokens * 768 * (4 * 4 * 256 + 2 * 2 * 384)
    assert dense.total.macs + fusion == products('convmae_pretrain_base_224')
    assert round(visible.total.macs / 1e9, 2) == 11.25
    assert visible.total.parameters == 115_041_408
    assert visible.total.trainable == 114_790_528
    # everything was attributed to a part
    for result in (visible, dense):
        parts = result.parts.values()
        assert sum(cost.macs for cost in parts) == result.total.macs
        assert sum(c.parameters for c in parts) == result.total.parameters


@pytest.mark.parametrize('name, giga', [
    ('convmae-base_upernet',
     dict(backbone=136.1, decode_head=475.0, total=612.9)),
    ('convmae-base-maxpool_upernet-no-aux', dict(backbone=134.9, total=610.7)),
])
def test_segmentor(name, giga):
    """The paper says 0.6 T; parameters are counted in the parity tests."""
    cfg = Config.fromfile(
        CONFIGS / f'segmentation/{name}_8xb2-amp-160k_ade20k-512x512.py')
    check(measure(cfg), (512, 512), giga)


@pytest.mark.parametrize('name, parameters, trainable, giga', [
    ('fpn_8xb4', 110_171_784, 107_026_056, {
        'backbone': 583.1,
        'neck': 58.3,
        'rpn_head': 103.3,
        'roi_head.bbox_head': 128.9,
        'roi_head.mask_head': 53.0,
        'total': 926.5
    }),
    ('sfp_8xb2', 109_700_272, 109_700_272, dict(total=954.6)),
])
def test_detector(monkeypatch, name, parameters, trainable, giga):
    """The paper says 0.9 T; 1000 proposals and 100 detections."""
    # all scores at once: fake tensors take no memory, but calls take time
    monkeypatch.setitem(biased_attention.CHUNK_SCORES, 'cpu', 2**40)
    cfg = Config.fromfile(
        CONFIGS /
        (f'detection/mask-rcnn_convmae-base_{name}-amp-lsj-25e_coco.py'))
    result = measure(cfg)
    check(result, (1024, 1024), giga)
    assert result.total.parameters == parameters
    assert result.total.trainable == trainable
    if name == 'fpn_8xb4':
        assert result.parts['backbone'].macs == products(
            'convmae_det_base_backbone_1024')


def check(result, shape, giga):
    """Compare with costs in 1e9, and parts with their sum."""
    assert result.shape == shape
    parts = result.parts
    assert sum(cost.macs for cost in parts.values()) == result.total.macs
    costs = {**parts, 'total': result.total}
    assert {name: round(costs[name].macs / 1e9, 1) for name in giga} == giga


def mimdet(name):
    return Config.fromfile(CONFIGS.parent /
                           f'mimdet/detection/mask-rcnn_{name}_coco.py')


@pytest.mark.parametrize('size, parameters, trainable, giga', [
    ('base', 127_954_768, 124_753_488,
     dict(backbone=624.3, neck=47.2, rpn_head=85.8, total=939.1)),
    ('large', 349_332_080, 345_490_544, dict(backbone=1741.1, total=2057.2)),
])
def test_mimdet(size, parameters, trainable, giga):
    """The paper says 933 G and 2082 G as a mean over images."""
    result = measure(mimdet(f'mimdet-{size}_fpn_32xb2-amp-36e'))
    check(result, (800, 1088), giga)
    assert result.total.parameters == parameters
    assert result.total.trainable == trainable


@pytest.mark.parametrize('ratio', [.5, 1.])
def test_mimdet_backbone(ratio):
    """An independent count, of the official model."""
    cfg = mimdet('mimdet-base_fpn_32xb2-amp-36e')
    cfg.model.backbone.test_sample_ratio = ratio
    result = measure(cfg, (800, 1216))
    assert result.parts['backbone'].macs == products(
        f'mimdet_base_backbone_800x1216_sr{100 * ratio:.0f}')


def test_benchmarking_vit(monkeypatch):
    monkeypatch.setitem(biased_attention.CHUNK_SCORES, 'cpu', 2**40)
    result = measure(mimdet('benchmarking-vit-base_fpn_32xb2-amp-lsj-100e'))
    check(result, (1024, 1024), dict(total=877.9))
    assert result.total.parameters == 118_674_184
    assert result.parts['backbone'].macs == products(
        'benchmarking_vit_base_backbone_1024')


def test_cost_by_sampling_ratio(tmp_path):
    """The table in the docs."""
    cfg = mimdet('mimdet-base_fpn_32xb2-amp-36e')
    key = 'model.backbone.test_sample_ratio'
    results = measure_varied(cfg, key, [.125, .25, .5, .75, 1.])
    giga = {
        ratio: (round(result.parts['backbone'].macs / 1e9,
                      1), round(result.total.macs / 1e9, 1))
        for ratio, result in results.items()
    }
    assert giga == {
        .125: (160.7, 475.5),
        .25: (207.0, 521.8),
        .5: (319.4, 634.2),
        .75: (458.6, 773.3),
        1.: (624.3, 939.1)
    }
    docs = (CONFIGS.parents[1] / 'docs/complexity.md').read_text()
    for ratio, (backbone, total) in giga.items():
        assert f'| {100 * ratio:g} % | {backbone} | {total} | ' in docs
    assert cfg.model.backbone.test_sample_ratio == 1.
    table = format_varied(key, results).splitlines()
    assert len(table) == 7 and table[-1].split(' | ')[-1] == '939.1 |'
    draw_varied(key, results, tmp_path / 'cost.png')
    assert Image.open(tmp_path / 'cost.png').size == (600, 400)


def test_passes_cost_each():
    single = measure(
        mimdet('mimdet-base-mask-token-test-sr50_fpn_32xb2-amp-'
               '36e'), (64, 64))
    double = measure(
        mimdet('mimdet-base-mask-token-test-2x50_fpn_32xb2-amp-'
               '36e'), (64, 64))
    assert double.total.macs == 2 * single.total.macs
    assert '2 passes' in str(double)


def test_constructors_that_compute():
    """mmpretrain's ConvNeXt reads values of tensors; not on fake ones."""
    result = measure(
        mimdet('mimdet-base-mask-token-convnext-stem_fpn_32xb2-'
               'amp-36e'), (64, 64))
    assert result.total.parameters == 129_492_400


FIRST_100 = GOLDEN.parent / 'coco_val2017_first-100_sizes.json'


def test_shown_sizes():
    """Of the protocol: short side 800, long side up to 1333, padded."""
    cfg = mimdet('mimdet-base_fpn_32xb2-amp-36e')
    assert shown_shape(cfg, (480, 640)) == (800, 1088)
    assert shown_shape(cfg, (640, 427)) == (1216, 800)
    assert shown_shape(cfg, (100, 640)) == (224, 1344)
    cfg = mimdet('benchmarking-vit-base_fpn_32xb2-amp-lsj-100e')
    assert shown_shape(cfg, (640, 427)) == (1024, 1024)


def test_mean_over_images(tmp_path):
    cfg = mimdet('mimdet-base_fpn_32xb2-amp-36e')
    cfg.model.backbone.arch = 'tiny'
    cfg.model.neck.in_channels = [16, 32, 512, 512]
    cfg.test_pipeline[1].scale = (64, 64)
    sizes = [(48, 64), (64, 48), (64, 32)]
    costs = [measure(cfg, shown_shape(cfg, size)).total for size in sizes]
    result = measure_mean(cfg, sizes)
    assert result.total.macs == round(sum(c.macs for c in costs) / 3)
    assert costs[0].macs == costs[1].macs > costs[2].macs
    assert result.shape == (64, 53)
    assert 'mean of 3 images, 64 x 53 on average' in str(result)
    assert image_shapes(FIRST_100, 2) == [(426, 640), (640, 586)]
    for text in ('{', '[]', '{"images": [{"id": 1}]}', '{"images": []}'):
        (tmp_path / 'bad.json').write_text(text)
        with pytest.raises(ValueError, match='bad.json'):
            image_shapes(tmp_path / 'bad.json', 2)


@pytest.mark.slow
@pytest.mark.parametrize('size, giga, paper, close', [
    ('base', (929.0, 982.0), 933, .005),
    ('large', (2108.9, 2161.8), 2082, .013),
])
def test_the_papers_protocol(size, giga, paper, close):
    """Mean over the first 100 images of COCO val2017."""
    cfg = mimdet(f'mimdet-{size}_fpn_32xb2-amp-36e')
    result = measure_mean(cfg, image_shapes(FIRST_100, 100))
    total = result.total.macs / 1e9
    boxes = total - result.parts['roi_head.mask_head'].macs / 1e9
    assert (round(boxes, 1), round(total, 1)) == giga
    assert boxes == pytest.approx(paper, rel=close)


@pytest.mark.parametrize('model, shape', [
    (dict(backbone=dict(img_size=64)), (64, 64)),
    (dict(backbone=dict(img_size=(32, 48))), (32, 48)),
    (dict(backbone=dict(img_size=224, rel_pos_size=1024)), (1024, 1024)),
    (dict(backbone=dict(depth=50)), (224, 224)),
    (dict(
        backbone=dict(img_size=224),
        data_preprocessor=dict(
            batch_augments=[dict(type='BatchFixedSizePad', size=(96, 64))])),
     (96, 64)),
    (dict(
        backbone=dict(img_size=224), data_preprocessor=dict(size=(512, 512))),
     (512, 512)),
])
def test_default_shape(model, shape):
    assert default_shape(Config(dict(model=model))) == shape


def test_tool(tmp_path):
    out = tmp_path / 'numbers.json'
    done = run_tool('analysis/complexity.py', CLASSIFIER, '--shape', 64, 96,
                    '--json', out, '--cfg-options', 'model.backbone.arch=tiny',
                    'model.neck.channels=128', 'model.head.in_channels=128')
    assert done.returncode == 0, done.stderr
    numbers = json.loads(out.read_text())
    assert numbers['shape'] == [64, 96]
    total = numbers['total']
    assert total['macs'] == sum(part['macs']
                                for part in numbers['parts'].values()) > 0
    assert f'{total["parameters"]:,}' in done.stdout.splitlines()[-1]


def test_tool_varies(tmp_path):
    config = CONFIGS.parent / ('mimdet/detection/mask-rcnn_mimdet-base_fpn_'
                               '32xb2-amp-36e_coco.py')
    arguments = ['analysis/complexity.py', config, '--shape', 64, 64]
    key, plot = 'model.backbone.test_sample_ratio', tmp_path / 'cost.png'
    done = run_tool(*arguments, '--vary', key, 0.5, 1.0, '--plot', plot)
    assert done.returncode == 0, done.stderr
    header, _, half, full = done.stdout.splitlines()
    assert header.startswith('| test_sample_ratio | backbone | neck |')
    assert half.startswith('| 0.5 |') and full.startswith('| 1.0 |')
    assert plot.exists()
    for wrong, message in (((key.replace('ratio', 'ration'), 1.0),
                            "did you mean 'test_sample_ratio'"),
                           ((key, ), 'needs values'), ((key, 2.0),
                                                       'must lie in (0, 1]')):
        done = run_tool(*arguments, '--vary', *wrong)
        assert done.returncode == 1 and message in done.stderr
        assert 'Traceback' not in done.stderr


@pytest.mark.parametrize('config, shape, message', [
    (CLASSIFIER, (100, 96), '100x96 pixels; every side must be a positive '
     'multiple of 16x16'),
    ('nowhere.py', (96, 96), 'config nowhere.py exists neither in'),
])
def test_tool_errors(config, shape, message):
    done = run_tool('analysis/complexity.py', config, '--shape', *shape)
    assert done.returncode == 1
    assert message in done.stderr
    assert 'Traceback' not in done.stderr


def test_siamese_pretraining():
    """Student on five subsets and teacher on the image, counted by hand."""
    result = measure(Config.fromfile(SIAMESE))
    c = 768

    def encoder(tokens, rows):
        block = 12 * c * c * tokens + 2 * c * tokens**2
        layer = 2 * c * c * (tokens + 1) + 10 * c * c + 2 * c * (tokens + 1)
        projector = 4096 * (c + 4096 + 256)
        return 196 * c * c + rows * (12 * block + 2 * layer + projector)

    predictor = 5 * 2 * 256 * 4096
    student, teacher = encoder(39, rows=5), encoder(196, rows=1)
    assert result.parts['target_net'].macs == teacher
    assert result.parts['head'].macs == predictor
    assert result.total.macs == student + teacher + predictor
    assert result.total.parameters == 244_055_808
    assert result.total.trainable == 122_932_224
    assert sum(p.macs for p in result.parts.values()) == result.total.macs
