"""ConvMAE trained by the real tools: interrupted, and on two processes."""
import pytest
from training_runs import (CONVMAE, check_interrupted, check_two_processes,
                           make_project, write_config)


@pytest.fixture
def project(tmp_path):
    """A writer of configs, beside images."""
    make_project(tmp_path)

    def write(batch, workers=0, drop_path=0.2):
        text = CONVMAE.replace('{drop_path}', str(drop_path))
        return write_config(tmp_path, text, batch=batch, workers=workers)

    return write


@pytest.mark.parametrize('workers', [0, 2])
def test_killed_and_resumed_is_bit_identical(project, tmp_path, workers):
    check_interrupted(project(batch=4, workers=workers), tmp_path)


def test_two_processes_give_the_losses_of_one(project, tmp_path):
    """Same global batch: same crops, same masks, averaged losses.

    Stochastic depth is off: each process draws its own.
    """
    check_two_processes(
        project(batch=4, drop_path=0), project(batch=2, drop_path=0), tmp_path)
