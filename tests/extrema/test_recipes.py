"""The ImageNet recipes against the official ones."""
from pathlib import Path

import numpy as np
import pytest
import torch
from extrema_models import set_progress
from golden import Fixture
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmpretrain.registry import MODELS
from PIL import Image
from recipes import (build, changes, check_schedule, groups_by_official_name,
                     official_rate, optimizer_of, run_pipeline)
from shrink import shrink
from torch import nn
from torchvision.transforms import v2

from projects.extrema.convert import convert
from projects.extrema.teacher import MomentumTeacher

CONFIGS = Path(__file__).parents[2] / 'configs/extrema'
PLAIN = 'pretrain/extrema_base-mask08x5_8xb256-amp-coslr-300e_in1k'
COLOR = 'pretrain/extrema_base-mask08x5-color_8xb256-amp-coslr-300e_in1k'
IN22K = 'pretrain/extrema_base-mask08x5-color_8xb256-amp-coslr-30e_in22k'
APPENDIX = 'finetune/vit-base_extrema-pre_8xb128-amp-coslr-100e_in1k'
README = 'finetune/vit-base_extrema-pre_8xb128-amp-coslr-100e-readme_in1k'
FROM_22K = 'finetune/vit-base_extrema-22k-pre_8xb128-amp-coslr-100e_in1k'
SMALL = 'finetune/vit-small_extrema-pre_8xb128-amp-coslr-200e_in1k'
SGD = 'linear/vit-base_extrema-pre_8xb512-amp-linear-coslr-90e_in1k'
LARS = 'linear/vit-base_extrema-pre_8xb512-amp-linear-lars-coslr-90e_in1k'


def load(name: str) -> Config:
    return Config.fromfile(CONFIGS / f'{name}.py')


def test_pretraining_decays_what_the_official_run_decays() -> None:
    golden = Fixture('optim_extrema_vit_base').info
    groups = groups_by_official_name(load(COLOR), convert, 'extrema-pretrain')
    assert groups.keys() == golden['parameters'].keys()
    for name, expected in golden['parameters'].items():
        assert groups[name]['weight_decay'] == expected['weight_decay'], name
        assert groups[name]['lr'] == 1.2e-3
        assert groups[name]['betas'] == (.9, .95)


@pytest.mark.parametrize('name, lr, decay', [(APPENDIX, 4e-3, .75),
                                             (README, 2e-3, .65),
                                             (FROM_22K, 2e-3, .65)])
def test_fine_tuning_has_the_official_groups(name: str, lr: float,
                                             decay: float) -> None:
    """The fixture was made with a layer decay of 0.65."""
    golden = Fixture('optim_extrema_finetune_vit_base').info
    cfg = load(name)
    assert cfg.optim_wrapper.paramwise_cfg.layer_decay_rate == decay
    cfg.optim_wrapper.paramwise_cfg.layer_decay_rate = .65
    groups = groups_by_official_name(cfg, convert, 'extrema-finetune')
    # a class token that the official classifier has and does not use
    assert golden['parameters'].keys() - groups.keys() == {'cls_token'}
    for key, group in groups.items():
        expected = golden['parameters'][key]
        assert group['weight_decay'] == expected['weight_decay'], key
        assert group['lr'] / lr == pytest.approx(
            expected['lr_scale'], rel=1e-12), key
        assert group['betas'] == (.9, .999)


def test_fine_tuning_settings() -> None:
    """README and appendix differ in what the README states."""
    assert changes(load(APPENDIX), load(README)).keys() == {
        'model.backbone.drop_path_rate', 'optim_wrapper.optimizer.lr',
        'optim_wrapper.paramwise_cfg.layer_decay_rate', 'param_scheduler'
    }
    model = build(load(APPENDIX))
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert count == 86_566_120
    model.head.init_weights()
    assert float(model.head.fc.weight.std()) == pytest.approx(2e-5, rel=.02)


@pytest.mark.parametrize('name, kind, momentum, trust', [
    (SGD, torch.optim.SGD, .9, None),
    (LARS, None, .9, .001),
])
def test_linear_probes_train_the_classifier_alone(name: str, kind: type | None,
                                                  momentum: float,
                                                  trust: float | None) -> None:
    cfg = load(name)
    shrink(cfg)
    model = build(cfg)
    model.init_weights()
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    assert trained == {'head.fc.weight', 'head.fc.bias'}
    assert float(model.head.fc.weight.std()) == pytest.approx(.01, rel=.05)
    assert not model.head.fc.bias.any()
    assert model.neck.bn.weight is None
    assert model.neck.bn.eps == 1e-5
    assert isinstance(model.backbone.norm, nn.Identity)
    assert not model.train().backbone.training and model.neck.bn.training
    optimizer = optimizer_of(cfg, model)
    assert kind is None or type(optimizer) is kind
    (group, ) = optimizer.param_groups
    assert (group['lr'], group['momentum'], group['weight_decay'],
            group.get('trust')) == (1.6, momentum, 0., trust)
    assert not cfg.train_dataloader.drop_last


@pytest.mark.parametrize('name, min_lr, warmup, epochs', [
    (PLAIN, 0., 40, 300),
    (IN22K, 0., 4, 30),
    (APPENDIX, 1e-6, 5, 100),
    (README, 1e-6, 5, 100),
    (SMALL, 1e-6, 5, 200),
    (SGD, 0., 10, 90),
    (LARS, 0., 10, 90),
])
def test_schedules_are_the_official_ones(name: str, min_lr: float, warmup: int,
                                         epochs: int) -> None:
    check_schedule(load(name), min_lr, warmup, epochs)


def test_momentum_and_rates_of_the_fixture() -> None:
    (golden, ) = Fixture('schedules').info['extrema']
    hyper = golden['hyperparameters']
    cfg = load(PLAIN)
    assert cfg.optim_wrapper.optimizer.weight_decay == hyper['weight_decay']
    teacher = MomentumTeacher(nn.Linear(1, 1), cfg.model.momentum)
    for epoch, rate, momentum, decay, _ in golden['rows']:
        set_progress(round(epoch * 625 * 10), hyper['epochs'] * 625 * 10)
        assert 1 - teacher.share() == pytest.approx(momentum, abs=1e-9)
        assert official_rate(epoch, hyper['lr'], hyper['min_lr'],
                             hyper['warmup_epochs'],
                             hyper['epochs']) == pytest.approx(
                                 rate, rel=1e-6, abs=1e-18)  # yapf: disable
        assert decay == cfg.optim_wrapper.optimizer.weight_decay


@pytest.mark.parametrize('name, changed', [
    ('mask08x1', {
        'model.masking.num_masks': 1
    }),
    ('mask09x8', {
        'model.masking.ratio': .9,
        'model.masking.num_masks': 8
    }),
    ('mask075x4', {
        'model.masking.ratio': .75,
        'model.masking.num_masks': 4
    }),
    ('mask08x5-overlapping', {
        'model.masking.type': 'IndependentTokenMasking'
    }),
    ('mask08x5-ca1', {
        'model.backbone.num_class_layers': 1
    }),
    ('mask08x5-ca3', {
        'model.backbone.num_class_layers': 3
    }),
])
def test_an_ablation_changes_one_thing(name: str, changed: dict) -> None:
    other = load(PLAIN.replace('mask08x5', name))
    assert changes(load(PLAIN), other) == changed


def test_weights_go_from_pretraining_to_evaluation(tmp_path: Path) -> None:
    """The student to fine-tuning, the teacher to the linear probe."""
    pretrain = load(COLOR)
    shrink(pretrain)
    source = build(pretrain)
    source.init_weights()
    for parameter in source.target_net.parameters():
        nn.init.normal_(parameter)
    torch.save(dict(state_dict=source.state_dict()), tmp_path / 'pre.pth')
    for name, branch in ((APPENDIX, source.backbone),
                         (SGD, source.target_net.module[0])):
        cfg = load(name)
        init_cfg = dict(cfg.model.backbone.init_cfg)
        assert init_cfg['checkpoint'] == (
            f'work_dirs/{Path(COLOR).name}/epoch_300.pth')
        shrink(cfg)
        cfg.model.backbone.init_cfg = dict(
            init_cfg, checkpoint=str(tmp_path / 'pre.pth'))
        model = build(cfg, pretrained=True)
        model.init_weights()
        theirs = branch.state_dict()
        for key, value in model.backbone.state_dict().items():
            assert torch.equal(theirs[key], value), key


# Augmentation


@pytest.fixture
def picture(tmp_path: Path) -> str:
    """A picture with detail, in a format without loss."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 33, 3), np.uint8)
    path = tmp_path / 'picture.png'
    Image.fromarray(pixels).resize((333, 290), Image.BICUBIC).save(path)
    return str(path)


def views_of(name: str, picture: str, color: bool = True) -> list[np.ndarray]:
    """The views that a pretraining makes of a picture."""
    cfg = load(PLAIN.replace('mask08x5', name))
    pipeline = cfg.train_dataloader.dataset.pipeline
    if not color:
        for step in pipeline:
            if step.type == 'MultiView':
                step.transforms[0] = [
                    inner for inner in step.transforms[0]
                    if inner.type not in ('RandomApply', 'RandomGrayscale')
                ] or [dict(type='RandomFlip', prob=0.)]
    result = run_pipeline(pipeline, picture)['inputs']
    return [view.numpy() for view in (
        result if isinstance(result, list) else [result])]  # yapf: disable


def test_colour_views_share_their_crop(picture: str) -> None:
    """Without colour they are identical; with it their colours differ."""
    np.random.seed(0)
    for _ in range(5):
        first, second = views_of('mask08x5-color', picture, color=False)
        assert np.array_equal(first, second)
    draws = [views_of('mask08x5-color', picture) for _ in range(5)]
    assert any(not np.array_equal(*draw) for draw in draws)
    assert {view.shape for draw in draws for view in draw} == {(3, 224, 224)}


@pytest.mark.parametrize('name, views, crops_differ', [
    ('mask08x5', 1, None),
    ('mask08x5-aug-none', 1, None),
    ('mask08x5-aug-color-shared', 1, None),
    ('mask08x5-aug-color', 2, False),
    ('mask08x5-aug-crops', 2, True),
    ('mask08x5-aug-crop-color-shared', 1, None),
    ('mask08x5-aug-crops-color', 2, True),
])
def test_modes_of_augmentation(name: str, views: int,
                               crops_differ: bool | None,
                               picture: str) -> None:
    np.random.seed(0)
    found = views_of(name, picture, color=False)
    assert len(found) == views
    if crops_differ is not None:
        assert np.array_equal(*found) != crops_differ


def test_no_augmentation_is_the_centre(picture: str) -> None:
    (ours, ) = views_of('mask08x5-aug-none', picture)
    theirs = v2.Compose([v2.Resize(256),
                         v2.CenterCrop(224),
                         v2.PILToTensor()])(
                             Image.open(picture))
    assert np.array_equal(ours[::-1], theirs.numpy())  # BGR to RGB


def test_greys_are_those_of_torchvision(picture: str) -> None:
    """To a rounding: the weights are 0.299, 0.587 and 0.114."""
    cfg = load(COLOR)
    grey = cfg.train_dataloader.dataset.pipeline[3].transforms[0][1]
    grey.prob = 1.
    ours = run_pipeline(
        [dict(type='LoadImageFromFile'), grey,
         dict(type='PackInputs')], picture)['inputs'].flip(0)
    theirs = v2.Compose([v2.Grayscale(3), v2.PILToTensor()])(
        Image.open(picture))  # yapf: disable
    assert (ours.int() - theirs.int()).abs().max() <= 1


def test_two_views_reach_the_model_as_two_batches(picture: str) -> None:
    cfg = load(COLOR)
    pipeline = cfg.train_dataloader.dataset.pipeline
    batch = default_collate([run_pipeline(pipeline, picture)] * 2)
    preprocessor = MODELS.build(cfg.data_preprocessor)
    inputs = preprocessor(batch, True)['inputs']
    assert [view.shape for view in inputs] == [(2, 3, 224, 224)] * 2
