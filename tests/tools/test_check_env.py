"""Each diagnosis of tools/check_env.py, on a site folder that has the fault.

The folders are real: modules and distribution metadata on disk, seen by a
Python that was started without its own site-packages (``-S``).
"""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools' / 'check_env.py'

# Distribution -> version, the import name it provides, what it requires.
HEALTHY = {
    'torch': ('2.11.0', 'torch', []),
    'torchvision': ('0.26.0', 'torchvision', ['torch (==2.11.0)']),
    'numpy': ('2.2.6', 'numpy', []),
    'opencv-python-headless': ('4.12.0.88', 'cv2', []),
    'av': ('18.1.0', 'av', []),
    'setuptools': ('80.10.2', 'pkg_resources', []),
    'onedl-mmengine': ('0.10.12', 'mmengine', ['numpy']),
    'onedl-mmcv': ('2.3.6', 'mmcv', ['numpy']),
    'onedl-mmdetection': ('3.5.1', 'mmdet', ['numpy']),
    'onedl-mmsegmentation': ('1.4.2', 'mmseg', ['numpy>2', 'scipy']),
    'onedl-mmpretrain': ('1.3.6', 'mmpretrain', ['numpy']),
}
SOURCES = {
    'torch/__init__.py': 'class tensor(list):\n    tolist = list.copy\n',
    'mmengine/hooks.py': '',
    'mmengine/runner/checkpoint.py': 'torch.load(file, weights_only=True)',
    'mmcv/_ext.cpython-311.so': '',
    'mmcv/ops.py':
    'import torch\ndef nms(*args):\n    return None, torch.tensor([0, 2])\n',
    'mmdet/models.py': '',
    'mmseg/models.py': '',
    'mmpretrain/__init__.py':
    "mmcv_minimum_version = '2.0.0'\nmmcv_maximum_version = '2.4.0'\n",
    'mmpretrain/models.py': '',
}


class Site:
    """A site-packages folder made of stand-ins for the tested set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, (version, module, requires) in HEALTHY.items():
            self.add(name, version, module, requires)
        for path, source in SOURCES.items():
            self.write(path, source)

    def write(self, path: str, source: str) -> None:
        """Write a module."""
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(source)

    def add(self, name, version, module, requires=()) -> None:
        """Install a distribution that provides a module."""
        self.write(f'{module}/__init__.py', '')
        info = f'{name.replace("-", "_")}-{version}.dist-info'
        needs = ''.join(f'Requires-Dist: {need}\n' for need in requires)
        self.write(
            f'{info}/METADATA', f'Metadata-Version: 2.1\nName: {name}\n'
            f'Version: {version}\n{needs}')
        self.write(f'{info}/top_level.txt', f'{module}\n')

    def remove(self, name: str) -> None:
        """Uninstall a distribution."""
        info, = self.folder.glob(f'{name.replace("-", "_")}-*.dist-info')
        shutil.rmtree(info)
        shutil.rmtree(self.folder / HEALTHY[name][1])

    def replace(self, name, version, instead=None, requires=()) -> None:
        """Another release, or another distribution of the same module."""
        info, = self.folder.glob(f'{name.replace("-", "_")}-*.dist-info')
        shutil.rmtree(info)
        module = HEALTHY[name][1]
        kept = (self.folder / module / '__init__.py').read_text()
        self.add(instead or name, version, module, requires)
        self.write(f'{module}/__init__.py', kept)

    def check(self, *args: str, tool: Path = TOOL) -> dict:
        """Findings by item; the exit status must agree with them."""
        process = subprocess.run([sys.executable, '-S', tool, '--json', *args],
                                 capture_output=True,
                                 text=True,
                                 timeout=60,
                                 env={
                                     **os.environ, 'PYTHONPATH':
                                     str(self.folder)
                                 })
        assert process.stdout, process.stderr
        result = json.loads(process.stdout)
        findings = {row['item']: row for row in result['findings']}
        assert result['ok'] == (process.returncode == 0)
        assert result['ok'] == (not failed(findings))
        return findings


def failed(findings: dict) -> list[str]:
    """The items that fail."""
    return [item for item, row in findings.items() if row['status'] == 'FAIL']


def assert_fails(findings: dict, item: str, found: str, remedy: str) -> None:
    """Exactly one item fails, and says what was asked for."""
    assert failed(findings) == [item]
    assert found in findings[item]['found']
    assert remedy in findings[item]['remedy']


@pytest.fixture
def site(tmp_path):
    """The tested set, with nothing wrong."""
    return Site(tmp_path)


def test_the_tested_set_passes(site):
    findings = site.check()
    assert failed(findings) == []
    assert findings['mmcv.ops.nms']['status'] == 'ok'


def test_this_environment_passes():
    process = subprocess.run([sys.executable, TOOL],
                             capture_output=True,
                             text=True,
                             timeout=300)
    assert process.returncode == 0, process.stdout + process.stderr
    assert 'mmcv.ops.nms' in process.stdout
    assert 'FAIL' not in process.stdout


def test_packages_of_the_page(site):
    site.add('starlette', '1.10.0', 'starlette')
    site.add('uvicorn', '0.1.0', 'uvicorn')
    findings = site.check('--quick')
    assert failed(findings) == []
    assert findings['starlette']['status'] == 'ok'
    assert findings['uvicorn']['status'] == 'warn'
    assert '0.1.0, needed >=' in findings['uvicorn']['found']
    assert findings['anyio']['status'] == 'warn'
    assert '`make app` needs it' in findings['anyio']['found']


def test_nothing_installed(tmp_path):
    site = Site.__new__(Site)
    site.folder = tmp_path
    findings = site.check()
    for item in ('torch', 'torchvision', 'numpy', 'opencv', 'mmcv', 'mmdet',
                 'mmseg', 'mmengine', 'mmpretrain'):
        assert findings[item]['status'] == 'FAIL'
        assert 'not installed' in findings[item]['found']


def test_wrong_python_is_all_it_says(site, tmp_path):
    copy = tmp_path / 'copy'
    for part in ('tools/check_env.py', 'projects/__init__.py'):
        (copy / part).parent.mkdir(parents=True)
        shutil.copy(ROOT / part, copy / part)
    shutil.copytree(ROOT / 'projects/environment',
                    copy / 'projects/environment')
    (copy / 'setup.cfg').write_text('python_requires = >=3.98,<3.99\n')
    findings = site.check(tool=copy / 'tools' / TOOL.name)
    assert list(findings) == ['python']
    assert_fails(findings, 'python', '>=3.98,<3.99', 'GLIMPSE_PYTHON=')


@pytest.mark.parametrize('version', ['2.10.1', '2.12.0', '2.13.0+cpu'])
def test_torch_out_of_range(site, version):
    site.replace('torch', version)
    site.replace('torchvision', '0.26.0', requires=[])
    findings = site.check('--quick')
    assert_fails(findings, 'torch', f'{version}, needed >=2.11,<2.12',
                 'torch==2.11.0')


def test_torchvision_of_another_torch(site):
    site.replace('torch', '2.11.1+cpu')
    assert_fails(
        site.check('--quick'), 'torchvision',
        'belongs to torch 2.11.0, not 2.11.1+cpu', 'torchvision==0.26.0')


def test_torchvision_of_another_index(site):
    site.write(
        'torchvision/__init__.py',
        "raise RuntimeError('operator torchvision::nms does not exist')")
    assert_fails(site.check(), 'import torchvision', 'do not match',
                 'install the pair from one index')


def test_torchvision_missing(site):
    site.remove('torchvision')
    findings = site.check('--quick')
    assert_fails(findings, 'torchvision', 'mmpretrain imports it',
                 'make setup')


def test_mmcv_without_operators(site):
    site.replace('onedl-mmcv', '2.2.0', instead='mmcv-lite')
    (site.folder / 'mmcv' / '_ext.cpython-311.so').unlink()
    assert_fails(
        site.check('--quick'), 'mmcv operators', 'mmcv-lite',
        'pip uninstall -y mmcv-lite')


@pytest.mark.parametrize('error, cause', [
    ("ModuleNotFoundError(\"No module named 'mmcv._ext'\")",
     'no compiled operators'),
    ("ImportError('/site/mmcv/_ext.so: undefined symbol: _ZN3c10')",
     'compiled for another torch'),
])
def test_operators_do_not_load(site, error, cause):
    site.write('mmcv/ops.py', f'raise {error}')
    assert_fails(site.check(), 'import mmcv.ops', cause, 'make setup')


def test_operator_gives_a_wrong_answer(site):
    site.write(
        'mmcv/ops.py', 'import torch\n'
        'def nms(*args):\n    return None, torch.tensor([0, 1, 2])\n')
    assert_fails(site.check(), 'mmcv.ops.nms', '[0, 1, 2]', 'make setup')


@pytest.mark.parametrize('module, first, second', [
    ('mmengine', 'onedl-mmengine', 'mmengine'),
    ('mmcv', 'onedl-mmcv', 'mmcv-lite'),
    ('mmdet', 'onedl-mmdetection', 'mmdet'),
    ('mmseg', 'onedl-mmsegmentation', 'mmsegmentation'),
    ('mmpretrain', 'onedl-mmpretrain', 'mmpretrain'),
])
def test_two_distributions_of_one_module(site, module, first, second):
    kept = (site.folder / module / '__init__.py').read_text()
    site.add(second, '2.0.0', module)
    site.write(f'{module}/__init__.py', kept)
    findings = site.check('--quick')
    assert failed(findings)[0] == module
    assert f'{second} 2.0.0' in findings[module]['found']
    names = ' '.join(sorted([first, second]))
    assert f'pip uninstall -y {names}`' in findings[module]['remedy']


@pytest.mark.parametrize('limits', [
    "mmcv_minimum_version = '2.0.0rc4'\nmmcv_maximum_version = '2.2.0'\n",
    "MMCV_MIN = '2.0.0rc4'\nMMCV_MAX = '2.2.0'\n",
])
def test_mmcv_out_of_a_toolbox_range(site, limits):
    site.write('mmdet/__init__.py', limits)
    findings = site.check('--quick')
    assert_fails(findings, 'mmcv', '2.3.6, but mmdet needs <2.2.0',
                 'make setup')


def test_mmcv_at_the_limit_is_refused(site):
    site.replace('onedl-mmcv', '2.4.0')
    findings = site.check('--quick')
    assert_fails(findings, 'mmcv', 'mmpretrain needs <2.4.0', 'make setup')


def test_opencv_missing(site):
    site.remove('opencv-python-headless')
    assert_fails(
        site.check('--quick'), 'opencv', 'no module cv2',
        'pip install "opencv-python-headless')


def test_opencv_variants_of_two_versions(site):
    site.add('opencv-python', '4.11.0.86', 'cv2')
    assert_fails(
        site.check('--quick'), 'opencv', 'overwrite each other',
        'pip uninstall -y opencv-python-headless opencv-python')


def test_opencv_needs_system_libraries(site):
    site.write(
        'cv2/__init__.py',
        "raise ImportError('libGL.so.1: cannot open shared object file')")
    assert_fails(site.check(), 'import cv2', 'desktop OpenCV',
                 '--no-deps "opencv-python-headless')


def test_pkg_resources_missing_where_it_is_used(site):
    site.remove('setuptools')
    findings = site.check('--quick')
    assert findings['setuptools']['status'] == 'note'
    site.write('mmengine/utils/package_utils.py', 'import pkg_resources')
    assert_fails(
        site.check('--quick'), 'setuptools', 'this mmengine imports it',
        'pip install "setuptools>=77,<81"')


def test_numpy_too_old_for_a_toolbox(site):
    site.replace('numpy', '1.26.4')
    assert_fails(
        site.check('--quick'), 'numpy', 'onedl-mmsegmentation needs >2',
        'pip install "numpy>=2.0.1,<2.3"')


def test_numpy_newer_than_tested_is_a_warning(site):
    site.replace('numpy', '2.4.6')
    findings = site.check('--quick')
    assert findings['numpy']['status'] == 'warn'
    assert failed(findings) == []


def test_the_original_packages_are_a_warning(site):
    site.replace('onedl-mmdetection', '3.3.0', instead='mmdet')
    findings = site.check('--quick')
    assert findings['mmdet']['status'] == 'warn'
    assert failed(findings) == []


def test_mmseg_bases_are_noted(site):
    assert site.check('--quick')['mmseg:: bases']['status'] == 'note'
    site.replace('onedl-mmsegmentation', '1.2.2', instead='mmsegmentation')
    assert 'mmseg:: bases' not in site.check('--quick')


@pytest.mark.parametrize('source, status, found', [
    ('def _safe_torch_load(file): ...', 'note', 'unsafe unpickling'),
    ('torch.load(file)', 'warn', 'cannot resume'),
])
def test_checkpoint_loading(site, source, status, found):
    site.write('mmengine/runner/checkpoint.py', source)
    finding = site.check('--quick')['checkpoint loading']
    assert finding['status'] == status
    assert found in finding['found']
