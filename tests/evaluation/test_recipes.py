"""Which recipes evaluate a pretraining."""
from pathlib import Path

import pytest

from projects import zoo
from projects.evaluation import recipes

CONFIGS = zoo.ROOT / 'configs'
BASE = 'convmae_base_8xb256-amp-coslr-1600e_in1k'


def ladder(name: str) -> dict[str, str]:
    """Names of the recipes to choose."""
    found = recipes.find_ladder(zoo.find(name).config)
    return {step: paths[0].stem for step, paths in found.items()}


def test_the_whole_ladder_in_order() -> None:
    assert list(recipes.LADDER) == [
        'knn', 'linear', 'low-shot', 'finetune', 'detection', 'segmentation'
    ]
    assert ladder(BASE) == {
        'knn': BASE,
        'linear': 'convvit-base_convmae-pre_8xb512-amp-linear-coslr-90e_in1k',
        'low-shot':
        'convvit-base_convmae-pre_8xb128-amp-coslr-100e_in1k-1percent',
        'finetune': 'convvit-base_convmae-pre_8xb128-amp-coslr-100e_in1k',
        'detection': 'mask-rcnn_convmae-base_fpn_8xb4-amp-lsj-25e_coco',
        'segmentation': 'convmae-base_upernet_8xb2-amp-160k_ade20k-512x512'
    }


def test_recipes_of_the_same_encoder_fill_the_ladder() -> None:
    """``Downstream`` of a shorter pretraining has no detector."""
    name = 'convmae_base_8xb256-amp-coslr-200e_in1k'
    assert not any('mask-rcnn' in recipe
                   for recipe in zoo.find(name).model['Downstream'])
    assert ladder(name) == {**ladder(BASE), 'knn': name}


def test_own_recipes_come_first() -> None:
    found = ladder('extrema_base-mask08x5-color_8xb256-amp-coslr-30e_in22k')
    assert found['finetune'] == \
        'vit-base_extrema-22k-pre_8xb128-amp-coslr-100e_in1k'
    assert found['detection'] == \
        'mask-rcnn_extrema-base-in22k_fpn_16xb2-amp-ms-crop-1x_coco'


def test_another_kernel_is_another_encoder() -> None:
    found = ladder('convmae_base-no-msd-k7_8xb256-amp-coslr-800e_in1k')
    assert found['finetune'].startswith('convvit-base-k7_')
    assert 'detection' not in found


@pytest.mark.parametrize('method, name, steps', [
    ('convmae', 'convmae_tiny_1xb32-coslr-6k_shapes', list(recipes.LADDER)),
    ('extrema', 'extrema_tiny-mask08x5-crops-color_1xb32-coslr-2k_shapes',
     ['knn', 'linear']),
    ('mimdet', 'mae_vit-tiny-p16_1xb32-coslr-2k_shapes-det-128x128',
     ['detection']),
    ('videoconvmae', 'videoconvmae_tiny_1xb32-coslr-5k_shapes', ['finetune']),
])
def test_demonstrations_have_ladders(method: str, name: str,
                                     steps: list[str]) -> None:
    path = CONFIGS / method / f'demo/{name}.py'
    found = recipes.find_ladder(path)
    assert [*found] == steps
    for step, paths in found.items():
        if step != 'knn':
            assert recipes.start_of(recipes.read(paths[0])) == name


def test_rungs_are_the_folders_of_the_zoo() -> None:
    """What a recipe is follows from its content, without its place."""
    one_of_each = {
        (entry.method, entry.task): entry
        for entry in zoo.read_index()
    }
    for (_, task), entry in one_of_each.items():
        if task in recipes.LADDER:
            assert recipes.rung_of(recipes.read(entry.config)) == task
    decoder = CONFIGS / 'extrema/demo/' \
        'extrema-tiny_token-decoder_1xb32-coslr-1k_shapes.py'
    assert recipes.rung_of(recipes.read(decoder)) is None


def test_a_config_of_no_model(tmp_path: Path) -> None:
    path = tmp_path / 'mine.py'
    path.write_text('lr = 1\n')
    with pytest.raises(ValueError, match='mine.py has no model.backbone'):
        recipes.find_ladder(path)
