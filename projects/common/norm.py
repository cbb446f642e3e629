"""Batch normalisation over processes, on any device, of any number of rows.

Shapes: N images or regions, C channels, further dimensions X.
"""
import torch
from mmengine.dist import get_world_size
from mmengine.model import revert_sync_batchnorm
from mmengine.model.utils import _BatchNormXd
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce


@MODELS.register_module()
class EmptySafeSyncBN(_BatchNormXd):
    """Batch norm over all processes that counts every row once.

    The mask head sees no region of an image without objects. A process
    without regions then contributes nothing, and when there are none at all
    the running statistics stay. This is what detectron2's
    ``NaiveSyncBatchNorm`` of mode "N" does in the official recipe; other than
    torch's ``SyncBatchNorm`` it also runs on the CPU.

    Arguments are those of ``torch.nn.BatchNorm2d``.
    """

    def forward(self, x_NCX: Tensor) -> Tensor:
        """Normalise (N, C, ...); N may be zero and differ by process."""
        if not self.training:
            return super().forward(x_NCX)
        if get_world_size() > 1:
            return self._synchronised(x_NCX)
        if x_NCX.numel() == 0:
            # keeps the parameters in the graph: DDP waits for each
            return x_NCX * self.weight.sum() + self.bias.sum()
        return super().forward(x_NCX)

    def _synchronised(self, x_NCX: Tensor) -> Tensor:
        with torch.autocast(x_NCX.device.type, enabled=False):
            x = x_NCX.float()
            dims = [0, *range(2, x.ndim)]
            count = x.new_tensor([x.numel() // self.num_features])
            sums = all_reduce(
                torch.cat([x.sum(dims),
                           x.square().sum(dims), count]))
            mean, square = (sums[:-1] / sums[-1].clamp(min=1)).chunk(2)
            var = (square - mean.square()).clamp(min=0)
            if self.running_mean is not None:
                self._update(mean.detach(), var.detach(), sums[-1].detach())
            scale = (var + self.eps).rsqrt()
            shift = -mean * scale
            if self.affine:
                scale, shift = (self.weight * scale,
                                self.weight * shift + self.bias)
            shape_C1 = (-1, *[1] * (x.ndim - 2))
            y = x * scale.view(shape_C1) + shift.view(shape_C1)
        return y.to(x_NCX.dtype)

    @torch.no_grad()
    def _update(self, mean: Tensor, var: Tensor, count: Tensor) -> None:
        """Move the running statistics, unless nothing was seen."""
        seen = count.clamp(max=1)
        self.num_batches_tracked += seen.long()
        momentum = seen * (1 / self.num_batches_tracked.clamp(min=1)
                           if self.momentum is None else self.momentum)
        self.running_mean.lerp_(mean, momentum)
        unbiased = var * count / (count - 1).clamp(min=1)
        self.running_var.lerp_(unbiased, momentum)


def sync_without_gpu(model: nn.Module) -> nn.Module:
    """Replace torch's and mmcv's ``SyncBatchNorm``, which need a GPU.

    Parameters, statistics and names stay, and so does the meaning: statistics
    of all processes' rows.
    """
    model = revert_sync_batchnorm(model)
    if isinstance(model, _BatchNormXd):
        return _synchronised(model)
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is _BatchNormXd:
                setattr(module, name, _synchronised(child))
    return model


def _synchronised(norm: _BatchNormXd) -> EmptySafeSyncBN:
    """The same norm over all processes."""
    synced = EmptySafeSyncBN(norm.num_features, norm.eps, norm.momentum,
                             norm.affine, norm.track_running_stats)
    for own in (synced._parameters, synced._buffers):
        for name in own:
            own[name] = getattr(norm, name)
    return synced.train(norm.training)
