"""kNN on frozen features: exact votes, loops over real files, processes."""
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from PIL import Image
from torch import nn

from projects.common.knn import class_votes, feature_vectors, nearest
from projects.engine import GlimpseRunner

ROOT = Path(__file__).parents[2]

CONFIG = """
custom_imports = dict(
    imports=['projects.convmae'], allow_failed_imports=False)
default_scope = 'mmpretrain'
pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=32),
    dict(type='PackInputs')]
train_dataloader = dict(
    batch_size=4, num_workers=0,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CustomDataset', data_root={root!r}, data_prefix='train',
        pipeline=pipeline))
val_dataloader = dict(
    batch_size=4, num_workers=0,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CustomDataset', data_root={root!r}, data_prefix='val',
        pipeline=pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='Accuracy', topk=(1, 2))
test_evaluator = val_evaluator
train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3))
data_preprocessor = dict(
    mean=[120.] * 3, std=[60.] * 3, num_classes=7, to_rgb=True)
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ConvViT', arch='tiny', img_size=32),
    neck=dict(type='TokenPooling', channels=128),
    head=dict(type='LinearClsHead', num_classes=7, in_channels=128),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.8)]))
randomness = dict(seed=0)
"""
COLOURS = dict(blue=(40, 60, 200), green=(60, 190, 50), red=(210, 50, 40))
# odd numbers: samplers have to pad
COUNTS = dict(train=7, val=3)


def make_images(root: Path, noise: int) -> str:
    """Folders of noisy pictures of three colours."""
    random = np.random.default_rng(0)
    for split, count in COUNTS.items():
        for name, colour in COLOURS.items():
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = random.normal(colour, noise, (32, 40, 3))
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
                    folder / f'{number}.png')
    return str(root)


@pytest.fixture(scope='module')
def clear(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Images whose classes are far apart."""
    return make_images(tmp_path_factory.mktemp('clear'), noise=5)


@pytest.fixture(scope='module')
def mixed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Images whose classes cannot be told apart with certainty."""
    return make_images(tmp_path_factory.mktemp('mixed'), noise=900)


def config(root: str, work_dir: Path, **test_cfg) -> Config:
    cfg = Config.fromstring(CONFIG.format(root=root), '.py')
    cfg.work_dir = str(work_dir)
    cfg.test_cfg = dict(type='KNNTestLoop', k=5, **test_cfg)
    return cfg


def brute_force(query, bank, labels, k, num_classes, temperature):
    """Votes by sorting everything, in NumPy."""
    similarity = query @ bank.T
    order = np.argsort(-similarity, axis=1)[:, :k]
    weight = np.exp(np.take_along_axis(similarity, order, 1) / temperature)
    votes = np.zeros((len(query), num_classes))
    for row in range(len(query)):
        np.add.at(votes[row], labels[order[row]], weight[row])
    return votes / votes.sum(axis=1, keepdims=True)


@pytest.mark.parametrize('chunk', [1, 7, 50, 1000])
@pytest.mark.parametrize('k', [1, 20, 100])
def test_votes_equal_brute_force(k: int, chunk: int) -> None:
    random = np.random.default_rng(k)
    query, bank = random.normal(size=(9, 16)), random.normal(size=(100, 16))
    query /= np.linalg.norm(query, axis=1, keepdims=True)
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    labels = random.integers(0, 6, 100)
    similarity, rows = nearest(
        torch.from_numpy(query), torch.from_numpy(bank), k, chunk)
    votes = class_votes(similarity, torch.from_numpy(labels)[rows], 6, .07)
    np.testing.assert_allclose(
        votes.numpy(),
        brute_force(query, bank, labels, k, 6, .07),
        rtol=1e-9,
        atol=1e-12)


def test_a_low_temperature_follows_the_nearest() -> None:
    """Where exp(similarity / temperature) has no finite value."""
    votes = class_votes(
        torch.tensor([[.9, .8, .8]]), torch.tensor([[1, 0, 0]]), 2, 1e-3)
    assert torch.allclose(votes, torch.tensor([[0., 1.]]))


def test_classes_that_are_apart_are_told_apart(clear: str,
                                               tmp_path: Path) -> None:
    """Even by random weights; and nothing is trained or left behind."""
    runner = GlimpseRunner.from_cfg(config(clear, tmp_path))
    before = {k: v.clone() for k, v in runner.model.state_dict().items()}
    assert runner.test() == {'accuracy/top1': 100., 'accuracy/top2': 100.}
    after = runner.model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(p.grad is None for p in runner.model.parameters())


def test_loop_equals_brute_force(mixed: str, tmp_path: Path) -> None:
    """On the features that the model gives, over all files."""
    cfg = config(mixed, tmp_path, temperature=.1)
    cfg.test_evaluator = [
        cfg.test_evaluator,
        dict(type='DumpResults', out_file_path=str(tmp_path / 'out.pkl'))
    ]
    runner = GlimpseRunner.from_cfg(cfg)
    metrics = runner.test()
    dumped = pickle.loads((tmp_path / 'out.pkl').read_bytes())
    model = runner.model.eval()

    def features(split: str) -> tuple[np.ndarray, np.ndarray]:
        loader = cfg.test_dataloader.to_dict()
        loader['dataset']['data_prefix'] = split
        vectors, labels = [], []
        for batch in GlimpseRunner.build_dataloader(loader, seed=0):
            data = model.data_preprocessor(batch)
            with torch.no_grad():
                vectors.append(model.extract_feat(data['inputs'])[-1])
            labels += [int(s.gt_label) for s in data['data_samples']]
        vectors = torch.cat(vectors).double().numpy()
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors, np.array(labels)

    query, truth = features('val')
    bank, labels = features('train')
    votes = brute_force(query, bank, labels, 5, 3, .1)
    np.testing.assert_allclose(
        np.stack([sample['pred_score'] for sample in dumped]),
        votes,
        atol=1e-4)
    top1 = (votes.argmax(1) == truth).mean() * 100
    assert metrics['accuracy/top1'] == pytest.approx(top1)
    assert 0 < top1 < 100  # the images are such that it could be wrong


def test_two_processes_equal_one(mixed: str, tmp_path: Path) -> None:
    """Through tools/dist_test.sh: 21 images in the bank, 9 tested."""
    cfg = config(mixed, tmp_path)
    cfg.test_evaluator = dict(
        type='DumpResults', out_file_path=str(tmp_path / '1.pkl'))
    runner = GlimpseRunner.from_cfg(cfg)
    torch.save(dict(state_dict=runner.model.state_dict()), tmp_path / 'w.pth')
    runner.test()

    path = tmp_path / 'tiny.py'
    path.write_text(CONFIG.format(root=mixed))
    done = subprocess.run([
        'bash', ROOT / 'tools/dist_test.sh', path, tmp_path / 'w.pth', '2',
        '--work-dir', tmp_path / 'work', '--out', tmp_path / '2.pkl',
        '--cfg-options', 'test_cfg.type=KNNTestLoop', 'test_cfg.k=5'
    ],
                          env=dict(
                              os.environ,
                              PYTHON=sys.executable,
                              PORT='29617',
                              OMP_NUM_THREADS='1'),
                          capture_output=True,
                          text=True,
                          timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (
        pickle.loads((tmp_path / f'{number}.pkl').read_bytes())
        for number in (1, 2))
    assert len(one) == len(two) == 9
    for ours, theirs in zip(one, two):
        assert ours['img_path'] == theirs['img_path']
        torch.testing.assert_close(ours['pred_score'], theirs['pred_score'])


def test_periodic_check_while_pretraining(clear: str, tmp_path: Path) -> None:
    """An unlabelled training set, a labelled bank, the last feature map."""
    cfg = config(clear, tmp_path)
    cfg.model = dict(
        type='MaskedAutoencoder',
        masking=dict(type='RandomTokenMasking', ratio=.5),
        backbone=dict(
            type='ConvViT', arch='tiny', img_size=32, pos_trainable=False),
        neck=dict(
            type='MultiScaleDecoder',
            in_channels=128,
            stage_channels=(32, 64),
            channels=32,
            depth=1,
            num_heads=2,
            grid=(2, 2),
            out_channels=16 * 16 * 3),
        head=dict(type='MaskedPixelHead', patch_size=16))
    cfg.data_preprocessor = dict(
        type='SelfSupDataPreprocessor', mean=[120.] * 3, std=[60.] * 3)
    bank = cfg.val_dataloader.to_dict()
    bank['dataset']['data_prefix'] = 'train'
    cfg.train_dataloader.dataset.with_label = False
    cfg.val_cfg = dict(type='KNNValLoop', k=3, bank_dataloader=bank)
    cfg.default_hooks = dict(logger=dict(type='LoggerHook', interval=1))
    runner = GlimpseRunner.from_cfg(cfg)
    runner.train()
    scalars = next(tmp_path.rglob('scalars.json')).read_text().splitlines()
    checks = [
        json.loads(line)['accuracy/top1'] for line in scalars
        if 'accuracy/top1' in line
    ]
    assert checks == [100., 100.]
    assert runner.iter == 2 * 6


class ExchangeWeights(Hook):
    """Puts other weights in for testing, as a moving average would."""

    def before_test_epoch(self, runner) -> None:
        for parameter in runner.model.parameters():
            nn.init.normal_(parameter, std=.3)


def test_bank_is_made_of_the_weights_that_are_tested(clear: str,
                                                     tmp_path: Path) -> None:
    """Otherwise equal images would not be nearest to each other."""
    cfg = config(clear, tmp_path)
    cfg.test_dataloader.dataset.data_prefix = 'train'
    cfg.test_cfg.k = 1
    runner = GlimpseRunner.from_cfg(cfg)
    runner.register_hook(ExchangeWeights())
    loop, similarities = runner.test_loop, []
    predict = loop._predict

    def listen(data_batch, bank_MC, *args):
        query_QC, _ = loop._features(data_batch)
        similarities.append((query_QC @ bank_MC.T).amax(dim=1))
        return predict(data_batch, bank_MC, *args)

    loop._predict = listen
    runner.test()
    torch.testing.assert_close(
        torch.cat(similarities), torch.ones(21), atol=1e-5, rtol=0)


@pytest.mark.parametrize('option, message', [
    (dict(k=0), 'test_cfg.k is 0'),
    (dict(temperature=0.), 'test_cfg.temperature is 0.0'),
    (dict(k=22), 'test_cfg.k is 22, but the bank has only 21 samples'),
])
def test_bad_settings_are_named(clear: str, tmp_path: Path, option: dict,
                                message: str) -> None:
    cfg = config(clear, tmp_path)
    cfg.test_cfg.update(option)
    with pytest.raises(ValueError, match=message):
        GlimpseRunner.from_cfg(cfg).test()


def test_missing_labels_are_told_before_the_work(clear: str,
                                                 tmp_path: Path) -> None:
    cfg = config(clear, tmp_path)
    cfg.train_dataloader.dataset.with_label = False
    with pytest.raises(
            ValueError, match='test_cfg.bank_dataloader: kNN needs labels'):
        GlimpseRunner.from_cfg(cfg).test()


def test_other_classes_are_refused(clear: str, tmp_path: Path) -> None:
    cfg = config(clear, tmp_path)
    cfg.train_dataloader.dataset.metainfo = dict(classes=('a', 'b', 'c'))
    with pytest.raises(ValueError, match='the bank has 3 classes .a, ...'):
        GlimpseRunner.from_cfg(cfg).test()


def test_a_bank_that_cannot_be_guessed_is_asked_for(clear: str,
                                                    tmp_path: Path) -> None:
    cfg = config(clear, tmp_path)
    cfg.train_dataloader.dataset = dict(
        type='RepeatDataset', times=2, dataset=cfg.train_dataloader.dataset)
    with pytest.raises(
            ValueError, match='test_cfg.bank_dataloader must be given'):
        GlimpseRunner.from_cfg(cfg).test()


def test_features_that_are_neither_vectors_nor_maps_are_refused() -> None:

    class Tokens(BaseModel):

        def extract_feat(self, inputs):
            return (torch.ones(2, 3, 4), )

        def forward(self, inputs):
            return self.extract_feat(inputs)

    with pytest.raises(ValueError, match=r'gives \(2, 3, 4\)'):
        feature_vectors(Tokens(), torch.ones(2, 3, 8, 8))
