"""tools/app.py: what it serves, and what it says when it cannot."""
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from tiny_recipes import PRETRAINING, tiny_checkpoint, tiny_config
from tooling import ROOT, run_tool


def start(*args: str) -> subprocess.Popen:
    """The tool as a process."""
    return subprocess.Popen(
        [sys.executable,
         str(ROOT / 'tools/app.py'), '--port', '0', *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True)


def address(process: subprocess.Popen) -> tuple[str, str]:
    """Where the page is, and what was said before."""
    assert process.stdout is not None
    said = ''
    for line in process.stdout:
        found = re.match(r'(http://[\w.:]+) shows', line)
        if found:
            return found[1], said
        said += line
    raise AssertionError(process.communicate())


def listening(port: int) -> set[str]:
    """Addresses, as the kernel writes them, that listen at a port."""
    return {
        line.split()[1].partition(':')[0]
        for file in ('/proc/net/tcp', '/proc/net/tcp6') if Path(file).exists()
        for line in Path(file).read_text().splitlines()[1:]
        if line.split()[1].endswith(f':{port:04X}') and line.split()[3] == '0A'
    }


def test_served_to_this_machine_only(tmp_path: Path) -> None:
    """Without a model it says what to do; Ctrl-C ends it without a trace."""
    with start('--demo', str(tmp_path)) as process:
        url, said = address(process)
        assert 'make demo' in said
        with urllib.request.urlopen(url, timeout=20) as response:
            assert b'<title>Glimpse</title>' in response.read()
        with urllib.request.urlopen(f'{url}/api/overview') as response:
            assert b'make demo' in response.read()
        port = int(url.rpartition(':')[2])
        assert listening(port) == {'0100007F'}  # 127.0.0.1
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert 'Traceback' not in process.stderr.read()


def test_checkpoint_of_ones_own(tmp_path: Path) -> None:
    config = tiny_config(PRETRAINING, tmp_path)
    checkpoint = tiny_checkpoint(config)
    with start('--demo', str(tmp_path), '--config', str(config),
               '--checkpoint', str(checkpoint)) as process:
        url, said = address(process)
        assert 'make demo' not in said
        with urllib.request.urlopen(f'{url}/api/overview') as response:
            assert config.stem.encode() in response.read()
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@pytest.mark.parametrize('arguments, said', [
    (['convmae_bose'], "no model is named 'convmae_bose'; near are"),
    (['--config', 'a.py'], '1 --config and 0 --checkpoint are given'),
    (['--config', 'a.py', '--checkpoint', 'b.pth'
      ], 'checkpoint b.pth does not exist'),
    (['--port', '99999'], 'cannot listen at 127.0.0.1, port 99999'),
    (['--host', 'nowhere.invalid'], 'cannot listen at nowhere.invalid'),
])
def test_errors(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = run_tool('app.py', '--demo', tmp_path, *arguments)
    assert done.returncode != 0
    assert done.stderr.startswith('app: error: ') and said in done.stderr


def test_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = other.getsockname()[1]
        done = run_tool('app.py', '--demo', tmp_path, '--port', port)
    assert done.returncode != 0
    assert f'port {port}' in done.stderr and '--port' in done.stderr
