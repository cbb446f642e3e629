"""tools/setup.sh as a process, on a copy of the files that it reads.

Nothing is downloaded: pip is told to use no index. Where a complete
environment is needed, a new one sees the packages of the running Python.
"""
import os
import shutil
import signal
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = sys._base_executable
MINOR = f'{sys.version_info.major}.{sys.version_info.minor}'


@pytest.fixture
def house(tmp_path):
    """A copy of the repository's set-up, away from any wheelhouse."""
    repo = tmp_path / 'house' / 'repo'
    for part in ('requirements', 'projects/environment'):
        shutil.copytree(ROOT / part, repo / part)
    (repo / 'tools').mkdir()
    for part in ('setup.cfg', 'projects/__init__.py', 'tools/setup.sh',
                 'tools/check_env.py'):
        shutil.copy(ROOT / part, repo / part)
    return repo


def command(house: Path, **variables: str) -> dict:
    """How to run the script: no index, no terminal, its own caches."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(('GLIMPSE_', 'PIP_', 'PYTHON', 'CXX'))
    }
    env = {
        **kept, 'GLIMPSE_PYTHON': PYTHON,
        'PIP_NO_INDEX': '1',
        'PIP_CONFIG_FILE': os.devnull,
        'HOME': str(house.parent),
        'XDG_CACHE_HOME': str(house.parent / 'cache'),
        'CI': 'true',
        **variables
    }
    env = {name: value for name, value in env.items() if value}
    return dict(
        args=['bash', house / 'tools' / 'setup.sh'],
        env=env,
        cwd='/',
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True)


def set_up(house: Path, **variables: str) -> subprocess.CompletedProcess:
    """Run the script to its end."""
    return subprocess.run(**command(house, **variables), timeout=300)


def refused(house: Path, **variables: str) -> str:
    """What the script says when it stops before installing anything."""
    before = sorted(house.rglob('*'))
    process = set_up(house, **variables)
    assert process.returncode == 1, process.stdout
    assert process.stdout.startswith('Cannot set up; nothing was installed.')
    assert sorted(house.rglob('*')) == before
    return ' '.join(process.stdout.split())


def script(path: Path, text: str) -> Path:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('#!/bin/sh\n' + text)
    path.chmod(0o755)
    return path


def path_without(folder: Path, *prefixes: str) -> str:
    """A PATH with all of today's commands except some."""
    folder.mkdir()
    for place in os.environ['PATH'].split(os.pathsep):
        for tool in Path(place).glob('*'):
            if not tool.name.startswith(prefixes):
                if not (folder / tool.name).is_symlink():
                    (folder / tool.name).symlink_to(tool)
    return str(folder)


@pytest.mark.parametrize('version', ['2.7.18', '3.9.18', '3.13.0'])
def test_wrong_python(house, tmp_path, version):
    old = script(tmp_path / 'old', f'echo {version}')
    said = refused(house, GLIMPSE_PYTHON=str(old))
    assert 'Python 3.10 to 3.12 is needed' in said
    assert f'{old} is {version}' in said
    assert 'GLIMPSE_PYTHON=/path/to/python3.11 make setup' in said


def test_no_right_python_on_the_path(house, tmp_path):
    bin_ = tmp_path / 'bin'
    for name in ('python3', 'python3.10', 'python3.11', 'python3.12'):
        script(bin_ / name, 'echo 3.9.18')
    said = refused(
        house, GLIMPSE_PYTHON='', PATH=f'{bin_}:{os.environ["PATH"]}')
    assert 'python3 is 3.9.18' in said


def test_python_that_does_not_run(house):
    said = refused(house, GLIMPSE_PYTHON='/nowhere/python3')
    assert 'none that runs (/nowhere/python3)' in said


def test_no_compiler(house, tmp_path):
    path = path_without(tmp_path / 'bin', 'c++', 'g++', 'clang')
    said = refused(house, PATH=path)
    assert 'No C++ compiler: c++ is not on the PATH' in said
    assert 'apt install g++' in said
    assert 'GLIMPSE_WHEELHOUSE' in said


def test_compiler_too_old(house, tmp_path):
    old = script(tmp_path / 'old-c++', 'exit 1')
    said = refused(house, CXX=str(old))
    assert f'{old} does not compile C++17' in said


def test_no_python_headers(house, tmp_path):
    bare = script(
        tmp_path / 'bare-python', f"""
case "$2" in
*get_path*) echo /nowhere/include ;;
*) exec "{PYTHON}" "$@" ;;
esac
""")
    said = refused(house, GLIMPSE_PYTHON=str(bare))
    assert '/nowhere/include/Python.h is missing' in said
    assert f'python{MINOR}-dev' in said


def test_a_ready_wheel_needs_no_compiler(house, tmp_path):
    tag = f'cp{MINOR.replace(".", "")}'
    machine = os.uname().machine
    wheels = tmp_path / 'wheels'
    wheels.mkdir()
    wheel = wheels / f'onedl_mmcv-2.3.6-{tag}-{tag}-linux_{machine}.whl'
    for name, needed in (('other.whl', True), (wheel.name, False)):
        (wheels / name).touch()
        said = refused(
            house,
            CXX='/nowhere/c++',
            GLIMPSE_WHEELHOUSE=str(wheels),
            GLIMPSE_MIN_DISK_GIB='999999')
        assert ('compiler' in said) == needed


def test_too_little_disk(house):
    said = refused(house, GLIMPSE_MIN_DISK_GIB='999999')
    assert 'Too little disk space' in said
    assert 'about 999999 GiB needed' in said


def test_all_problems_at_once(house):
    said = refused(
        house,
        GLIMPSE_MIN_DISK_GIB='999999',
        CXX='/nowhere/c++',
        GLIMPSE_WHEELHOUSE='/nowhere')
    assert 'GLIMPSE_WHEELHOUSE=/nowhere is not a folder' in said
    assert 'No C++ compiler: /nowhere/c++' in said
    assert 'Too little disk space' in said


def test_a_folder_with_other_things_is_left_alone(house, tmp_path):
    precious = tmp_path / 'thesis'
    precious.mkdir()
    (precious / 'chapter1.txt').write_text('In the beginning')
    said = refused(house, GLIMPSE_VENV=str(precious))
    assert f'{precious} exists and is not a virtual environment' in said
    assert [path.name for path in precious.iterdir()] == ['chapter1.txt']


def test_environment_of_another_python(house):
    script(house / '.venv/bin/python', 'echo 3.9.18')
    (house / '.venv/pyvenv.cfg').touch()
    said = refused(house)
    assert f'.venv is an environment of Python 3.9, and {PYTHON}' in said


def test_a_failing_step_says_where_and_why(house):
    process = set_up(house)
    assert process.returncode == 1
    assert 'ERROR: Cannot install numpy' in process.stdout  # the log's end
    assert 'Failed at [2/6] torch' in process.stdout
    assert 'goes on from here' in process.stdout
    config = house / '.venv/pyvenv.cfg'
    made = config.stat().st_mtime_ns

    again = set_up(house)
    assert 'Failed at [2/6] torch' in again.stdout
    assert config.stat().st_mtime_ns == made  # the environment was kept


def ended(pid, seconds=30):
    """Whether a process is gone; its end may take the system a moment."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_interrupted_then_repeated(house, tmp_path):
    """TERM ends the running step; what it left half-made is repaired."""
    slow = script(
        tmp_path / 'slow-python', f"""
case "$1 $2" in
"-m venv") mkdir -p "$3/bin" "$3/lib" && touch "$3/bin/python"
    echo $$ >{tmp_path}/pid && exec sleep 300 ;;
*) exec "{PYTHON}" "$@" ;;
esac
""")
    process = subprocess.Popen(**command(house, GLIMPSE_PYTHON=str(slow)))
    pid = tmp_path / 'pid'
    deadline = time.monotonic() + 60
    while not pid.exists() or not pid.read_text():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert 'Interrupted. Run `make setup` again' in said
    assert ended(int(pid.read_text()))

    again = set_up(house)
    assert 'Failed at [2/6] torch' in again.stdout  # the first step is done
    assert (house / '.venv/pyvenv.cfg').exists()


@pytest.fixture
def finished(house):
    """An environment that lacks nothing but the script's own stamp."""
    place = house / '.venv'
    venv.create(place, with_pip=True)
    packages, = place.glob('lib/python*/site-packages')
    for own in (*packages.glob('setuptools*'), packages / 'pkg_resources'):
        shutil.rmtree(own, ignore_errors=True)  # older than ours, if there
    ours = [path for path in sys.path if path.endswith('site-packages')]
    (packages / 'ours.pth').write_text('\n'.join(ours))
    return packages


def test_completes_and_then_has_nothing_to_do(house, finished):
    broken = finished / 'half_installed-1.0.dist-info'
    broken.mkdir()
    (broken / 'METADATA').write_text('Name: half-installed\nVersion: 1.0\n')

    first = set_up(house)
    assert first.returncode == 0, first.stdout
    for number in range(1, 7):
        assert f'[{number}/6]' in first.stdout
    assert 'mmcv.ops.nms' in first.stdout
    assert 'Environment ready' in first.stdout.splitlines()[-2]
    assert not broken.exists()

    began = time.monotonic()
    second = set_up(house, CXX='/nowhere/c++')
    assert second.returncode == 0
    assert second.stdout.splitlines() == [first.stdout.splitlines()[-2]]
    assert time.monotonic() - began < 30

    torch = house / 'requirements/torch.txt'
    pinned = torch.read_text()
    torch.write_text(f'{pinned}no-such-thing\n')  # the stamp is outdated
    third = set_up(house)
    assert 'no-such-thing' in third.stdout
    assert 'Failed at [2/6]' in third.stdout

    torch.write_text(pinned)
    (finished / 'ours.pth').unlink()  # somebody broke it: the stamp lies
    fourth = set_up(house)
    assert 'Failed at [2/6]' in fourth.stdout


@pytest.mark.parametrize('status', [0, 7])
def test_ci_runs_the_test_command(tmp_path, status):
    script(tmp_path / 'make', f'echo "make $*"; pwd; exit {status}')
    process = subprocess.run([ROOT / '.ci' / 'run'],
                             env={
                                 **os.environ, 'PATH':
                                 f'{tmp_path}:{os.environ["PATH"]}'
                             },
                             cwd='/',
                             capture_output=True,
                             text=True,
                             timeout=60)
    assert process.stdout.splitlines() == ['make test', str(ROOT)]
    assert process.returncode == status
