"""Views of a video are averaged once each, in any number of processes."""
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import view_worker
from mmpretrain.structures import DataSample

from projects.video import MultiViewAccuracy


def view(video, number, scores, label=0, views=2):
    sample = DataSample(
        metainfo=dict(
            video_index=video,
            view_index=number,
            num_views=views,
            video_path=f'{video}.mp4'))
    sample.set_gt_label(label).set_pred_score(torch.tensor(scores))
    return sample.to_dict()


def evaluate(samples, **options):
    metric = MultiViewAccuracy(**options)
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def test_probabilities_are_averaged_over_views():
    """Neither the first view nor a vote would give this."""
    samples = [
        view(0, 0, [0.4, 0.6, 0.]),
        view(0, 1, [0.9, 0.1, 0.]),  # mean 0.65, 0.35, 0: right
        view(1, 0, [0.51, 0.49, 0.], label=0),
        view(1, 1, [0., 0.3, 0.7], label=0),  # mean 0.255, 0.395, 0.35
    ]
    result = evaluate(samples, topk=(1, 2, 3))
    assert result == {
        'accuracy/top1': 50.,
        'accuracy/top2': 50.,
        'accuracy/top3': 100.
    }


def test_more_places_than_classes():
    assert evaluate([view(0, 0, [0.1, 0.9], views=1)], topk=5) == {
        'accuracy/top5': 100.
    }


def test_order_and_repetition_change_nothing(tmp_path):
    rng = np.random.default_rng(0)
    samples = [
        view(
            video,
            number,
            rng.dirichlet(np.ones(4)).tolist(),
            label=video % 4,
            views=6) for video in range(12) for number in range(6)
    ]
    mixed = [samples[i] for i in rng.permutation(72)] + samples[:7]
    results, predictions = [], []
    for order in (samples, mixed):
        file = tmp_path / 'out.json'
        results.append(evaluate(order, topk=(1, 4), out_file=str(file)))
        predictions.append(json.loads(file.read_text()))
    assert results[0] == results[1]
    for one, other in zip(*predictions):
        scores = one.pop('scores')
        np.testing.assert_allclose(other.pop('scores'), scores, rtol=1e-6)
        assert one == other and one['views'] == 6
        assert abs(sum(scores) - 1) < 1e-6


def test_missing_views_are_reported(monkeypatch):
    messages = []
    monkeypatch.setattr('projects.video.metric.print_log',
                        lambda text, *args: messages.append(text))
    samples = [
        view(0, 0, [1., 0.]),
        view(1, 0, [1., 0.]),
        view(1, 1, [1., 0.])
    ]
    assert evaluate(samples, topk=1) == {'accuracy/top1': 100.}
    assert messages == [
        '1 of 2 videos lack views: they are judged by those '
        'that are there'
    ]


def run(folder, shapes, processes):
    """Metrics and predictions of seven videos, 105 views."""
    folder.mkdir()
    (folder / 'video').symlink_to(shapes)
    if processes == 1:
        view_worker.main(folder)
    else:
        subprocess.run([
            sys.executable, '-m', 'torch.distributed.run', '--standalone',
            f'--nproc-per-node={processes}', view_worker.__file__, folder
        ],
                       check=True)
    return (json.loads((folder / 'metrics.json').read_text()),
            json.loads((folder / 'out/predictions.json').read_text()))


@pytest.fixture
def seven(shapes, tmp_path):
    """With seven videos of 15 views, two processes cannot share evenly."""
    folder = tmp_path / 'shapes'
    folder.mkdir()
    (folder / 'val').symlink_to(shapes / 'val')
    lines = (shapes / 'val.txt').read_text().splitlines()[:7]
    (folder / 'list.txt').write_text('\n'.join(lines))
    return folder


def test_one_and_two_processes_agree(seven, tmp_path):
    alone = run(tmp_path / 'one', seven, 1)
    both = run(tmp_path / 'two', seven, 2)
    assert both[0] == alone[0]
    assert alone[0]['accuracy/top8'] == 100.
    for one, other in zip(*(predictions for _, predictions in (alone, both))):
        assert one['views'] == other['views'] == 15
        assert one['classes'] == other['classes']
        assert Path(one['path']).name == Path(other['path']).name
        np.testing.assert_allclose(one['scores'], other['scores'], rtol=1e-6)
    assert [video['label'] for video in alone[1]] == list(range(7))
    assert len(alone[1]) == len(both[1]) == 7
