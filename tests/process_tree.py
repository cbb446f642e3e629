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
    """Resident MiB, open file descriptors, processes and CPU time of a tree.

    Pages that processes share count for each. The time is that of children
    that have ended, too.
    """
    total = dict(rss_mib=0., files=0, processes=0, cpu_s=0.)
    for process in tree(pid):
        try:
            pages = int(Path(f'/proc/{process}/statm').read_text().split()[1])
            files = len(os.listdir(f'/proc/{process}/fd'))
            # after the name, which may hold anything: proc(5), fields 14-17
            stat = Path(f'/proc/{process}/stat').read_text()
            ticks = sum(map(int, stat.rpartition(')')[2].split()[11:15]))
        except OSError:  # it has ended
            continue
        total['rss_mib'] += pages * os.sysconf('SC_PAGE_SIZE') / 2**20
        total['files'] += files
        total['processes'] += 1
        total['cpu_s'] += ticks / os.sysconf('SC_CLK_TCK')
    return total
