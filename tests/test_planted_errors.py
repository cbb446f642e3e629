"""The suite notices errors: each is planted in a copy, and a test must fail.

Of the kinds that ruin results without a message: masks, position embeddings,
conversion tables, schedules, optimiser groups.
"""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tooling import ROOT

COMMON, CONVMAE = 'projects/common', 'projects/convmae'
ERRORS = {
    'the tokens with the highest noise are kept':
    (f'{COMMON}/masking.py', 'return TokenMask(order_BL[:, :keep], grid)',
     'return TokenMask(order_BL[:, -keep:], grid)',
     'tests/common/test_masking.py'),
    'padding comes first':
    (f'{COMMON}/masking.py', 'masked_fill(~valid_BL, math.inf)',
     'masked_fill(~valid_BL, -math.inf)', 'tests/common/test_masking.py'),
    'tubes move from frame to frame':
    (f'{COMMON}/masking.py', 'offset_T[:, None] + order_BL[:, None, :keep]',
     'offset_T[:, None] + '
     '(order_BL[:, None, :keep] + offset_T[:, None] // length) % length',
     'tests/common/test_masking.py'),
    'disjoint masks share a token':
    (f'{COMMON}/masking.py',
     'groups = order_BL[:, :self.num_masks * keep].split(keep, dim=1)',
     'groups = [order_BL[:, i:i + keep] for i in range(self.num_masks)]',
     'tests/common/test_masking.py'),
    'views of an image follow one another':
    (f'{COMMON}/masking.py', '.repeat(views)', '.repeat_interleave(views)',
     'tests/common/test_masking.py'),
    'rows are encoded before columns':
    (f'{COMMON}/pos_embed.py', 'for axis in (columns, rows)',
     'for axis in (rows, columns)', 'tests/common/test_pos_embed.py'),
    'frequencies fall too slowly': (f'{COMMON}/pos_embed.py',
                                    'positions_L[:, None] * 10000**',
                                    'positions_L[:, None] * 1000**',
                                    'tests/common/test_pos_embed.py'),
    'a position embedding is transposed when it is resampled':
    (f'{COMMON}/pos_embed.py',
     'pos_LCT = pos_TCHW.flatten(2).permute(2, 1, 0)',
     'pos_LCT = pos_TCHW.mT.flatten(2).permute(2, 1, 0)',
     'tests/common/test_pos_embed.py'),
    'conversion leaves a normalisation out':
    (f'{CONVMAE}/convert.py',
     "        Rename('decoder_norm.*', 'neck.decoder_norm.*'),\n", '',
     'tests/convmae/test_convert.py'),
    'conversion exchanges the sources of the multi-scale decoder':
    (f'{CONVMAE}/convert.py', "f'{source}.conv1.*', f'{blocks}.pw_conv1.*'",
     "f'{source}.conv1.*', f'{blocks}.pw_conv2.*'",
     'tests/convmae/test_convert.py'),
    'depths of layers are off by one':
    (f'{CONVMAE}/backbone.py',
     'return (int(block[1]) + 1 if block else 0), num_depths',
     'return (int(block[1]) if block else 0), num_depths',
     'tests/convmae/test_recipes.py'),
    'the momentum of the teacher does not fall':
    ('projects/extrema/teacher.py', 'math.cos(math.pi * progress)',
     'math.cos(0. * progress)', 'tests/extrema/test_siamese.py'),
    'LARS scales by the wrong norm': (f'{COMMON}/lars.py',
                                      'norms[0] / norms[1]',
                                      'norms[1] / norms[0]',
                                      'tests/common/test_lars.py'),
    'the warm-up is half as long':
    ('configs/_base_/schedules/adamw_poly-160k_layer-decay.py', 'end=1501',
     'end=751', 'tests/convmae/test_parity_upernet.py'),
}


@pytest.fixture(scope='module')
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the tests need."""
    folder = tmp_path_factory.mktemp('copy')
    for part in ('configs', 'projects', 'tests', 'tools'):
        shutil.copytree(
            ROOT / part,
            folder / part,
            ignore=shutil.ignore_patterns('__pycache__'))
    shutil.copy(ROOT / 'setup.cfg', folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize('error', ERRORS)
def test_is_noticed(copy: Path, error: str) -> None:
    name, right, wrong, tests = ERRORS[error]
    file = copy / name
    text = file.read_text()
    assert text.count(right) == 1, f'{name} has changed: {right}'
    file.write_text(text.replace(right, wrong))
    try:
        done = subprocess.run([
            sys.executable, '-m', 'pytest', '-x', '-q', '-p',
            'no:cacheprovider', '-m', 'not slow and not gpu', tests
        ],
                              cwd=copy,
                              env=dict(
                                  os.environ, PYTHONDONTWRITEBYTECODE='1'),
                              capture_output=True,
                              text=True,
                              timeout=600)
    finally:
        file.write_text(text)
    assert done.returncode == 1, done.stdout[-3000:]  # 1: a test has failed
    assert ' failed' in done.stdout
