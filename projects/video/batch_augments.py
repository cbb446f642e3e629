"""What mixes the clips of a batch."""
import numpy as np
import torch
from mmpretrain.models.utils.batch_augments import CutMix
from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor


@BATCH_AUGMENTS.register_module()
class ClipCutMix(CutMix):
    """``CutMix`` with one rectangle in all frames.

    mmpretrain's own cuts along the third and fourth axes, which are time and
    height in a batch of clips. (Its ``Mixup`` is right for clips.)

    Args:
        alpha, cutmix_minmax, correct_lam: As of ``CutMix``.
    """

    def mix(self, batch_inputs: Tensor,
            batch_scores: Tensor) -> tuple[Tensor, Tensor]:
        """Paste a rectangle of another clip into each clip.

        Args:
            batch_inputs: (N, C, T, H, W); not changed.
            batch_scores: (N, number of classes).
        """
        share = np.random.beta(self.alpha, self.alpha)
        order = torch.randperm(len(batch_inputs)).to(
            batch_inputs.device, non_blocking=True)
        (top, bottom, left,
         right), share = self.cutmix_bbox_and_lam(batch_inputs.shape[-2:],
                                                  share)
        mixed = batch_inputs.clone()
        mixed[..., top:bottom,
              left:right] = batch_inputs[order, ..., top:bottom, left:right]
        return mixed, share * batch_scores + (1 - share) * batch_scores[order]
