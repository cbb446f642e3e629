"""Outputs, losses, gradients and teacher against the official numbers."""
import pytest
import torch
from extrema_models import of_fixture, set_progress, views
from golden import Fixture
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from projects.extrema.convert import convert

DTYPES = [torch.float32, torch.float64]
TRAINED = ['extrema_tiny_byol', 'extrema_tiny_byol_masks3',
           'extrema_tiny_infonce', 'extrema_tiny_epsprobe']  # yapf: disable


def training_step(model: nn.Module, fixture: Fixture, dtype: torch.dtype,
                  momentum: float) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of a training step, and what it was computed from."""
    seen = {}

    def record(name: str):

        def hook(module, args, output):
            seen[name] = output[0]

        return hook

    student_view, teacher_view = views(fixture, dtype)
    teacher = model.target_net.module
    handles = [
        module.register_forward_hook(record(name))
        for name, module in (('student_projection', model.neck),
                             ('student_prediction', model.head.predictor),
                             ('teacher_feature',
                              teacher[0]), ('teacher_projection', teacher[1]))
    ]
    set_progress(0, 10)
    model.target_net.momentum = 1 - momentum
    loss = model.train().loss([student_view, teacher_view])['loss']
    for handle in handles:
        handle.remove()
    mask = model.masking(
        len(student_view), model.backbone.token_grid(student_view))
    with torch.no_grad():
        seen['student_feature'] = model.backbone.instance_token(
            student_view, mask)
    seen['student_prediction'] = seen['student_prediction'].flatten(0, 1)
    return loss, seen


def check_step(step: str, model: nn.Module, fixture: Fixture,
               dtype: torch.dtype, momentum: float) -> Tensor:
    """Run a training step and compare everything that is stored of it."""
    loss, seen = training_step(model, fixture, dtype, momentum)
    fixture.check(f'{step}.loss', loss.reshape(1))
    for name, value in seen.items():
        fixture.check(f'{step}.{name}', value)
    weights = convert(model.state_dict(), 'extrema-pretrain', backward=True)
    teacher = {
        name.removeprefix('momentum_encoder.'): value
        for name, value in weights.items() if name.startswith('momentum')
    }
    sums = [teacher[name].double().abs().sum()
            for name in fixture.info['teacher_parameter_order']
            ]  # yapf: disable
    fixture.check(f'{step}.teacher_param_abs_sum', torch.stack(sums))
    for name in fixture.info['config']['ema_slices']:
        fixture.check(f'{step}.teacher.{name}', teacher[name])
    return loss


@pytest.mark.parametrize('dtype', DTYPES, ids=['float32', 'float64'])
@pytest.mark.parametrize('name', TRAINED)
def test_two_training_steps(name: str, dtype: torch.dtype) -> None:
    """The teacher moves first, the student by plain SGD between the steps."""
    fixture = Fixture(name)
    config = fixture.info['config']
    model = of_fixture(fixture, dtype)
    loss = check_step('step1', model, fixture, dtype, config['momentum'])
    assert not any(p.requires_grad for p in model.target_net.parameters())
    if not config['grads']:
        return
    loss.backward()
    gradients = {
        name: p.grad
        for name, p in model.named_parameters() if p.grad is not None
    }
    official = convert(gradients, 'extrema-pretrain', backward=True)
    assert official.keys() == set(fixture.info['gradients']['names'])
    fixture.check_gradients(official)
    with torch.no_grad():
        for p in model.parameters():
            if p.grad is not None:
                p -= config['sgd_lr'] * p.grad
    check_step('step2', model, fixture, dtype, config['momentum2'])


@pytest.mark.slow
def test_base() -> None:
    fixture = Fixture('extrema_base')
    model = of_fixture(fixture, torch.float32)
    count = sum(p.numel() for p in model.parameters())
    assert count == fixture.info['param_count_all']
    with torch.no_grad():
        check_step('step1', model, fixture, torch.float32,
                   fixture.info['config']['momentum'])


def test_positions_are_the_official_table() -> None:
    for name in ('extrema_tiny_byol', 'extrema_base'):
        fixture = Fixture(name)
        channels = fixture.info['state_dict']['base_encoder.pos_embed'][-1]
        backbone = MODELS.build(
            dict(
                type='ClassAttentionViT',
                arch=dict(channels=channels, depth=1, num_heads=4)))
        for key in fixture.info['untouched_keys']:
            fixture.check_untouched(key, backbone.pos_embed)


@pytest.mark.parametrize('dtype', DTYPES, ids=['float32', 'float64'])
def test_classifier(dtype: torch.dtype) -> None:
    """Fine-tuning: mean of the tokens, a new norm, trained positions."""
    fixture = Fixture('extrema_finetune_tiny')
    config = fixture.info['config']
    args = config['args']
    model = MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=dict(
                type='ClassAttentionViT',
                arch=dict(
                    channels=args['embed_dim'],
                    depth=args['depth'],
                    num_heads=args['num_heads']),
                img_size=args['img_size'],
                patch_size=args['patch_size'],
                token_mode=None,
                pos_trainable=True),
            neck=dict(type='TokenPooling', channels=args['embed_dim']),
            head=dict(
                type='LinearClsHead',
                in_channels=args['embed_dim'],
                num_classes=args['num_classes'])))
    model.load_state_dict(convert(fixture.state_dict(), 'extrema-finetune'))
    model = model.to(dtype).eval()
    feats = model.extract_feat(fixture.input('imgs').to(dtype))
    fixture.check('features', feats[-1])
    logits = model.head(feats)
    fixture.check('logits', logits)
    nn.functional.cross_entropy(logits,
                                torch.tensor(config['labels'])).backward()
    gradients = convert({
        n: p.grad
        for n, p in model.named_parameters()
    },
                        'extrema-finetune',
                        backward=True)
    assert gradients.keys() - set(fixture.info['gradients']['names']) == {
        'cls_token'
    }
    fixture.check_gradients(gradients)
