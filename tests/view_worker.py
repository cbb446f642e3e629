"""Test of views in one process of several: real loader, metric and gloo.

    torchrun view_worker.py FOLDER

The "model" is a fixed linear map of each view's mean colour.
"""
import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.evaluator import Evaluator
from mmengine.registry import METRICS, init_default_scope
from mmpretrain.structures import DataSample

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from projects.engine import GlimpseRunner  # noqa: E402
from projects.video import MultiViewAccuracy  # noqa: E402, F401


def predict(batch: dict) -> list[DataSample]:
    """The samples of a batch with class probabilities."""
    weight = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    mean = batch['inputs'].float().mean((2, 3, 4)) / 25
    scores = (mean @ weight).softmax(1)
    return [
        sample.set_pred_score(score)
        for sample, score in zip(batch['data_samples'], scores)
    ]


def main(folder: Path) -> None:
    """Evaluate; the main process writes ``metrics.json``."""
    init_default_scope('mmpretrain')
    loader = GlimpseRunner.build_dataloader(
        dict(
            batch_size=4,
            num_workers=0,
            collate_fn=dict(type='default_collate'),
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(
                type='ListedVideos',
                data_root=str(folder / 'video'),
                ann_file='list.txt',
                num_classes=8,
                num_clips=5,
                num_crops=3,
                test_mode=True,
                pipeline=[
                    dict(
                        type='LoadVideoClip',
                        sampler=dict(type='DenseTestFrames', num_frames=4)),
                    dict(type='ClipResizeShort', size=16),
                    dict(type='ClipViewCrop', size=16),
                    dict(type='PackClip')
                ])))
    metric = METRICS.build(
        dict(
            type='MultiViewAccuracy',
            topk=(1, 2, 8),
            out_file=str(folder / 'out' / 'predictions.json')))
    evaluator = Evaluator(metric)
    for batch in loader:
        evaluator.process(predict(batch), batch)
    metrics = evaluator.evaluate(len(loader.dataset))
    if metrics:
        (folder / 'metrics.json').write_text(json.dumps(metrics))


if __name__ == '__main__':
    dist.init_process_group('gloo')
    main(Path(sys.argv[1]))
    dist.destroy_process_group()
