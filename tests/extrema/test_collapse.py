"""Collapse: how it is measured, and that training warns of it."""
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from shrink import shrink, use_data

from projects.engine import GlimpseRunner
from projects.extrema.collapse import CollapseHook, spread
from projects.shapes import Recipe, make_dataset

CONFIG = (
    Path(__file__).parents[2] /
    'configs/extrema/demo/extrema_tiny-mask08x5-crops-color_1xb32-coslr-2k_'
    'shapes.py')


def test_spread() -> None:
    """One when directions are random, zero when they are the same."""
    assert spread(torch.randn(4000, 64)) == pytest.approx(1, abs=.01)
    same = torch.randn(1, 64) * torch.rand(50, 1)
    assert spread(same) == pytest.approx(0, abs=1e-5)
    # masks that differ do not hide that the images are all the same
    assert spread(torch.randn(5, 1, 64).expand(-1, 9, -1)) == pytest.approx(
        0, abs=1e-5)


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('collapse')
    make_dataset(folder / 'data/shapes', Recipe('smoke', parts=('cls', )), 1)
    return folder


def train(data: Path, work_dir: Path, **neck) -> tuple[list[str], float]:
    """Warnings and the last spread of a short training."""
    cfg = Config.fromfile(CONFIG)
    shrink(cfg)
    use_data(cfg, str(data))
    cfg.model.neck.update(neck)
    cfg.work_dir = str(work_dir)
    cfg.train_dataloader.batch_size = 8
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=6)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.logger.interval = 2
    cfg.custom_hooks = [dict(type='CollapseHook', begin=2, interval=2)]
    runner = GlimpseRunner.from_cfg(cfg)
    warnings: list[str] = []
    runner.logger.warning = lambda text, *_: warnings.append(text)
    runner.train()
    std = runner.message_hub.get_scalar('train/student_std').current()
    return [text for text in warnings if 'collapsed' in text], std


def test_a_collapsed_training_warns_once(data: Path, tmp_path: Path) -> None:
    """A projector that gives the same output for every image."""
    same = dict(
        init_cfg=dict(type='Constant', layer='Linear', val=0., bias=1.))
    warnings, std = train(data, tmp_path, **same)
    assert std < 0.05
    assert len(warnings) == 2  # of the student and of the teacher
    assert 'train/student_std is' in warnings[0]
    assert 'at iteration 2, below 0.05' in warnings[0]


def test_a_healthy_training_does_not(data: Path, tmp_path: Path) -> None:
    warnings, std = train(data, tmp_path)
    assert std > 0.1
    assert warnings == []


@pytest.mark.parametrize('wrong', [dict(threshold=0), dict(interval=0)])
def test_bad_settings(wrong: dict) -> None:
    with pytest.raises(ValueError, match='both must be positive'):
        CollapseHook(**wrong)
