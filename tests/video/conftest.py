"""Videos that several tests read."""
import pytest

from projects.shapes import Recipe, make_dataset


@pytest.fixture(scope='package')
def shapes(tmp_path_factory):
    """The folder ``video`` of the embedded data: 24 clips, 8 for tests."""
    folder = tmp_path_factory.mktemp('shapes') / 'data'
    make_dataset(folder, Recipe('smoke', parts=('video', )), jobs=1)
    return folder / 'video'
