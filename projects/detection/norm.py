"""Batch normalisation for heads that sometimes see no region at all.

Shapes: N regions, C channels.
"""
import torch
from mmengine.dist import get_world_size
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce


@MODELS.register_module()
class EmptySafeSyncBN(nn.BatchNorm2d):
    """Batch norm over all processes that counts every region once.

    The mask head sees no region of an image without objects. A process
    without regions then contributes nothing, and when there are none at all
    the running statistics stay. This is what detectron2's
    ``NaiveSyncBatchNorm`` of mode "N" does in the official recipe; other than
    torch's ``SyncBatchNorm`` it also runs on the CPU.
    """

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Normalise (N, C, H, W); N may be zero and differ by process."""
        if not self.training:
            return super().forward(x_NCHW)
        if get_world_size() > 1:
            return self._synchronised(x_NCHW)
        if x_NCHW.numel() == 0:
            # keeps the parameters in the graph: DDP waits for each
            return x_NCHW * self.weight.sum() + self.bias.sum()
        return super().forward(x_NCHW)

    def _synchronised(self, x_NCHW: Tensor) -> Tensor:
        with torch.autocast(x_NCHW.device.type, enabled=False):
            x = x_NCHW.float()
            dims = (0, 2, 3)
            count = x.new_tensor([x.numel() // self.num_features])
            sums = all_reduce(
                torch.cat([x.sum(dims),
                           x.square().sum(dims), count]))
            mean, square = (sums[:-1] / sums[-1].clamp(min=1)).chunk(2)
            var = (square - mean.square()).clamp(min=0)
            self._update(mean.detach(), var.detach(), sums[-1].detach())
            scale = self.weight * (var + self.eps).rsqrt()
            shift = self.bias - mean * scale
            y = x * scale[:, None, None] + shift[:, None, None]
        return y.to(x_NCHW.dtype)

    @torch.no_grad()
    def _update(self, mean: Tensor, var: Tensor, count: Tensor) -> None:
        """Move the running statistics, unless nothing was seen."""
        momentum = self.momentum * count.clamp(max=1)
        self.running_mean.lerp_(mean, momentum)
        unbiased = var * count / (count - 1).clamp(min=1)
        self.running_var.lerp_(unbiased, momentum)
        self.num_batches_tracked += count.clamp(max=1).long()
