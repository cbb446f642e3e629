"""Results of a detector that sees square, padded images.

Shapes: N detections, K classes.
"""
from mmdet.models import FCNMaskHead
from mmdet.registry import MODELS
from mmengine.structures import InstanceData
from torch import Tensor


@MODELS.register_module()
class SquareImageMaskHead(FCNMaskHead):
    """mmdet's ``FCNMaskHead`` with the post-processing of the FPN recipe.

    There the padding is part of the image (``img_shape`` is the padded
    shape), so boxes may reach into it. Boxes are brought to the original size
    by one factor, the larger of the two side ratios, and clipped; those that
    lie in the padding are dropped; masks are pasted into the clipped boxes.
    """

    def predict_by_feat(self,
                        mask_preds: tuple[Tensor, ...],
                        results_list: list[InstanceData],
                        batch_img_metas: list[dict],
                        *args,
                        rescale: bool = False,
                        **kwargs) -> list[InstanceData]:
        """See ``FCNMaskHead``.

        Args:
            mask_preds: Mask logits of each image, (N, K, h, w).
            results_list: ``bboxes``, ``scores`` and ``labels`` of each image.
            batch_img_metas: ``img_shape``, ``ori_shape`` of each image.
            *args: Passed on.
            rescale: Give results in the original size.
            **kwargs: Passed on.
        """
        if rescale:
            kept = [
                _to_original_size(results, meta)
                for results, meta in zip(results_list, batch_img_metas)
            ]
            results_list = [
                results[keep] for results, keep in zip(results_list, kept)
            ]
            mask_preds = tuple(pred[keep]
                               for pred, keep in zip(mask_preds, kept))
            batch_img_metas = [
                dict(meta, scale_factor=(1., 1.)) for meta in batch_img_metas
            ]
        return super().predict_by_feat(
            mask_preds,
            results_list,
            batch_img_metas,
            *args,
            rescale=rescale,
            **kwargs)


def _to_original_size(results: InstanceData, meta: dict) -> Tensor:
    """Rescale and clip ``results.bboxes``; returns which are not empty."""
    factor = max(
        original / shown
        for original, shown in zip(meta['ori_shape'][:2], meta['img_shape']))
    boxes = results.bboxes * factor
    height, width = meta['ori_shape'][:2]
    boxes[:, 0::2].clamp_(0, width)
    boxes[:, 1::2].clamp_(0, height)
    results.bboxes = boxes
    return (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
