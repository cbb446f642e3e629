"""The views on real tiny models: what is asked for is what is shown."""
from pathlib import Path

import numpy as np
import pytest
import torch
from pages import RECIPES, tiny_models
from tiny_recipes import tiny_config

from projects.app.choices import Choice
from projects.app.models import KEPT, Models
from projects.app.parameters import number, positions
from projects.app.pictures import draw_example

GRAY = 128


@pytest.fixture(scope='module')
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return tiny_models(tmp_path_factory.mktemp('models'))


@pytest.fixture(scope='module')
def rgb() -> np.ndarray:
    return draw_example('crowd')


def test_what_each_view_shows(models: Models) -> None:
    """Clips are for none of them."""
    assert models.names('reconstruct') == ['convmae', 'mae']
    assert models.names('detect') == ['mimdet']
    assert models.names('attend') == ['convmae', 'mae', 'mimdet', 'extrema']


@pytest.mark.parametrize('name', ['convmae', 'mae'])
def test_mask_ratio(models: Models, rgb: np.ndarray, name: str) -> None:
    shown = {}
    for ratio in (.25, .75):
        answer = models.show('reconstruct', name, rgb, dict(ratio=str(ratio)))
        shown[ratio] = answer.pictures['reconstruction']
        grid, hidden = answer.facts['grid'], answer.facts['hidden']
        assert grid == (4, 4)
        assert len(hidden) == ratio * 16
        pictures = answer.pictures
        assert all(pic.shape == (64, 64, 3) for pic in pictures.values())
        gray = (pictures['masked'] == GRAY).all(-1)
        cells = gray.reshape(4, 16, 4, 16).all((1, 3))
        assert np.flatnonzero(cells).tolist() == hidden
        kept = ~np.repeat(np.repeat(cells, 16, 0), 16, 1)
        assert (pictures['pasted'][kept] == pictures['original'][kept]).all()
    assert (shown[.25] != shown[.75]).any()


@pytest.mark.parametrize('recipe, side', [
    ('convmae_base-no-msd-token-mask_8xb256-amp-coslr-800e_in1k', 16),
    ('fastconvmae_base_8xb64-amp-coslr-50e_in1k', 4),
])
def test_masks_of_other_kinds(rgb: np.ndarray, tmp_path: Path, recipe: str,
                              side: int) -> None:
    """Finer than tokens; and one view of those that hide complements."""
    path = tiny_config(f'convmae/pretrain/{recipe}.py', tmp_path)
    models = Models([Choice('x', str(path), None)])
    answer = models.show('reconstruct', 'x', rgb, dict(ratio='0.5'))
    assert answer.facts['grid'] == (side, side)
    assert len(answer.facts['hidden']) == side * side / 2
    answer = models.show('reconstruct', 'x', rgb, dict(hidden='0,3'))
    assert answer.facts['hidden'] == [0, 3]


@pytest.mark.parametrize('name', ['convmae', 'mae'])
def test_chosen_patches(models: Models, rgb: np.ndarray, name: str) -> None:
    """What is chosen is hidden, and its pixels have no influence."""
    query = dict(hidden='0,5,1')
    answer = models.show('reconstruct', name, rgb, query)
    assert answer.facts['hidden'] == [0, 1, 5]
    assert answer.note.startswith('3 of ')
    side = answer.pictures['original'].shape[0]
    small = np.array(answer.pictures['original'])
    first = models.show('reconstruct', name, small, query)
    small[:16, :32] = 255 - small[:16, :32]  # patches 0 and 1
    again = models.show('reconstruct', name, small, query)
    assert (first.pictures['original'] != again.pictures['original']).any()
    assert (first.pictures['reconstruction'] ==
            again.pictures['reconstruction']).all()
    small[side - 16:, side - 16:] = 0  # a visible one
    other = models.show('reconstruct', name, small, query)
    assert (other.pictures['reconstruction']
            != again.pictures['reconstruction']).any()


def test_seed_chooses_and_hides_the_same_again(models: Models,
                                               rgb: np.ndarray) -> None:
    hidden = [
        models.show('reconstruct', 'convmae', rgb,
                    dict(seed=seed)).facts['hidden'] for seed in '010'
    ]
    assert hidden[0] == hidden[2] != hidden[1]
    assert len(hidden[0]) == 12  # three quarters, as in training


def test_sampling_ratio(models: Models, rgb: np.ndarray) -> None:
    found, seen = {}, {}
    for ratio in ('0.25', '1'):
        answer = models.show('detect', 'mimdet', rgb,
                             dict(ratio=ratio, score='0'))
        found[ratio] = answer.pictures['detections']
        seen[ratio] = answer.pictures['seen']
        assert answer.facts['samples']
        assert not answer.note.startswith('0 ')
    assert (found['0.25'] != found['1']).any()
    shares = [(seen[ratio] == GRAY).all(-1).mean() for ratio in ('0.25', '1')]
    assert shares == [.75, 0]


def test_detector_that_needs_all_tokens(rgb: np.ndarray,
                                        tmp_path: Path) -> None:
    """The ratio is not offered, and has no effect."""
    path = tiny_config(
        'mimdet/detection/'
        'mask-rcnn_mimdet-base-no-dec-w7_fpn_32xb2-amp-36e_coco.py', tmp_path)
    models = Models([Choice('x', str(path), None)])
    answer = models.show('detect', 'x', rgb, dict(ratio='0.5'))
    assert not answer.facts['samples']
    assert list(answer.pictures) == ['detections']
    with pytest.raises(ValueError, match='attends in windows'):
        models.show('attend', 'x', rgb, dict(size='128'))


def test_least_score(models: Models, rgb: np.ndarray) -> None:
    some = models.show('detect', 'mimdet', rgb, dict(score='0'))
    none = models.show('detect', 'mimdet', rgb, dict(score='1'))
    assert none.note.startswith('0 detections')
    # twice as large; matplotlib before 3.11 moves some pixels by one
    plain = none.pictures['detections'][::2, ::2].astype(int)
    assert abs(plain - rgb).mean() < 5
    assert (some.pictures['detections'] != none.pictures['detections']).any()


@pytest.mark.parametrize('name', ['convmae', 'mae', 'mimdet', 'extrema'])
def test_attention(models: Models, rgb: np.ndarray, name: str) -> None:
    size = '128'
    maps = [
        models.show('attend', name, rgb, dict(x=x, y='0.2', size=size))
        for x in ('0', '1')
    ]
    first, second = (answer.pictures['attention'] for answer in maps)
    assert (first != second).any()
    tokens = '16 x 16' if name == 'extrema' else '8 x 8'
    assert f'as {tokens} tokens' in maps[0].note
    marked = maps[0].pictures['point'].astype(int)
    # a red point at the left, a fifth from the top
    y, x = np.argwhere((abs(marked - (228, 26, 28)) < 3).all(-1)).mean(0)
    height, width = marked.shape[:2]
    assert x < width / 8 and height / 8 < y < height / 4
    assert ('class token' in maps[0].pictures) == (name in ('mae', 'extrema'))


def test_wide_pictures(models: Models) -> None:
    wide = np.repeat(draw_example('scene'), 3, axis=1)
    answer = models.show('attend', 'convmae', wide, dict(size='64'))
    assert 'as 12 x 4 tokens' in answer.note
    answer = models.show('detect', 'mimdet', wide, {})
    assert answer.pictures['seen'].shape[:2] == (43, 128)


def test_random_weights(rgb: np.ndarray, tmp_path: Path) -> None:
    """Only where no checkpoint is given."""
    path = tiny_config(RECIPES['convmae'], tmp_path)
    bare = Models([Choice('bare', str(path), None)])
    torch.manual_seed(1)
    for view in ('reconstruct', 'attend'):
        answer = bare.show(view, 'bare', rgb, {})
        assert all(len(np.unique(pic)) > 1 for pic in answer.pictures.values())


@pytest.mark.parametrize('view, query, message', [
    ('reconstruct', dict(ratio='2'), "ratio is '2'; a number from 0.01"),
    ('reconstruct', dict(ratio='nan'), "ratio is 'nan'"),
    ('reconstruct', dict(ratio='many'), "ratio is 'many'"),
    ('reconstruct', dict(seed='-1'), "seed is '-1'"),
    ('reconstruct', dict(hidden=''), "hidden is ''; positions"),
    ('reconstruct', dict(hidden='1,-2'), "hidden is '1,-2'"),
    ('reconstruct', dict(hidden='16'), 'there are only 0 to 15'),
    ('reconstruct', dict(hidden=','.join(map(str, range(16)))),
     '16 of the 16 patches are hidden'),
    ('detect', dict(ratio='0'), "ratio is '0'"),
    ('detect', dict(score='inf'), "score is 'inf'"),
    ('attend', dict(x='1.5'), "x is '1.5'"),
    ('attend', dict(size='100000'), "size is '100000'"),
])  # yapf: disable
def test_errors(models: Models, rgb: np.ndarray, view: str, query: dict,
                message: str) -> None:
    name = dict(detect='mimdet').get(view, 'convmae')
    with pytest.raises(ValueError) as error:
        models.show(view, name, rgb, query)
    assert message in str(error.value)


def test_models_of_other_views_are_refused(models: Models,
                                           rgb: np.ndarray) -> None:
    for view, name in (('detect', 'convmae'), ('reconstruct', 'nobody'),
                       ('attend', 'video')):
        with pytest.raises(ValueError, match='there is no model'):
            models.show(view, name, rgb, {})


def test_only_some_models_stay_in_memory(models: Models,
                                         rgb: np.ndarray) -> None:
    for name in models.names('attend'):
        models.show('attend', name, rgb, dict(size='64'))
    assert len(models._loaded) == KEPT
    assert ('attend', 'extrema') in models._loaded


def test_names_are_unique(tmp_path: Path) -> None:
    path = str(tiny_config(RECIPES['convmae'], tmp_path))
    with pytest.raises(ValueError, match="'x' is given twice"):
        Models([Choice('x', path, None)] * 2)


def test_parameters() -> None:
    assert number({}, 'x', 0, 1, .5) == .5
    assert number(dict(x='1e-1'), 'x', 0, 1, .5) == .1
    assert positions({}, 'hidden') is None
    assert positions(dict(hidden='3,1'), 'hidden') == [3, 1]
    with pytest.raises(ValueError):
        positions(dict(hidden='1,' * 9000 + '1'), 'hidden')
