"""Body of the processes of ``common/test_norm.py``."""
import torch
from torch import Tensor, distributed, nn

CHANNELS = 3


def make(cls: type[nn.BatchNorm2d]) -> nn.BatchNorm2d:
    """A batch norm with the same weights in every process."""
    torch.manual_seed(0)
    norm = cls(CHANNELS)
    nn.init.normal_(norm.weight)
    return norm


def batches(sizes: tuple[int, ...]) -> list[Tensor]:
    """Regions of each process."""
    torch.manual_seed(1)
    return [torch.randn(size, CHANNELS, 4, 4) * 3 + 2 for size in sizes]


def compute(norm: nn.BatchNorm2d, x: Tensor) -> list[Tensor]:
    """Output and gradients of input, weight and bias for a fixed loss."""
    x = x.clone().requires_grad_()
    out = norm(x)
    factor_C11 = torch.arange(1., CHANNELS + 1)[:, None, None]
    (out * factor_C11).square().sum().backward()
    return [out.detach(), x.grad, norm.weight.grad, norm.bias.grad]


def work(rank: int, folder: str, cases: list[tuple[int, int]]) -> None:
    """Compute all cases in one of two processes."""
    from projects.common.norm import EmptySafeSyncBN
    distributed.init_process_group(
        'gloo', f'file://{folder}/store', rank=rank, world_size=2)
    parts = []
    for sizes in cases:
        norm = make(EmptySafeSyncBN)
        results = compute(norm, batches(sizes)[rank])
        parts.append(dict(results=results, state=dict(norm.state_dict())))
    torch.save(parts, f'{folder}/{rank}.pth')
    distributed.destroy_process_group()
