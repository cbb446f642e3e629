"""Batch norm over processes, some of which may have nothing."""
import pytest
import torch
from mmcv.cnn import ConvModule
from norm_worker import CHANNELS, batches, compute, make, work
from torch import multiprocessing, nn

from projects.common.norm import EmptySafeSyncBN, sync_without_gpu

SIZES = [(5, 3), (4, 0), (0, 0)]  # regions of two processes, case by case


@pytest.fixture(scope='module')
def parts(tmp_path_factory):
    """What each process computed for each case."""
    folder = tmp_path_factory.mktemp('norm')
    multiprocessing.spawn(work, (str(folder), SIZES), nprocs=2)
    return [
        torch.load(folder / f'{rank}.pth', weights_only=True)
        for rank in range(2)
    ]


@pytest.mark.parametrize('case', range(len(SIZES)), ids=map(str, SIZES))
def test_two_processes_are_one_batch(parts, case):
    sizes = SIZES[case]
    norm = make(nn.BatchNorm2d if sum(sizes) else EmptySafeSyncBN)
    out, grad, *of_parameters = compute(norm, torch.cat(batches(sizes)))
    close = dict(rtol=1e-4, atol=1e-4)
    ours = [part[case]['results'] for part in parts]
    torch.testing.assert_close(torch.cat([x[0] for x in ours]), out, **close)
    torch.testing.assert_close(torch.cat([x[1] for x in ours]), grad, **close)
    for index, expected in enumerate(of_parameters, start=2):
        total = ours[0][index] + ours[1][index]
        torch.testing.assert_close(total, expected, rtol=1e-4, atol=1e-3)
    for part in parts:
        torch.testing.assert_close(part[case]['state'],
                                   dict(norm.state_dict()))


def test_alone_it_is_batch_norm_and_survives_nothing():
    norm, plain = make(EmptySafeSyncBN), make(nn.BatchNorm2d)
    x = batches([4])[0]
    torch.testing.assert_close(
        compute(norm, x), compute(plain, x), rtol=0, atol=0)
    before = {key: value.clone() for key, value in norm.state_dict().items()}
    norm.zero_grad()
    out, _, weight_grad, bias_grad = compute(norm, x[:0])
    assert out.shape == (0, CHANNELS, 4, 4)
    assert not weight_grad.any() and not bias_grad.any()
    torch.testing.assert_close(norm.state_dict(), before)
    assert norm.eval()(x[:0]).shape == (0, CHANNELS, 4, 4)


def test_what_needs_a_gpu_is_replaced():
    """Names, parameters and statistics stay; other norms are left alone."""
    model = nn.Sequential(
        nn.SyncBatchNorm(CHANNELS, eps=1e-3, momentum=None, affine=False),
        nn.Sequential(nn.SyncBatchNorm(CHANNELS)), nn.BatchNorm2d(CHANNELS))
    state = model.state_dict()
    weight = model[1][0].weight
    replaced = sync_without_gpu(model)
    modules = replaced[0], replaced[1][0], replaced[2]
    assert [type(module) for module in modules
            ] == [EmptySafeSyncBN, EmptySafeSyncBN, nn.BatchNorm2d]
    assert (replaced[0].eps, replaced[0].momentum) == (1e-3, None)
    assert replaced[1][0].weight is weight
    torch.testing.assert_close(replaced.state_dict(), state)
    alone = sync_without_gpu(nn.SyncBatchNorm(CHANNELS).eval())
    assert type(alone) is EmptySafeSyncBN and not alone.training


def test_mmcv_names_it_bn():
    """Conversion tables and the weight-decay rules rely on the name."""
    conv = ConvModule(3, 4, 3, norm_cfg=dict(type='EmptySafeSyncBN'))
    assert isinstance(conv.bn, EmptySafeSyncBN) and conv.conv.bias is None
    conv = ConvModule(3, 4, 3, norm_cfg=dict(type='mmpretrain.LN2d', eps=1e-6))
    assert conv.ln.eps == 1e-6
