"""The recipes against the official ones."""
import pytest
import torch
from detectors import build
from golden import Fixture
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from tooling import ROOT
from torch import nn

FOLDER = ROOT / 'configs/mimdet/detection'
BASE = 'mimdet-base_fpn_32xb2-amp-36e'
LARGE = 'mimdet-large_fpn_32xb2-amp-36e'
VIT = 'benchmarking-vit-base_fpn_32xb2-amp-lsj-{}e'


def load(name):
    return Config.fromfile(FOLDER / f'mask-rcnn_{name}_coco.py')


def rates(cfg):
    """The learning rate of every iteration, relative to its base."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.)
    schedulers = [
        PARAM_SCHEDULERS.build(dict(scheduler, optimizer=optimizer))
        for scheduler in cfg.param_scheduler
    ]
    found = []
    for _ in range(cfg.train_cfg.max_iters):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return found


@pytest.mark.parametrize('name, number, tolerance', [
    (BASE, 0, 6e-4),
    (VIT.format(25), 1, 2e-4),
])
def test_schedule(name, number, tolerance):
    """At the official iterations; the milestones' are exact."""
    curve = Fixture('schedules').info['detection_multiplier'][number]
    cfg = load(name)
    assert cfg.train_cfg.max_iters == curve['max_iter']
    assert cfg.optim_wrapper.optimizer.lr == curve['base_lr']
    assert cfg.auto_scale_lr.base_batch_size == curve['total_batch_size']
    ours = rates(cfg)
    for iteration, multiplier in curve['rows']:
        assert ours[iteration] == pytest.approx(
            multiplier, abs=tolerance), iteration


def test_lengths_of_the_baseline():
    """92,187 and 184,375 iterations are 50 and 100 epochs."""
    for epochs in (25, 50, 100):
        cfg = load(VIT.format(epochs))
        iterations = epochs * 118000 // 64
        assert cfg.train_cfg.max_iters == iterations
        assert cfg.param_scheduler[0].end == iterations


def test_recipe_of_8_gpus():
    """A quarter of the batch: half the rate, four times the iterations."""
    base, small = load(BASE), load('mimdet-base-mask-token-sr25_fpn_8xb2-'
                                   'amp-36e')
    assert small.optim_wrapper.optimizer.lr == 4e-5
    assert small.train_cfg.max_iters == 4 * base.train_cfg.max_iters
    assert small.param_scheduler[1].milestones == [
        4 * step for step in base.param_scheduler[1].milestones
    ]


@pytest.mark.parametrize('name, multiplier', [(BASE, 2.), (LARGE, 3.5)])
def test_rates_of_the_groups(name, multiplier):
    cfg = load(name)
    with torch.device('meta'):
        model = build(cfg.model)
    wrapper = dict(
        cfg.optim_wrapper, type='OptimWrapper', dtype=None, loss_scale=None)
    del wrapper['dtype'], wrapper['loss_scale']
    groups = build_optim_wrapper(model, wrapper).optimizer.param_groups
    assert sorted({group['lr']
                   for group in groups}) == pytest.approx(
                       [8e-5 / multiplier, 8e-5, 8e-5 * multiplier])
    assert len(groups) == 6


def test_ratios_of_training_and_testing_differ():
    backbone = load(BASE).model.backbone
    assert (backbone.sample_ratio, backbone.test_sample_ratio) == (.5, 1.)


def test_nothing_pads_before_the_preprocessor():
    """It tells the sizes of the images; padding would be taken for image."""
    cfg = load(BASE)
    for pipeline in (cfg.train_pipeline, cfg.test_pipeline):
        assert 'Pad' not in str(pipeline)
    assert cfg.model.data_preprocessor.type == 'PaddedDetDataPreprocessor'
    assert cfg.model.data_preprocessor.pad_size_divisor == 32
    assert cfg.test_dataloader.batch_size == 1
