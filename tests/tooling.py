"""Run a tool as its command line does, without starting a new Python."""
import contextlib
import io
import runpy
import subprocess
import sys
from pathlib import Path
from unittest import mock

from mmengine.utils import ManagerMixin

ROOT = Path(__file__).parents[1]


def forget_runs(kind: type = ManagerMixin) -> None:
    """Drop the scopes, logs and visualizers that mmengine keeps by name.

    Runs are named after their config and the second they start in, so two of
    one second would share them.
    """
    getattr(kind, '_instance_dict', {}).clear()
    for inner in kind.__subclasses__():
        forget_runs(inner)


def run_tool(tool: str, *args) -> subprocess.CompletedProcess:
    """Execute ``tools/<tool>`` with ``args`` in this process.

    Importing the toolboxes takes seconds, so only tests that need a process
    of its own (signals, several workers) start one.
    """
    script = str(ROOT / 'tools' / tool)
    out, err, code = io.StringIO(), io.StringIO(), 0
    forget_runs()
    with mock.patch.object(sys, 'argv', [script, *map(str, args)]), \
            contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_path(script, run_name='__main__')
        except SystemExit as stop:
            if isinstance(stop.code, str):
                print(stop.code, file=err)
            code = stop.code if isinstance(stop.code, int) else bool(stop.code)
    return subprocess.CompletedProcess(script, int(code or 0), out.getvalue(),
                                       err.getvalue())
