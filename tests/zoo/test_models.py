"""The zoo in Python, and in the toolboxes' inferencers, by three lines."""
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer
from mmengine.config import Config
from mmpretrain import ImageClassificationInferencer
from mmseg.apis import MMSegInferencer
from tiny_recipes import (CLASSIFIER, DETECTOR, SEGMENTOR, tiny_checkpoint,
                          tiny_config, write_images)

import projects
from projects.zoo import read_index, weights
from projects.zoo.models import build_model

ROOT = Path(__file__).parents[2]


def test_importing_the_package_imports_nothing_else():
    code = ('import sys; before = set(sys.modules); import projects; '
            "new = {name.partition('.')[0] for name in sys.modules}; "
            'print(sorted(new - before - sys.stdlib_module_names)); '
            'print(len(projects.list_models())); '
            "print('torch' in sys.modules)")
    done = subprocess.run([sys.executable, '-c', code],
                          cwd=ROOT,
                          capture_output=True,
                          text=True,
                          check=True)
    imported, number, torch_too = done.stdout.splitlines()
    assert imported.replace("'$coverage', ", '') == "['projects']"
    assert int(number) == len(read_index())
    assert torch_too == 'False'


def test_unknown_names():
    with pytest.raises(AttributeError, match='no attribute .get_modle'):
        projects.get_modle
    with pytest.raises(ValueError, match='no model is named .convmae.'):
        projects.get_model('convmae')
    with pytest.raises(FileNotFoundError, match='config gone.py does not'):
        projects.get_model('gone.py')


def test_get_model_by_name():
    model = projects.get_model(
        'convvit-small_convmae-pre_8xb128-amp-coslr-100e_in1k')
    assert not model.training
    assert sum(p.numel() for p in model.parameters()) == 22_327_528
    with pytest.raises(ValueError, match='no weights are published'):
        projects.get_model(
            'convvit-small_convmae-pre_8xb128-amp-coslr-100e_in1k',
            pretrained=True)


def test_get_model_with_weights(tmp_path):
    config = tiny_config(CLASSIFIER, tmp_path)
    checkpoint = tiny_checkpoint(config)
    model = projects.get_model(str(config), pretrained=str(checkpoint))
    stored = torch.load(checkpoint)['state_dict']
    assert all(
        torch.equal(value, stored[name])
        for name, value in model.state_dict().items())


@pytest.fixture
def image(tmp_path):
    path, = write_images(tmp_path / 'images', [(70, 90)])
    return str(path)


def test_classification_inferencer(tmp_path, image):
    config = tiny_config(CLASSIFIER, tmp_path)
    classes = [f'class {index}' for index in range(8)]
    checkpoint = tiny_checkpoint(config, dataset_meta=dict(classes=classes))

    inferencer = ImageClassificationInferencer(
        str(config), pretrained=str(checkpoint), device='cpu')
    result, = inferencer(image)

    scores = result['pred_scores']
    assert scores.shape == (8, ) and np.ptp(scores) > 0
    assert result['pred_class'] == classes[scores.argmax()]
    # a model of ours is as good as a config
    model = projects.get_model(str(config), str(checkpoint))
    again, = ImageClassificationInferencer(model, classes=classes)(image)
    np.testing.assert_allclose(again['pred_scores'], scores, atol=1e-6)


def test_detection_inferencer(tmp_path, image):
    config = tiny_config(DETECTOR, tmp_path)
    checkpoint = tiny_checkpoint(config, dataset_meta=dict(classes=('a', )))

    inferencer = DetInferencer(str(config), str(checkpoint), device='cpu')
    result, = inferencer(image, no_save_vis=True)['predictions']

    assert {'bboxes', 'labels', 'scores', 'masks'} <= result.keys()
    assert len(result['bboxes']) == len(result['scores'])
    assert inferencer.model.dataset_meta['classes'] == ('a', )


def test_segmentation_inferencer(tmp_path, image):
    config = tiny_config(SEGMENTOR, tmp_path)
    checkpoint = tiny_checkpoint(config)

    inferencer = MMSegInferencer(
        str(config), str(checkpoint), classes=['x'] * 9, palette=[[0] * 3] * 9)
    labels = inferencer(image)['predictions']

    assert labels.shape == (70, 90)
    assert 0 <= labels.min() and labels.max() < 9
    model = build_model(Config.fromfile(config), str(checkpoint))
    assert model.decode_head.num_classes == 9


def test_names_in_inferencers():
    """Ours beside theirs; weights are looked for at first use."""
    projects.register_names()
    projects.register_names()  # once is enough
    names = json.dumps(DetInferencer.list_models('mmdet'))
    assert 'rtmdet-ins_l_8xb32-300e_coco' in names
    for name in projects.list_models():
        assert name in names
    assert projects.list_models('convvit-small')[0] in \
        ImageClassificationInferencer.list_models('convvit*')


@pytest.mark.parametrize('inferencer, name', [
    (ImageClassificationInferencer,
     'convvit-small_convmae-pre_8xb128-amp-coslr-100e_in1k'),
    (DetInferencer, 'mask-rcnn_convmae-small_sfp_8xb2-amp-lsj-25e_coco'),
    (MMSegInferencer, 'convmae-small_upernet_8xb2-amp-160k_ade20k-512x512'),
])
def test_a_name_leads_to_config_and_weights(inferencer, name, tmp_path,
                                            monkeypatch):
    """What is asked for is the weights of that model, and nothing else."""
    projects.register_names()
    asked = []

    def download(entry, **options):
        asked.append((entry.name, options['convert']))
        raise ValueError('no network here')

    monkeypatch.setattr(weights, 'download', download)
    with pytest.raises(ValueError, match='no network here'):
        inferencer(name, device='cpu')
    assert asked == [(name, True)]
