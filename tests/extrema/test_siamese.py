"""The algorithm: teacher, masks, losses, gradients and bad input."""
import math
from pathlib import Path

import pytest
import torch
from extrema_models import LOSSES, set_progress, siamese
from mmengine.logging import MessageHub
from mmpretrain.registry import MODELS
from torch import nn

from projects.analysis.complexity import SharedFakeTensorMode
from projects.common.checkpoint import load_weights
from projects.extrema.teacher import MomentumTeacher


def tiny(**kwargs) -> nn.Module:
    model = siamese(**{'img_size': 64, **kwargs})
    model.init_weights()
    set_progress(0, 10)
    return model


def images(views: int = 2, count: int = 3) -> list[torch.Tensor]:
    return [torch.randn(count, 3, 64, 64) for _ in range(views)]


# Teacher


def test_the_teacher_starts_as_the_student() -> None:
    model = tiny()
    pairs = zip(model.student.parameters(), model.target_net.parameters())
    assert all(torch.equal(own, new) for own, new in pairs)


def test_the_teacher_is_the_closed_form_of_its_average() -> None:
    """After n steps: sum over k of (1 - m_k) m_(k+1) ... m_n student_k."""
    model, length = tiny(momentum=0.3), 7
    optimizer = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad], lr=0.5)
    weight = model.backbone.blocks[0].attn.qkv.weight
    shares, students = [], [weight.detach().double().clone()]
    for step in range(length):
        set_progress(step, length)
        students.append(weight.detach().double().clone())
        loss = model.train().loss(images())['loss']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        shares.append(0.3 * (1 + math.cos(math.pi * step / length)) / 2)
    factors = [1.] + shares  # the start counts whole
    expected = sum(factors[k] * math.prod(1 - share
                                          for share in shares[k:]) * student
                   for k, student in enumerate(students))
    ours = model.target_net.module[0].blocks[0].attn.qkv.weight
    assert float((students[0] - weight).abs().max()) > 1e-3
    torch.testing.assert_close(ours.double(), expected, rtol=0, atol=1e-6)
    assert int(model.target_net.steps) == length


def test_the_teacher_has_no_stochastic_depth() -> None:
    model = tiny(backbone=dict(drop_path_rate=0.5)).train()
    x = images(1)[0]
    outs = [model.target_net(x)[0] for _ in range(8)]
    assert all(torch.equal(out, outs[0]) for out in outs)
    student = [model.neck(model.backbone(x))[0] for _ in range(8)]
    assert not all(torch.equal(out, student[0]) for out in student)


def test_the_teacher_stays_in_evaluation() -> None:
    model = tiny()
    before = model.target_net.module[1].layers[0].weight.clone()
    nn.init.zeros_(model.neck.layers[0].weight)
    model.eval().loss(images())
    assert torch.equal(before, model.target_net.module[1].layers[0].weight)


def test_without_a_runner_there_is_no_momentum() -> None:
    MessageHub.get_current_instance().pop_info('max_iters', None)
    teacher = MomentumTeacher(nn.Linear(2, 2), momentum=0.1)
    with pytest.raises(RuntimeError, match='train with a runner'):
        teacher.update_parameters(nn.Linear(2, 2))


# Gradients and devices


@pytest.mark.parametrize('mode', ['cait', 'vit', 'avg'])
@pytest.mark.parametrize('loss', LOSSES)
def test_gradients_reach_the_student_and_no_teacher(mode: str,
                                                    loss: str) -> None:
    model = tiny(backbone=dict(token_mode=mode), loss=LOSSES[loss]).train()
    model.loss(images())['loss'].backward()
    for name, parameter in model.named_parameters():
        if name.startswith('target_net.') or name == 'backbone.pos_embed':
            assert parameter.grad is None, name
        else:
            assert parameter.grad.any(), name


def test_a_step_does_not_read_from_the_device() -> None:
    """Tensors without values: whoever asks for one is told."""
    with SharedFakeTensorMode():
        model = siamese(img_size=64).train()
        set_progress(0, 10)
        losses = model.loss(images())
        losses['loss'].backward()
    assert {'loss', 'student_std', 'teacher_std'} == losses.keys()


def test_masks_are_one_batch_and_patches_are_embedded_once() -> None:
    model, rows = tiny(), {}
    for name in ('patch_embed', 'blocks.0'):
        model.backbone.get_submodule(name).register_forward_hook(
            lambda _, args, __, name=name: rows.setdefault(name, []).append(
                len(args[0])))
    model.train().loss(images(count=3))
    assert rows == {
        'patch_embed': [3],
        'blocks.0': [3 * model.masking.num_masks]
    }


# Losses


def test_byol_is_the_squared_distance_of_unit_vectors() -> None:
    loss = MODELS.build(LOSSES['byol'])
    target = torch.randn(4, 8)
    pred = torch.stack([3 * target, -target])
    assert loss(pred[:1], target).item() == pytest.approx(0, abs=1e-6)
    assert loss(pred[1:], target).item() == pytest.approx(4)
    assert loss(pred, target).item() == pytest.approx(2)
    pred = torch.randn(3, 4, 8)
    unit = nn.functional.normalize
    distances = (unit(pred, dim=-1) - unit(target, dim=-1)).square().sum(-1)
    assert loss(pred, target).item() == pytest.approx(distances.mean().item())


def test_infonce_per_mask() -> None:
    loss = MODELS.build(dict(type='CrossMaskInfoNCE', temperature=0.5))
    pred, target = torch.randn(3, 4, 8), torch.randn(4, 8)
    expected = 0.
    for mask in pred:
        for image, row in enumerate(mask):
            cos = nn.functional.cosine_similarity(row[None], target)
            expected -= (cos / 0.5).log_softmax(0)[image] / 12
    assert loss(pred, target).item() == pytest.approx(
        expected.item(), rel=1e-5)
    with pytest.raises(ValueError, match='temperature is 0'):
        MODELS.build(dict(type='CrossMaskInfoNCE', temperature=0))


# Features


def test_features_are_those_of_the_branch() -> None:
    model, x = tiny(), images(1)[0]
    nn.init.normal_(model.backbone.norm.weight)
    student, teacher = model.backbone(x)[0], model.target_net.module[0](x)[0]
    for branch, expected in dict(teacher=teacher, student=student).items():
        model.branch = branch
        assert torch.equal(model.extract_feat(x)[0], expected)
        part = model.get_submodule(model.feature_part)
        assert torch.equal(part(x)[0], expected)
    assert not torch.equal(student, teacher)
    with pytest.raises(ValueError, match="branch is 'both'"):
        tiny(branch='both')


# Bad input


@pytest.mark.parametrize('views', [0, 1, 3])
def test_another_number_of_views(views: int) -> None:
    with pytest.raises(
            ValueError, match=f'one view .* or two, found {views}: let Multi'):
        tiny().loss(images(views))


def test_one_view_is_seen_by_both_branches() -> None:
    model = tiny(masking=dict(type='DisjointTokenMasking', num_masks=1))
    x = images(1)[0]
    torch.manual_seed(0)
    one = model.eval().loss(x)['loss']
    torch.manual_seed(0)
    assert torch.equal(one, model.loss([x, x])['loss'])


def test_masks_that_ask_for_more_tokens_than_there_are() -> None:
    model = tiny(
        masking=dict(type='DisjointTokenMasking', ratio=0.75, num_masks=5))
    with pytest.raises(
            ValueError, match='num_masks is 5.*16 tokens.*expected 1 to 4'):
        model.loss(images())


@pytest.mark.parametrize('kind',
                         ['DisjointTokenMasking', 'IndependentTokenMasking'])
def test_a_mask_that_keeps_none(kind: str) -> None:
    model = tiny(masking=dict(type=kind, ratio=0.95, num_masks=2))
    with pytest.raises(ValueError, match='ratio 0.95 keeps 0 of the 16'):
        model.loss(images())


def test_a_checkpoint_whose_teacher_is_missing(tmp_path: Path) -> None:
    model = tiny()
    path = tmp_path / 'student.pth'
    torch.save(
        {
            name: value
            for name, value in model.state_dict().items()
            if not name.startswith('target_net.')
        }, path)
    before = model.neck.layers[0].weight.clone()
    with pytest.raises(ValueError, match=r'teacher \(target_net.*missing'):
        load_weights(model, str(path))
    assert torch.equal(before, model.neck.layers[0].weight)


def test_an_encoder_alone_starts_both_branches(tmp_path: Path) -> None:
    """What the message for a missing teacher advises."""
    source, path = tiny(), tmp_path / 'student.pth'
    torch.save(source.state_dict(), path)
    model = tiny(
        backbone=dict(
            init_cfg=dict(
                type='Pretrained', checkpoint=str(path), prefix='backbone.')))
    for ours in (model.backbone, model.target_net.module[0]):
        assert torch.equal(ours.cls_token, source.backbone.cls_token)
