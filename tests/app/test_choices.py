"""Models are found where the tools leave them."""
import hashlib
from pathlib import Path

import pytest
from pages import RECIPES
from tiny_recipes import PRETRAINING, tiny_checkpoint, tiny_config

from projects.app.choices import Choice, from_demo, from_files, from_zoo
from projects.app.models import Models
from projects.app.views import VIEWS
from projects.common.safe_load import CheckpointError
from projects.demo.plan import Demo, Settings
from projects.zoo import find, list_models, read_index, select
from projects.zoo.transfer import DownloadError

NAME = 'convmae_base_8xb256-amp-coslr-1600e_in1k'


def test_demonstrations(tmp_path: Path) -> None:
    """Of what a demonstration planned, what it has trained so far."""
    out = tmp_path / 'demo/convmae-own'
    demo = Demo(Settings('convmae', None, True, 0), out, None)
    jobs = {
        name: demo.job(name, PRETRAINING)
        for name in ('pretrain', 'pretrain-random', 'damaged', 'later')
    }
    for name in ('pretrain', 'pretrain-random'):
        jobs[name].work_dir.mkdir()
        tiny_checkpoint(jobs[name].config).rename(jobs[name].checkpoint)
    jobs['damaged'].work_dir.mkdir()
    jobs['damaged'].checkpoint.write_bytes(b'half')
    found = list(from_demo(tmp_path / 'demo'))
    assert found == [
        Choice('convmae-own: pretrain', str(jobs['pretrain'].config),
               str(jobs['pretrain'].checkpoint))
    ]
    assert Models(found).names('reconstruct') == ['convmae-own: pretrain']
    assert not list(from_demo(tmp_path / 'nothing'))


def test_files(tmp_path: Path) -> None:
    config = tiny_config(RECIPES['convmae'], tmp_path)
    choice = from_files(str(config), str(tiny_checkpoint(config)))
    assert choice.name == (f'{config.stem}: {tmp_path.name}/{config.stem}.pth')
    with pytest.raises(FileNotFoundError, match='nothing.pth does not exist'):
        from_files(str(config), str(tmp_path / 'nothing.pth'))
    with pytest.raises(FileNotFoundError, match='no.py exists neither'):
        from_files('no.py', choice.checkpoint)


def test_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choice = from_zoo(NAME, random=True)
    assert choice.name == f'{NAME} (random weights)'
    assert choice.checkpoint is None
    with pytest.raises(ValueError, match='no model is named'):
        from_zoo('convmae_bose')
    with pytest.raises(DownloadError, match='no weights are published'):
        from_zoo(
            next(
                name for name in list_models(task='pretrain')
                if name not in list_models(has_weights=True)))


def test_weights_come_from_the_cache_of_the_zoo(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged download is said to be one, before the page starts."""
    monkeypatch.setenv('GLIMPSE_CACHE', str(tmp_path))
    url = find(NAME).origin['Weights']
    key = hashlib.sha256(url.encode()).hexdigest()[:16]
    file = tmp_path / 'files' / key / f'{NAME}_official.pth'
    file.parent.mkdir(parents=True)
    file.write_bytes(b'half of a file')
    with pytest.raises(CheckpointError, match=f'{NAME}_official.pth'):
        from_zoo(NAME)


@pytest.mark.parametrize('task, views', [
    ('pretrain', dict(reconstruct=2, attend=3)),
    ('finetune', dict(attend=2)),
    ('detection', dict(detect=3, attend=3)),
    ('segmentation', dict(attend=2)),
])
def test_models_of_the_zoo_have_views(task: str, views: dict) -> None:
    """One of each method; clips have none."""
    names = {
        entry.method: entry.name
        for entry in select(read_index(), task=task)
    }
    models = Models([from_zoo(name, random=True) for name in names.values()])
    shown = {view: len(models.names(view)) for view in VIEWS}
    assert shown == {**dict.fromkeys(VIEWS, 0), **views}
