"""A linear probe that passes each image through the backbone once."""
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from projects.engine import GlimpseRunner
from projects.shapes import Recipe, make_dataset

CONFIG = Path(__file__).parents[2] / (
    'configs/convmae/demo/'
    'convvit-tiny_convmae-pre_1xb100-linear-coslr-1k_shapes.py')


@pytest.fixture(scope='module')
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 training and 32 test images of 8 classes."""
    folder = tmp_path_factory.mktemp('shapes') / 'data'
    make_dataset(folder, Recipe('smoke', parts=('cls', )), jobs=1)
    return folder / 'cls'


def load_config(shapes: Path, work_dir: Path) -> Config:
    """The config of the demonstration on few images, in this process."""
    cfg = Config.fromfile(CONFIG)
    cfg.work_dir = str(work_dir)
    cfg.model.backbone.init_cfg = None
    cfg.train_cfg.update(max_iters=300, val_interval=300)
    cfg.param_scheduler[1].end = 300
    for part in ('train', 'val', 'test'):
        loader = cfg[f'{part}_dataloader']
        loader.update(batch_size=24, num_workers=0, persistent_workers=False)
        loader.dataset.data_root = str(shapes)
    return cfg


@pytest.fixture(scope='module')
def trained(shapes: Path,
            tmp_path_factory: pytest.TempPathFactory) -> GlimpseRunner:
    done = GlimpseRunner.from_cfg(
        load_config(shapes, tmp_path_factory.mktemp('run')))
    done.train()
    return done


@torch.no_grad()
def features(done: GlimpseRunner) -> tuple[torch.Tensor, torch.Tensor]:
    """What the trained classifier makes of its training images, and labels."""
    model = done.model.eval()
    feats, labels = [], []
    for batch in done.train_dataloader:
        data = model.data_preprocessor(batch, False)
        feats.append(model.extract_feat(data['inputs'])[-1])
        labels += [sample.gt_label for sample in data['data_samples']]
    return torch.cat(feats), torch.cat(labels)


def test_the_problem_is_solved(trained: GlimpseRunner) -> None:
    """64 images of 128 features are separable; batches are of 24."""
    feats_NC, label_N = features(trained)
    assert feats_NC.shape == (64, 128)
    logits = trained.model.head.fc(feats_NC)
    assert (logits.argmax(1) == label_N).all()
    loss = torch.nn.functional.cross_entropy(logits, label_N)
    logged = trained.message_hub.get_scalar('train/loss').current()
    assert loss < 0.05
    # the last step was taken after the loss was logged
    assert logged == pytest.approx(loss.item(), rel=0.05, abs=1e-4)


def test_norms_have_the_statistics_of_all_images(
        trained: GlimpseRunner) -> None:
    feats_NC, _ = features(trained)
    torch.testing.assert_close(
        feats_NC.mean(0), torch.zeros(128), rtol=0, atol=1e-4)
    torch.testing.assert_close(
        feats_NC.var(0), torch.ones(128), rtol=0, atol=0.01)


def test_the_backbone_stays(trained: GlimpseRunner, shapes: Path,
                            tmp_path: Path) -> None:
    fresh = GlimpseRunner.from_cfg(load_config(shapes, tmp_path))
    fresh._init_model_weights()
    torch.testing.assert_close(
        trained.model.backbone.state_dict(),
        fresh.model.backbone.state_dict(),
        rtol=0,
        atol=0)


def test_resumed_weights_are_bit_identical(trained: GlimpseRunner,
                                           shapes: Path,
                                           tmp_path: Path) -> None:
    cfg = load_config(shapes, tmp_path)
    cfg.default_hooks.checkpoint.update(interval=100, max_keep_ckpts=-1)
    GlimpseRunner.from_cfg(cfg).train()
    cfg = load_config(shapes, tmp_path / 'resumed')
    cfg.resume, cfg.load_from = True, str(tmp_path / 'iter_100.pth')
    resumed = GlimpseRunner.from_cfg(cfg)
    resumed.train()
    torch.testing.assert_close(
        resumed.model.state_dict(), trained.model.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize('options,named', [
    ({'model.backbone.frozen_stages': 0}, 'backbone.'),
    ({'model.neck.frozen': False}, 'neck.fc_norm.weight')])  # yapf: disable
def test_more_than_the_head_is_refused(shapes: Path, tmp_path: Path,
                                       options: dict, named: str) -> None:
    cfg = load_config(shapes, tmp_path)
    cfg.merge_from_dict(options)
    with pytest.raises(ValueError, match=f'head alone, but {named}.*frozen'):
        GlimpseRunner.from_cfg(cfg).train()
    assert not list(tmp_path.glob('*.pth'))
