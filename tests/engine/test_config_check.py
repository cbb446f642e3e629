"""Misspelt keys are errors; what OpenMMLab's users write is not."""
import ast
from pathlib import Path

import mmdet
import mmpretrain
import mmseg
import pytest
from faults import TOOLS
from mmengine.config import Config

from projects.engine.config_check import (check_options, check_top_level,
                                          class_arguments, misspelt)

TOOLBOXES = {
    package.__name__: Path(package.__file__).parent / '.mim' / 'configs'
    for package in (mmpretrain, mmdet, mmseg)
}


@pytest.mark.parametrize('key, meant', [
    ('train_dataloder', 'train_dataloader'),
    ('optim_wraper', 'optim_wrapper'),
    ('param_schedular', 'param_scheduler'),
    ('load_form', 'load_from'),
    ('workdir', 'work_dir'),
    ('train_config', 'train_cfg'),
    ('default_hook', 'default_hooks'),
    ('modle', 'model'),
])
def test_slips_of_the_pen_are_found(key, meant):
    assert misspelt(key) == meant
    with pytest.raises(ValueError, match=f'{key}.*did you mean .{meant}'):
        check_top_level(Config({key: {}}))


def test_free_variables_of_the_toolboxes_are_left_alone():
    """All top-level names of all configs that the toolboxes and we ship."""
    names: set[str] = set()
    for folder in (*TOOLBOXES.values(), TOOLS.parent / 'configs'):
        for path in folder.rglob('*.py'):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.Assign):
                    names |= {
                        target.id
                        for target in node.targets
                        if isinstance(target, ast.Name)
                    }
    assert len(names) > 250
    # a mistake upstream: mmseg's BiSeNetV2 with OHEM never uses `models`
    assert {name for name in names if misspelt(name)} == {'models'}


@pytest.fixture(scope='module')
def pretrain():
    return Config.fromfile(TOOLBOXES['mmpretrain'] / 'mae' /
                           'mae_vit-base-p16_8xb512-amp-coslr-300e_in1k.py')


@pytest.fixture(scope='module')
def detection():
    return Config.fromfile(TOOLBOXES['mmdet'] / 'mask_rcnn' /
                           'mask-rcnn_r50_fpn_1x_coco.py')


@pytest.mark.parametrize('key', [
    'train_dataloader.batch_size',
    'train_dataloader.prefetch_factor',
    'train_dataloader.dataset.indices',
    'optim_wrapper.optimizer.lr',
    'optim_wrapper.optimizer.fused',
    'optim_wrapper.accumulative_counts',
    'optim_wrapper.clip_grad.max_norm',
    'optim_wrapper.paramwise_cfg.custom_keys.any.lr_mult',
    'model.backbone.init_cfg.checkpoint',
    'model.backbone.norm_cfg',
    'default_hooks.logger.interval',
    'default_hooks.checkpoint.save_best',
    'train_cfg.max_epochs',
    'train_cfg.val_interval',
    'param_scheduler.1.end',
    'randomness.seed',
    'randomness.deterministic',
    'load_from',
    'work_dir',
    'resume',
    'compile',
    'visualizer.vis_backends.0.type',
    'env_cfg.dist_cfg.timeout',
    'auto_scale_lr.enable',
    'custom_hooks',
])
def test_usual_changes_are_accepted(pretrain, detection, key):
    check_options(pretrain, {key: 1})
    check_options(detection, {key: 1})


@pytest.mark.parametrize('key, message', [
    ('train_dataloader.batchsize', "did you mean 'batch_size'"),
    ('train_dataloder.batch_size', "did you mean 'train_dataloader'"),
    ('model.backbone.dept', "did you mean 'depth'"),
    ('model.backbone.arhc', 'model.backbone has no key .arhc.; it has depth'),
    ('optim_wrapper.optimizer.momentun', "did you mean 'momentum'"),
    ('param_scheduler.5.end', 'a list of 2 items'),
    ('param_scheduler.end', "a list of 2 items.*has no 'end'"),
    ('default_hooks.loger.interval', "did you mean 'logger'"),
    ('model.backbone.depth.x', 'model.backbone.depth is 50 and has nothing'),
    ('foo', "the config has no key 'foo'"),
])
def test_unknown_keys_are_refused(detection, key, message):
    with pytest.raises(ValueError, match=message):
        check_options(detection, {key: 1})


def test_all_mistakes_are_named_at_once(detection):
    with pytest.raises(ValueError, match='foo.*bar'):
        check_options(detection, {'foo': 1, 'model.bar': 2})


def test_a_new_type_brings_its_own_arguments(detection):
    check_options(detection, {
        'model.backbone.type': 'SwinTransformer',
        'model.backbone.embed_dims': 96
    })


def test_arguments_are_those_of_the_bases_too():

    class Base:

        def __init__(self, a):
            pass

    class Child(Base):

        def __init__(self, b, **kwargs):
            super().__init__(**kwargs)

    class Open:

        def __init__(self, **kwargs):
            pass

    assert class_arguments(Child) >= {'a', 'b'}
    assert class_arguments(Open) is None
    assert class_arguments(lambda x, y: None) == {'x', 'y'}
