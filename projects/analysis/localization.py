"""How well a representation of boxes finds an object again.

Shapes: B crops, C channels, M candidates, T true boxes, S pixels of a side.
"""
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.registry import METRICS
from mmengine.utils import track_iter_progress
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import box_iou

from .box_pairs import BoxPairs
from .encoders import Normalize, image_features, load_backbone


@METRICS.register_module()
class PairLocalization(BaseMetric):
    """Overlap of the most similar box with the object that is looked for.

    For each pair of :class:`~projects.analysis.box_pairs.BoxPairs` the
    candidate with the largest similarity is the prediction. Its IoU is that
    with the best of the true boxes. The metrics, each in percent over all
    pairs:

    - ``mIoU``, the mean, and ``success``, the share above ``threshold``;
    - ``oracle_mIoU``, ``oracle_success``: of the candidate that overlaps
      most, what the boxes allow;
    - ``random_mIoU``, ``random_success``: expected of a candidate by lot.

    The protocol is ours; the paper publishes pictures only.

    Args:
        threshold: IoU above which an object counts as found.
        collect_device: As in ``BaseMetric``.
        prefix: As in ``BaseMetric``.
    """

    default_prefix = 'pairs'

    def __init__(self,
                 threshold: float = 0.5,
                 collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        super().__init__(collect_device, prefix)
        self.threshold = threshold

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Take the IoUs of each pair.

        Args:
            data_batch: Not used.
            data_samples: ``similarity`` (M,), ``candidates`` (M, 4) and
                ``true_boxes`` (T, 4) of each pair.
        """
        for sample in data_samples:
            iou_M = box_iou(sample['candidates'],
                            sample['true_boxes']).amax(dim=1)
            found_M = (iou_M > self.threshold).to(iou_M.dtype)
            best = sample['similarity'].argmax()
            values = dict(
                mIoU=iou_M[best],
                success=found_M[best],
                oracle_mIoU=iou_M.max(),
                oracle_success=found_M.max(),
                random_mIoU=iou_M.mean(),
                random_success=found_M.mean())
            self.results.append({
                name: value.item()
                for name, value in values.items()
            })

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Means over all pairs, in percent."""
        return {
            name: 100 * sum(result[name] for result in results) / len(results)
            for name in results[0]
        }


@torch.no_grad()
def similarity(backbone: nn.Module,
               normalize: Normalize,
               crops_BCSS: Tensor,
               batch_size: int = 64) -> Tensor:
    """Cosine similarity (M,) of each candidate's vector with the query's.

    Args:
        backbone: Gives vectors, see
            :func:`~projects.analysis.encoders.image_features`.
        normalize: Its normalisation of pixels.
        crops_BCSS: uint8 RGB crops, that of the query first.
        batch_size: Crops that are encoded together.
    """
    device = next(backbone.parameters()).device
    features_BC = torch.cat([
        image_features(backbone,
                       normalize(crops).to(device))
        for crops in crops_BCSS.split(batch_size)
    ])
    query_1C, candidates_MC = F.normalize(features_BC.float()).split(
        [1, len(features_BC) - 1])
    return (candidates_MC @ query_1C.T)[:, 0].cpu()


def evaluate_localization(cfg: Config,
                          checkpoint: str,
                          pairs: BoxPairs,
                          prefix: str = 'backbone.',
                          batch_size: int = 64,
                          progress: bool = False) -> dict[str, float]:
    """Metrics of :class:`PairLocalization` of a trained encoder.

    Args:
        cfg: Config of a pretraining or classifier.
        checkpoint: Path or URL of its checkpoint.
        pairs: The task.
        prefix: Start of the backbone's names in the checkpoint.
        batch_size: Crops that are encoded together.
        progress: Show a progress bar.

    Raises:
        FileNotFoundError: If the checkpoint is missing.
        ValueError: If it does not fit, or the backbone gives no vectors.
    """
    backbone = load_backbone(cfg, checkpoint, prefix)
    backbone.to('cuda' if torch.cuda.is_available() else 'cpu')
    normalize = Normalize(cfg)
    evaluator = Evaluator(PairLocalization())
    numbers = range(len(pairs))
    for number in track_iter_progress(numbers) if progress else numbers:
        pair = pairs[number]
        crops = pair.pop('crops')
        evaluator.process([
            dict(
                pair,
                similarity=similarity(backbone, normalize, crops, batch_size))
        ])
    return evaluator.evaluate(len(pairs))
