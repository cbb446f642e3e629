"""Detections merged from several samples of an image (Table 4).

Shapes: P passes, N boxes, K classes.
"""
import torch
from mmdet.models import MaskRCNN
from mmdet.models.layers import multiclass_nms
from mmdet.models.utils import empty_instances
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from torch import Tensor

from .data_preprocessor import PaddedImages

Pass = tuple[Tensor, ...]  # the pyramid of one pass


@MODELS.register_module()
class MultiPassMaskRCNN(MaskRCNN):
    """Mask R-CNN that looks at ``num_passes`` samples of an image's tokens.

    The paper does not say how the passes are merged. Ours is detectron2's way
    of merging augmented views: boxes of all passes compete in one suppression
    by classes, and the masks of the survivors are averaged over the passes.
    With passes that agree the result is that of one pass.

    Args:
        num_passes: Number of samples; each has another seed.
        **kwargs: Arguments of mmdet's ``MaskRCNN``.

    Raises:
        ValueError: If ``num_passes`` is not positive, or the backbone sees
            all tokens at test, so that there is nothing to merge.
    """

    def __init__(self, num_passes: int = 2, **kwargs) -> None:
        super().__init__(**kwargs)
        if num_passes < 1:
            raise ValueError(f'model.num_passes is {num_passes}; it must be '
                             'at least 1')
        sampling = getattr(self.backbone, 'sampling', None)
        if num_passes > 1 and (sampling is None or sampling.test_ratio == 1
                               or sampling.kind != 'random'):
            raise ValueError(
                f'model.num_passes is {num_passes}, but every pass would see '
                'the same tokens: backbone.test_sample_ratio must be below 1 '
                "and backbone.sampling 'random'")
        self.num_passes = num_passes

    def predict(self,
                batch_inputs: Tensor | PaddedImages,
                batch_data_samples: SampleList,
                rescale: bool = True) -> SampleList:
        """See ``TwoStageDetector.predict``."""
        passes = [
            self.neck(self.backbone(batch_inputs, seed=seed))
            for seed in range(self.num_passes)
        ]
        metas = [sample.metainfo for sample in batch_data_samples]
        found = [self._boxes(maps, batch_data_samples) for maps in passes]
        merged = [self._merge(of_image) for of_image in zip(*found)]
        results = self._masks(passes, merged, metas, rescale)
        return self.add_pred_to_datasample(batch_data_samples, results)

    def _boxes(self, maps: Pass,
               batch_data_samples: SampleList) -> list[InstanceData]:
        """All boxes (N, K * 4) and scores (N, K + 1) of each image."""
        proposals = self.rpn_head.predict(
            maps, batch_data_samples, rescale=False)
        metas = [sample.metainfo for sample in batch_data_samples]
        return self.roi_head.predict_bbox(
            maps, metas, proposals, rcnn_test_cfg=None, rescale=False)

    def _merge(self, found: tuple[InstanceData, ...]) -> InstanceData:
        """One image's detections from those of P passes."""
        cfg = self.roi_head.test_cfg
        boxes_N5, labels_N = multiclass_nms(
            torch.cat([of_pass.bboxes for of_pass in found]),
            torch.cat([of_pass.scores for of_pass in found]), cfg.score_thr,
            cfg.nms, cfg.max_per_img)
        return InstanceData(
            bboxes=boxes_N5[:, :4], scores=boxes_N5[:, 4], labels=labels_N)

    def _masks(self, passes: list[Pass], merged: list[InstanceData],
               metas: list[dict], rescale: bool) -> list[InstanceData]:
        """Detections with their masks, averaged over the passes."""
        cfg, rois = self.roi_head.test_cfg, bbox2roi(
            [of_image.bboxes for of_image in merged])
        if not len(rois):
            return empty_instances(
                metas,
                rois.device,
                task_type='mask',
                instance_results=merged,
                mask_thr_binary=cfg.mask_thr_binary)
        masks = sum(
            self.roi_head._mask_forward(maps, rois)['mask_preds'].sigmoid()
            for maps in passes) / len(passes)
        return self.roi_head.mask_head.predict_by_feat(
            mask_preds=masks.split([len(of_image) for of_image in merged]),
            results_list=merged,
            batch_img_metas=metas,
            rcnn_test_cfg=cfg,
            rescale=rescale,
            activate_map=True)  # they are probabilities already
