"""The video recipes: what specification 7.3 and 7.4 say, and the costs."""
import copy
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from shrink import dicts_of, shrink

from projects.analysis.complexity import measure

CONFIGS = Path(__file__).parents[2] / 'configs/videoconvmae'
PRETRAIN = 'pretrain/videoconvmae_base_8xb128-amp-coslr-800e_'
FINETUNE = {
    'k400':
    'finetune/videoconvvit-base_videoconvmae-pre_8xb64-amp-coslr-'
    '100e_k400',
    'ssv2':
    'finetune/videoconvvit-base_videoconvmae-pre_8xb64-amp-coslr-'
    '50e_ssv2',
}


def load(name: str) -> Config:
    return Config.fromfile(CONFIGS / f'{name}.py')


def find(cfg, kind: str) -> list:
    return [node for node in dicts_of(cfg) if node.get('type') == kind]


@pytest.mark.parametrize('data, stride', [('k400', 4), ('ssv2', 2)])
def test_pretraining(data: str, stride: int) -> None:
    cfg = load(PRETRAIN + data)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(1.5e-4 * 1024 / 256)
    warmup, cosine = cfg.param_scheduler
    assert (warmup.end, cosine.end) == (40, cfg.train_cfg.max_epochs)
    assert cosine.eta_min == pytest.approx(1e-5 * 1024 / 256)
    dataset = cfg.train_dataloader.dataset
    (sampler, ) = find(dataset, 'DenseFrames')
    assert (sampler.num_frames, sampler.stride) == (16, stride)
    assert [step.type for step in dataset.pipeline
            ] == ['LoadVideoClip', 'ClipMultiScaleCrop', 'PackClip']
    assert cfg.model.masking == dict(type='TubeTokenMasking', ratio=0.9)
    short = load(PRETRAIN.replace('800e', '200e') + data)
    assert short.param_scheduler[1].end == short.train_cfg.max_epochs == 200


@pytest.mark.parametrize('data, lr, epochs, views, classes, sampler', [
    ('k400', 1e-3, 100, 5, 400, 'SpanFrames'),
    ('ssv2', 5e-4, 50, 2, 174, 'SegmentFrames'),
])
def test_fine_tuning(data: str, lr: float, epochs: int, views: int,
                     classes: int, sampler: str) -> None:
    cfg = load(FINETUNE[data])
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(lr * 512 / 256)
    warmup, cosine = cfg.param_scheduler
    assert (warmup.end, cosine.end) == (5, epochs)
    assert cfg.train_cfg.max_epochs == epochs
    assert cosine.eta_min_ratio * cfg.optim_wrapper.optimizer.lr == \
        pytest.approx(1e-6 * 512 / 256)
    train = cfg.train_dataloader.dataset
    assert find(train, sampler)
    # left and right are classes of Something-Something
    assert bool(find(train, 'RandomFlip')) == (data == 'k400')
    test = cfg.test_dataloader.dataset
    assert (test.num_clips, test.num_crops) == (views, 3)
    assert cfg.model.head.num_classes == classes == test.num_classes
    assert cfg.data_preprocessor.num_classes == classes


def test_fine_tuning_scales_rates_by_depth() -> None:
    cfg = copy.deepcopy(load(FINETUNE['k400']))
    shrink(cfg)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(cfg.model)
        wrapper = cfg.optim_wrapper
        wrapper.type = 'OptimWrapper'
        del wrapper['dtype'], wrapper['loss_scale']
        optimizer = build_optim_wrapper(model, wrapper).optimizer
    names = {param: name for name, param in model.named_parameters()}
    for group in optimizer.param_groups:
        (param, ) = group['params']
        name = names[param]
        if name.startswith('backbone.stages.2.blocks.'):
            depth = int(name.split('.')[4]) + 1
        else:
            depth = 0 if name.startswith('backbone.') else 5
        assert group['lr'] == pytest.approx(2e-3 * .75**(5 - depth)), name
        exempt = param.ndim == 1 or name == 'backbone.pos_embed'
        assert group['weight_decay'] == (0. if exempt else .05), name


def test_costs() -> None:
    """223 G a clip; pretraining 72 G, of which 21 G are visible."""
    result = measure(load(FINETUNE['k400']))
    assert result.shape == (16, 224, 224)
    assert round(result.total.macs / 1e9) == 223
    assert result.total.parameters == 86_107_408
    assert 'one clip of 16 x 224 x 224' in str(result)
    cfg = load(PRETRAIN + 'k400')
    visible = measure(cfg).parts['backbone'].macs
    cfg.model.backbone.masked_conv = False
    dense = measure(cfg).parts['backbone'].macs
    assert (round(visible / 1e9, 2), round(dense / 1e9)) == (20.94, 72)
    short = measure(load(FINETUNE['k400']), (8, 112, 112))
    assert short.total.macs < result.total.macs / 8
    with pytest.raises(ValueError, match='224 x 224; the model takes 3 sides'):
        measure(load(FINETUNE['k400']), (224, 224))
