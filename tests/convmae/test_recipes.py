"""The ImageNet recipes against the official ones."""
import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from golden import Fixture
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS, TRANSFORMS
from PIL import Image
from recipes import (build, changes, check_schedule, flat,
                     groups_by_official_name, official_rate, optimizer_of,
                     run_pipeline)
from shrink import shrink
from torch import nn
from torchvision.transforms import v2

from projects.convmae.convert import convert

CONFIGS = Path(__file__).parents[2] / 'configs/convmae'
PRETRAIN = 'pretrain/convmae_base_8xb256-amp-coslr-1600e_in1k'
BASELINE = 'pretrain/convmae_base-no-msd_8xb256-amp-coslr-800e_in1k'
FINETUNE = 'finetune/convvit-base_convmae-pre_8xb128-amp-coslr-100e_in1k'
LINEAR = 'linear/convvit-base_convmae-pre_8xb512-amp-linear-coslr-90e_in1k'
FAST = 'pretrain/fastconvmae_base_8xb64-amp-coslr-50e_in1k'


def load(name: str) -> Config:
    return Config.fromfile(CONFIGS / f'{name}.py')


def test_pretraining_decays_what_the_official_run_decays() -> None:
    golden = Fixture('optim_convmae_pretrain_base').info
    groups = groups_by_official_name(load(PRETRAIN), convert, 'pretrain')
    assert groups.keys() == golden['parameters'].keys()
    for name, expected in golden['parameters'].items():
        assert groups[name]['weight_decay'] == expected['weight_decay'], name
        assert groups[name]['lr'] == 1.2e-3
        assert groups[name]['betas'] == (.9, .95)


def test_fine_tuning_has_the_official_groups() -> None:
    """The fixture was made with a layer decay of 0.75."""
    golden = Fixture('optim_convvit_finetune_base').info
    cfg = load(FINETUNE)
    assert cfg.optim_wrapper.paramwise_cfg.layer_decay_rate == .65
    cfg.optim_wrapper.paramwise_cfg.layer_decay_rate = .75
    groups = groups_by_official_name(cfg, convert, 'finetune')
    assert groups.keys() == golden['parameters'].keys()
    for name, expected in golden['parameters'].items():
        assert groups[name]['weight_decay'] == expected['weight_decay'], name
        assert groups[name]['lr'] / 2e-3 == pytest.approx(
            expected['lr_scale'], rel=1e-12), name
        assert groups[name]['betas'] == (.9, .999)


def test_fine_tuning_scales_rates_by_depth() -> None:
    groups = groups_by_official_name(load(FINETUNE), convert, 'finetune')
    rates = {group['lr'] / 2e-3 for group in groups.values()}
    np.testing.assert_allclose(
        sorted(rates), [.65**k for k in range(12, -1, -1)], rtol=1e-12)
    assert min(rates) == pytest.approx(.005688, rel=1e-3)


def test_the_linear_probe_trains_the_classifier_alone() -> None:
    cfg = load(LINEAR)
    shrink(cfg)
    model = build(cfg)
    model.init_weights()
    trained = {
        name
        for name, param in model.named_parameters() if param.requires_grad
    }
    assert trained == {'head.fc.weight', 'head.fc.bias'}
    assert float(model.head.fc.weight.std()) == pytest.approx(.01, rel=.05)
    assert not model.head.fc.bias.any()
    assert model.neck.bn.weight is None
    assert model.neck.bn.eps == model.neck.fc_norm.eps == 1e-6
    (group, ) = optimizer_of(cfg, model).param_groups
    assert (group['lr'], group['momentum'], group['weight_decay'],
            group['trust']) == (1.6, .9, 0., .001)


def test_the_official_schedule_is_understood() -> None:
    for curve in Fixture(
            'schedules').info['half_cycle_cosine_pretrain_finetune']:
        for epoch, rate, quarter in curve['rows']:
            ours = official_rate(epoch, **curve['hyperparameters'])
            assert ours == pytest.approx(rate, rel=1e-12, abs=1e-18)
            assert ours / 4 == pytest.approx(quarter, rel=1e-12, abs=1e-18)


@pytest.mark.parametrize('name, min_lr, warmup, epochs', [
    (PRETRAIN, 0., 40, 1600),
    (PRETRAIN.replace('1600e', '200e'), 0., 40, 200),
    (BASELINE, 0., 40, 800),
    (FAST, 0., 10, 50),
    (FINETUNE, 1e-6, 5, 100),
    (LINEAR, 0., 10, 90),
])
def test_schedules_are_the_official_ones(name: str, min_lr: float, warmup: int,
                                         epochs: int) -> None:
    check_schedule(load(name), min_lr, warmup, epochs)


@pytest.mark.parametrize('name, changed', [
    ('no-msd-token-mask', {
        'model.masking.scale': 4,
        'find_unused_parameters': True
    }),
    ('no-msd-no-masked-conv', {
        'model.backbone.masked_conv': False
    }),
    ('no-msd-k3', {
        'model.backbone.dw_kernel': 3
    }),
    ('no-msd-k7', {
        'model.backbone.dw_kernel': 7
    }),
    ('no-msd-k9', {
        'model.backbone.dw_kernel': 9
    }),
    ('no-msd-mask60', {
        'model.masking.ratio': .6
    }),
])
def test_an_ablation_changes_one_thing(name: str, changed: dict) -> None:
    baseline = load(BASELINE)
    assert changes(baseline, load(BASELINE.replace('no-msd', name))) == changed


def test_the_baseline_differs_in_the_decoder_and_the_length() -> None:
    full, baseline = (
        flat(load(name)._cfg_dict) for name in (PRETRAIN, BASELINE))
    assert {
        key
        for key in full.keys() | baseline.keys()
        if full.get(key) != baseline.get(key)
    } == {
        'model.neck.stage_channels', 'param_scheduler', 'train_cfg.max_epochs'
    }


def test_weights_go_from_pretraining_to_evaluation(tmp_path: Path) -> None:
    """The backbone is taken whole, and nothing else is."""
    pretrain = load(PRETRAIN)
    shrink(pretrain)
    source = build(pretrain)
    source.init_weights()
    nn.init.normal_(source.neck.norm.weight)
    torch.save(dict(state_dict=source.state_dict()), tmp_path / 'pre.pth')
    for name in (FINETUNE, LINEAR):
        cfg = load(name)
        init_cfg = dict(cfg.model.backbone.init_cfg)
        assert init_cfg['checkpoint'] == (
            f'work_dirs/{Path(PRETRAIN).name}/epoch_1600.pth')
        shrink(cfg)
        cfg.model.backbone.init_cfg = dict(
            init_cfg, checkpoint=str(tmp_path / 'pre.pth'))
        model = build(cfg, pretrained=True)
        model.init_weights()
        theirs = model.backbone.state_dict()
        for key, value in source.backbone.state_dict().items():
            assert torch.equal(theirs.pop(key), value), key
        assert not theirs
        assert torch.equal(model.neck.fc_norm.weight, torch.ones(128))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture with detail, in a format without loss."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 33, 3), np.uint8)
    path = tmp_path / 'picture.png'
    Image.fromarray(pixels).resize((333, 290), Image.BICUBIC).save(path)
    return path


@pytest.mark.parametrize('name', [PRETRAIN, FINETUNE, LINEAR])
def test_images_are_tested_as_in_the_official_code(name: str,
                                                   picture: Path) -> None:
    """Shorter side 256, bicubic, by Pillow; the central 224 pixels."""
    pipeline = load(name).test_dataloader.dataset.pipeline
    ours = run_pipeline(pipeline, str(picture))['inputs'].flip(0)  # BGR to RGB
    theirs = v2.Compose([
        v2.Resize(256, v2.InterpolationMode.BICUBIC),
        v2.CenterCrop(224),
        v2.PILToTensor()
    ])(
        Image.open(picture))
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize('name', [PRETRAIN, FINETUNE, LINEAR])
def test_training_images(name: str, picture: Path) -> None:
    np.random.seed(0)
    pipeline = load(name).train_dataloader.dataset.pipeline
    results = run_pipeline(pipeline, str(picture))
    assert results['inputs'].shape == (3, 224, 224)
    assert results['inputs'].dtype == torch.uint8


def test_erased_pixels_look_like_noise_to_the_network(picture: Path) -> None:
    """Erasing before the normalisation must equal erasing after it."""
    np.random.seed(0)
    cfg = load(FINETUNE)
    pipeline = copy.deepcopy(cfg.train_dataloader.dataset.pipeline)
    erase = next(t for t in pipeline if t['type'] == 'RandomErasing')
    erase.update(
        erase_prob=1.,
        min_area_ratio=.9,
        max_area_ratio=.9,
        aspect_range=(1., 1.))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        image = TRANSFORMS.build(erase)(
            dict(img=np.zeros((224, 224, 3), np.uint8)))['img']
    inside = image[20:-20, 20:-20]
    mean, std = cfg.data_preprocessor.mean, cfg.data_preprocessor['std']
    normal = (inside[..., ::-1] - np.array(mean)) / np.array(std)
    # clipped to 0..255, so a little narrower than a unit normal
    assert abs(normal.mean(axis=(0, 1))).max() < .08
    assert (abs(normal.std(axis=(0, 1)) - .95) < .06).all()


def test_fine_tuning_smooths_and_mixes_labels_as_timm_does() -> None:
    cfg = load(FINETUNE)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        loss = MODELS.build(dict(cfg.model.head.loss))
    logits = torch.randn(2, 1000)
    target = torch.zeros(2, 1000)
    target[0, 3], target[0, 5], target[1, 7] = .3, .7, 1.
    soft = .9 * target + .1 / 1000
    expected = -(soft * logits.log_softmax(dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(loss(logits, target), expected)
    assert [augment['type'] for augment in cfg.model.train_cfg.augments
            ] == ['Mixup', 'CutMix']
    assert 'probs' not in cfg.model.train_cfg  # half of the batches each


def test_complementary_masking_shows_every_patch_once() -> None:
    cfg = load(FAST)
    assert cfg.optim_wrapper.optimizer.lr == 1.2e-3
    shrink(cfg)
    model = build(cfg)
    _, mask = model.reconstruct(torch.randn(2, 3, 64, 64))
    shown = (1 - mask.removed_BL).unflatten(0, (4, 2)).sum(dim=0)
    assert torch.equal(shown, torch.ones(2, 16))
