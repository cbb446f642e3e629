"""What a process and its children hold, from /proc."""
import os
from pathlib import Path


def tree(pid: int) -> list[int]:
    """A process and all its descendants that run now."""
    found = [pid]
    for process in found:  # grows
        for children in Path(f'/proc/{process}/task').glob('*/children'):
            try:
                found += map(int, children.read_text().split())
            except OSError:  # the thread has ended
                pass
    return found


def holdings(pid: int) -> dict[str, float]:
    """Resident MiB, open file descriptors and processes of a tree.

    Pages that processes share count for each.
    """
    total = dict(rss_mib=0., files=0, processes=0)
    for process in tree(pid):
        try:
            pages = int(Path(f'/proc/{process}/statm').read_text().split()[1])
            files = len(os.listdir(f'/proc/{process}/fd'))
        except OSError:  # it has ended
            continue
        total['rss_mib'] += pages * os.sysconf('SC_PAGE_SIZE') / 2**20
        total['files'] += files
        total['processes'] += 1
    return total
