"""InfoNCE, the alternative objective of ExtreMA's ablation.

Shapes: N images of this process, M of all processes, V masks, C channels.
"""
import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, get_rank
from mmengine.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class CrossMaskInfoNCE(nn.Module):
    """Tell an image's target from the targets of all other images.

    2 T cross_entropy(q k^T / T) for each mask, averaged over the masks, as in
    MoCo v3. The released code of this branch splits by an attribute that does
    not exist; this is the form it means, split by masks.

    Args:
        temperature: T; the code's default is 1. The value behind the paper's
            row is not published.

    Raises:
        ValueError: If ``temperature`` is not positive.
    """

    def __init__(self, temperature: float = 1.) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f'temperature is {temperature}; it must be '
                             'positive')
        self.temperature = temperature

    def forward(self, pred_VNC: Tensor, target_NC: Tensor) -> Tensor:
        """Loss of the predictions; targets come from all processes.

        In float32 whatever the autocast dtype is.
        """
        with torch.autocast(pred_VNC.device.type, enabled=False):
            return self._loss(pred_VNC.float(), target_NC.float())

    def _loss(self, pred_VNC: Tensor, target_NC: Tensor) -> Tensor:
        pred_VNC = F.normalize(pred_VNC, dim=-1)
        target_NC = F.normalize(target_NC, dim=-1)
        target_MC = torch.cat(all_gather(target_NC.contiguous()))
        logits_VNM = pred_VNC @ target_MC.T / self.temperature
        own_N = torch.arange(len(target_NC), device=target_NC.device)
        own_VN = (own_N + get_rank() * len(target_NC)).expand(
            len(pred_VNC), -1)
        loss = F.cross_entropy(logits_VNM.flatten(0, 1), own_VN.flatten())
        return 2 * self.temperature * loss
