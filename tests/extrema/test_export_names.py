"""ExtreMA's fine-tuned classifier under mmpretrain's and timm's names."""
import pytest
import torch
from golden import Fixture
from mmpretrain.registry import MODELS
from official_files import tiny_weights
from tooling import run_tool

FIXTURE = Fixture('extrema_finetune_tiny')
ARGS = FIXTURE.info['config']['args']


@pytest.fixture
def files(tmp_path):
    """The official file and ours."""
    official, ours = tmp_path / 'official.pth', tmp_path / 'ours.pth'
    torch.save(dict(model=tiny_weights(FIXTURE.name)), official)
    run(official, ours)
    return official, ours


def run(*args):
    done = run_tool('convert_checkpoint.py', *args)
    assert done.returncode == 0, done.stderr


def classifier():
    """mmpretrain's plain ViT without a class token, mean of the tokens."""
    model = MODELS.build(
        dict(
            type='mmpretrain.ImageClassifier',
            backbone=dict(
                type='VisionTransformer',
                arch=dict(
                    embed_dims=ARGS['embed_dim'],
                    num_layers=ARGS['depth'],
                    num_heads=ARGS['num_heads'],
                    feedforward_channels=ARGS['embed_dim'] *
                    ARGS['mlp_ratio']),
                img_size=ARGS['img_size'],
                patch_size=ARGS['patch_size'],
                with_cls_token=False,
                final_norm=False,
                out_type='avg_featmap'),
            head=dict(
                type='VisionTransformerClsHead',
                num_classes=ARGS['num_classes'],
                in_channels=ARGS['embed_dim'])))
    model.eval()
    return model


@pytest.mark.parametrize('number', [0, 1], ids=['official', 'ours'])
def test_mmpretrain_gives_the_official_scores(files, tmp_path, number):
    out = tmp_path / 'mmpretrain.pth'
    run(files[number], out, '--to', 'mmpretrain', '--kind', 'extrema-finetune')
    model = classifier()
    model.load_state_dict(torch.load(out)['state_dict'])  # strict
    with torch.no_grad():
        scores = model(FIXTURE.input('imgs'), mode='tensor')
    FIXTURE.check('logits', scores)


def test_timm_names(files, tmp_path):
    """Those of its ViT without class token, with fc_norm."""
    out = tmp_path / 'timm.pth'
    run(files[1], out, '--to', 'timm', '--kind', 'extrema-finetune')
    expected = tiny_weights(FIXTURE.name)
    del expected['cls_token']
    found = torch.load(out)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)
