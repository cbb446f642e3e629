"""Accuracy of videos that are tested in several views."""
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.registry import METRICS

from projects.engine.checkpoint_io import write_text


@METRICS.register_module()
class MultiViewAccuracy(BaseMetric):
    """Top-k accuracy of the mean of each video's views.

    Softmax comes before the mean (arXiv:2205.03892 follows VideoMAE in
    this). Every view of a video counts once: samples that a distributed
    sampler repeats so that all processes have equally many are recognised by
    their video and view.

    Args:
        topk: The k of top-k.
        out_file: JSON to write: for every video its path, label, the
            ``max(topk)`` classes of highest scores and these scores; None:
            none.
        collect_device: As of ``BaseMetric``.
        prefix: Of the names of results: ``accuracy/top1``.
    """
    default_prefix = 'accuracy'

    def __init__(self,
                 topk: int | Sequence[int] = (1, 5),
                 out_file: str | None = None,
                 collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.topk = (topk, ) if isinstance(topk, int) else tuple(topk)
        self.out_file = out_file

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep the scores of a batch of views.

        Args:
            data_batch: Not used.
            data_samples: With ``pred_score`` (probabilities), ``gt_label``,
                ``video_index``, ``view_index``, ``num_views`` and
                ``video_path``.
        """
        for sample in data_samples:
            self.results.append(
                dict(
                    video=sample['video_index'],
                    view=sample['view_index'],
                    views=sample['num_views'],
                    path=sample.get('video_path'),
                    label=int(sample['gt_label']),
                    scores=sample['pred_score'].float().cpu().numpy()))

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Per cent of videos with the right class among the first k.

        Args:
            results: Views of all processes.
        """
        videos: dict[int, dict[int, dict]] = {}
        for result in results:
            views = videos.setdefault(result['video'], {})
            views[result['view']] = result
        missing = sum(1 for views in videos.values()
                      if len(views) < next(iter(views.values()))['views'])
        if missing:
            print_log(
                f'{missing} of {len(videos)} videos lack views: they are '
                'judged by those that are there', 'current', 30)
        predictions = [
            self._average(list(videos[number].values()))
            for number in sorted(videos)
        ]
        if self.out_file is not None:
            Path(self.out_file).parent.mkdir(parents=True, exist_ok=True)
            write_text(self.out_file, json.dumps(predictions, indent=1) + '\n')
        return {
            f'top{k}':
            100 * float(
                np.mean([
                    video['label'] in video['classes'][:k]
                    for video in predictions
                ]))
            for k in self.topk
        }

    def _average(self, views: list[dict]) -> dict:
        """What is predicted of a video."""
        scores = np.stack([view['scores'] for view in views]).mean(
            axis=0, dtype=np.float64)
        best = np.argsort(-scores, kind='stable')[:max(self.topk)]
        return dict(
            path=views[0]['path'],
            label=views[0]['label'],
            views=len(views),
            classes=best.tolist(),
            scores=scores[best].tolist())
