"""Clips through normalisation, mixup and CutMix."""
import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample

from projects.videoconvmae import ClipDataPreprocessor

MEAN, STD = [120., 110., 100.], [60., 50., 40.]


def batch(labels=(0, 1, 2)):
    inputs = torch.randint(0, 256, (len(labels), 3, 4, 12, 16)).byte()
    samples = [DataSample().set_gt_label(label) for label in labels]
    return dict(inputs=inputs, data_samples=samples)


def normal(clips):
    mean, std = (torch.tensor(v).view(3, 1, 1, 1) for v in (MEAN, STD))
    return (clips.float() - mean) / std


@pytest.mark.parametrize('as_list', [False, True])
def test_normalises_each_channel(as_list):
    data = batch()
    expected = normal(data['inputs'])
    if as_list:
        data['inputs'] = list(data['inputs'])
    out = ClipDataPreprocessor(MEAN, STD)(data, training=True)
    assert torch.equal(out['inputs'], expected)
    assert [int(sample.gt_label)
            for sample in out['data_samples']] == [0, 1, 2]


def test_clips_without_labels():
    data = dict(inputs=batch()['inputs'], data_samples=[DataSample()] * 3)
    out = ClipDataPreprocessor(MEAN, STD)(data, training=True)
    assert torch.equal(out['inputs'], normal(data['inputs']))


@pytest.mark.parametrize('kind', ['Mixup', 'CutMix'])
def test_all_frames_are_mixed_alike(kind):
    """Each clip is constant, so the result tells the shares, by place."""
    preprocessor = ClipDataPreprocessor(
        [0.] * 3, [1.] * 3,
        num_classes=3,
        batch_augments=dict(augments=[dict(type=kind, alpha=1.)]))
    values = torch.tensor([10, 100, 200])
    mixed = 0
    for seed in range(4):
        np.random.seed(seed)
        torch.manual_seed(seed)
        data = batch()
        data['inputs'] = values.byte().view(3, 1, 1, 1,
                                            1).expand(3, 3, 4, 12, 16).clone()
        out = preprocessor(data, training=True)
        clips = out['inputs']
        assert clips.shape == (3, 3, 4, 12, 16)
        assert torch.equal(clips, clips[:, :1, :1].expand_as(clips))
        for clip, sample in zip(clips, out['data_samples']):
            assert sample.gt_score.sum() == pytest.approx(1)
            share = (sample.gt_score * values).sum()
            assert clip.mean() == pytest.approx(float(share), rel=1e-5)
            mixed += int(sample.gt_score.max() < 1)
    assert mixed


def test_testing_mixes_nothing():
    data = batch()
    expected = normal(data['inputs'])
    preprocessor = ClipDataPreprocessor(
        MEAN,
        STD,
        num_classes=3,
        batch_augments=dict(augments=[dict(type='Mixup', alpha=1.)]))
    assert torch.equal(preprocessor(data)['inputs'], expected)


def test_images_are_no_clips():
    with pytest.raises(ValueError, match=r'\(2, 3, 8, 8\).*expected clips'):
        ClipDataPreprocessor(MEAN, STD)(dict(inputs=torch.zeros(2, 3, 8, 8)))
