"""No worker of a loader outlives its process."""
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS
from process_tree import tree
from tooling import ROOT

from projects.engine import GlimpseRunner

# Samples are larger than a pipe, so workers wait for someone to take them.
SCRIPT = """
import sys, time
sys.path.insert(0, {root!r})
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS
from projects.engine import GlimpseRunner

@DATASETS.register_module()
class Large(BaseDataset):
    def load_data_list(self):
        return [dict(number=number) for number in range(64)]
    def prepare_data(self, idx):
        return bytes(1_000_000)

loader = GlimpseRunner.build_dataloader(dict(
    dataset=dict(type='Large', pipeline=[]), batch_size=1, num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate')), seed=0)
batches = iter(loader)
next(batches)
print('started', flush=True)
time.sleep(600)
"""


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        stat = Path(f'/proc/{pid}/stat').read_text()
    except OSError:
        return False
    return stat.rpartition(')')[2].split()[0] != 'Z'


@pytest.mark.skipif(sys.platform != 'linux', reason='a service of Linux')
def test_workers_end_with_a_killed_process():
    process = subprocess.Popen(
        [sys.executable, '-c',
         SCRIPT.format(root=str(ROOT))],
        stdout=subprocess.PIPE,
        text=True)
    while 'started' not in process.stdout.readline():
        assert process.poll() is None
    workers = tree(process.pid)[1:]
    assert len(workers) == 2
    process.kill()
    process.wait()
    end = time.monotonic() + 20
    while any(map(is_running, workers)) and time.monotonic() < end:
        time.sleep(.1)
    assert not any(map(is_running, workers))


@DATASETS.register_module()
class Four(BaseDataset):

    def load_data_list(self):
        return [dict(number=number) for number in range(4)]


def test_what_a_worker_begins_with_stays():
    loader = GlimpseRunner.build_dataloader(
        dict(
            dataset=dict(type='Four', pipeline=[]),
            batch_size=1,
            sampler=dict(type='DefaultSampler')),
        seed=3)
    assert loader.worker_init_fn.init.keywords['seed'] == 3
