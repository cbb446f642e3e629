"""The data set as files: the tool, its folders, its file kinds."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from projects.shapes import CLASSES, Recipe, make_dataset, read_meta
from projects.shapes.dataset import MANIFEST, META, Item, draw

TOOL = Path(__file__).resolve().parents[2] / 'tools/datasets/make_shapes.py'


@pytest.fixture(scope='module')
def smoke(tmp_path_factory):
    out = tmp_path_factory.mktemp('shapes') / 'smoke'
    assert make_dataset(out, Recipe('smoke'))
    return out


def contents(folder):
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob('*') if file.is_file()
    }


def run_tool(*args, cwd=None):
    return subprocess.run([sys.executable, TOOL, *map(str, args)],
                          cwd=cwd,
                          capture_output=True,
                          text=True)


def test_tool_makes_from_any_directory_and_returns_at_once(tmp_path):
    first = run_tool('data', '--parts', 'seg,cls', cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert 'data: made (size smoke, seed 0, 132 files: cls 64 train, 32 val' \
        in first.stdout
    made = (tmp_path / 'data' / META).stat().st_mtime_ns
    second = run_tool('data', '--parts', 'cls,seg', cwd=tmp_path)
    assert 'data: complete already' in second.stdout
    assert (tmp_path / 'data' / META).stat().st_mtime_ns == made
    assert os.listdir(tmp_path) == ['data']


def test_equal_to_the_byte_for_a_seed(smoke, tmp_path):
    make_dataset(tmp_path / 'again', Recipe('smoke'), jobs=2)
    assert contents(tmp_path / 'again') == contents(smoke)


def test_another_seed_gives_other_pictures(smoke, tmp_path):
    make_dataset(tmp_path / 'other', Recipe('smoke', seed=1, parts=('cls', )))
    other = contents(tmp_path / 'other')
    same = [
        path for path, content in contents(smoke).items()
        if other.get(path) == content
    ]
    assert same == []


def test_an_image_depends_on_its_place_only(smoke):
    """Not on the size of the set, its other parts, or what came before."""
    demo = Recipe('demo', parts=('det', ))
    drawn = draw(demo, Item('det', 'val', 3))
    for path, content in drawn.files.items():
        assert (smoke / path).read_bytes() == content


def test_splits_and_parts_share_no_picture(smoke):
    pictures = Counter(content for path, content in contents(smoke).items()
                       if path.endswith('.jpg'))
    assert max(pictures.values()) == 1


def test_class_folders_are_balanced(smoke):
    for split, each in (('train', 8), ('val', 4)):
        folders = sorted((smoke / 'cls' / split).iterdir())
        assert [folder.name for folder in folders] == list(CLASSES)
        assert {len(list(folder.iterdir())) for folder in folders} == {each}


@pytest.mark.parametrize('split', ['train', 'val'])
def test_file_kinds_and_sizes(smoke, split):
    kinds, sizes = Counter(), Counter()
    for file in (smoke / 'cls' / split).rglob('*.*'):
        with Image.open(file) as image:
            image.load()
            orientation = image.getexif().get(0x0112)
            kinds[image.format, image.mode, orientation] += 1
            sizes[image.size] += 1
    assert set(kinds) == {('JPEG', 'RGB', None), ('JPEG', 'L', None),
                          ('PNG', 'P', None), ('JPEG', 'CMYK', None),
                          ('JPEG', 'RGB', 6), ('JPEG', 'RGB', 8)}
    total = sum(kinds.values())
    assert kinds['JPEG', 'RGB', None] > 0.8 * total
    assert 0.4 * total < sizes[96, 96] < 0.8 * total
    assert len(sizes) > 8
    assert all(80 <= side <= 128 for size in sizes for side in size)


def test_every_file_kind_goes_to_every_class():
    """Else a grayscale or a quantised picture would tell its class."""
    kinds = defaultdict(set)
    for index in range(31 * 8):
        drawn = draw(Recipe('demo'), Item('cls', 'train', index))
        (path, content), = drawn.files.items()
        with Image.open(io.BytesIO(content)) as image:
            kind = image.mode, image.getexif().get(0x0112)
        kinds[kind].add(path.split('/')[2])
    assert len(kinds) == 6
    assert all(classes == set(CLASSES) for classes in kinds.values())


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
def test_the_image_loader_reads_every_kind(tmp_path, backend):
    """mmpretrain's default loader: upright, three channels, true colours."""
    from mmcv.transforms import LoadImageFromFile

    from projects.shapes.encode import FILE_KINDS, encode_image
    from projects.shapes.rendering import render
    from projects.shapes.sample import one_object

    load = LoadImageFromFile(imdecode_backend=backend)
    rgb = render(one_object(np.random.default_rng(0), 'heart', 90, 120)).rgb
    for kind in FILE_KINDS:
        suffix, content = encode_image(rgb, kind)
        file = tmp_path / f'{kind}{suffix}'
        file.write_bytes(content)
        loaded = load(dict(img_path=str(file)))['img'][..., ::-1]
        assert loaded.shape == rgb.shape, kind
        if kind == 'grayscale':
            assert (np.ptp(loaded, axis=2) == 0).all()
        else:
            difference = np.abs(loaded.astype(int) - rgb)
            assert difference.mean() < 3, kind


def test_classification_dataset_of_the_toolbox_reads_it(smoke):
    from mmengine.registry import init_default_scope
    from mmpretrain.registry import DATASETS
    init_default_scope('mmpretrain')
    dataset = DATASETS.build(
        dict(
            type='CustomDataset',
            data_root=str(smoke / 'cls'),
            data_prefix='train',
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='ResizeEdge', scale=96),
                dict(type='CenterCrop', crop_size=96),
                dict(type='PackInputs')
            ]))
    assert dataset.CLASSES == CLASSES
    labels = Counter()
    for sample in dataset:
        assert sample['inputs'].shape == (3, 96, 96)
        labels[int(sample['data_samples'].gt_label)] += 1
    assert labels == dict.fromkeys(range(8), 8)


def test_meta_and_manifest(smoke):
    meta = json.loads((smoke / META).read_text())
    assert meta['complete'] and meta['classes'] == list(CLASSES)
    assert meta['counts']['cls'] == dict(train=64, val=32)
    listed = (smoke / MANIFEST).read_text().splitlines()
    assert len(listed) == meta['files']
    assert {line.split('  ')[1] for line in listed} == \
        set(contents(smoke)) - {META, MANIFEST}
    # The standard tool agrees.
    subprocess.run(['sha256sum', '--check', '--quiet', MANIFEST],
                   cwd=smoke,
                   check=True)


def test_another_recipe_is_refused_and_forced(smoke, tmp_path):
    out = tmp_path / 'out'
    make_dataset(out, Recipe('smoke', seed=1, parts=('det', )))
    before = contents(out)
    result = run_tool(out, '--parts', 'det')
    assert result.returncode == 1 and result.stderr.count('\n') == 1
    assert 'seed is 1, asked for 0' in result.stderr
    assert contents(out) == before
    result = run_tool(out, '--force')
    assert result.returncode == 0, result.stderr
    assert contents(out) == contents(smoke)


@pytest.mark.parametrize('damage', ['missing', 'changed', 'manifest'])
def test_damage_is_found(tmp_path, damage):
    out = tmp_path / 'out'
    recipe = Recipe('smoke', parts=('seg', ))
    make_dataset(out, recipe)
    file = out / 'seg/annotations/val/00002.png'
    if damage == 'missing':
        file.unlink()
    elif damage == 'changed':
        file.write_bytes(b'')
    else:
        file = out / MANIFEST
        file.write_text('')
    with pytest.raises(FileExistsError, match=file.name):
        make_dataset(out, recipe)
    if damage != 'manifest':
        assert make_dataset(out, recipe, force=True)
        assert not make_dataset(out, recipe)


def test_clip_lists_of_both_kinds_agree(smoke):
    labels = json.loads((smoke / 'video/labels.json').read_text())
    for split, count in (('train', 24), ('val', 8)):
        lines = (smoke / f'video/{split}.txt').read_text().splitlines()
        entries = json.loads((smoke / f'video/{split}.json').read_text())
        assert len(lines) == len(entries) == count
        for line, entry in zip(lines, entries):
            path, label = line.split()
            assert path == f'{split}/{entry["id"]}.mp4'
            assert (smoke / 'video' / path).is_file()
            template = entry['template'].replace('[', '').replace(']', '')
            assert labels[template] == label
    meta = read_meta(smoke)
    assert [name.split()[-1] for name in labels] == meta['motions']


@pytest.mark.parametrize('force', [(), ('--force', )])
def test_folders_of_others_are_left_alone(tmp_path, force):
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine/photo.jpg').write_bytes(b'precious')
    (tmp_path / 'work.tmp').mkdir()
    (tmp_path / 'work.tmp/photo.jpg').write_bytes(b'precious')
    (tmp_path / 'file').write_bytes(b'precious')
    before = contents(tmp_path)
    for out in ('mine', 'work', 'file', 'file/below'):
        result = run_tool(tmp_path / out, *force)
        assert result.returncode == 1
        assert result.stderr.count('\n') == 1, result.stderr
        assert str(tmp_path / out) in result.stderr
    assert contents(tmp_path) == before


def test_force_does_not_delete_files_added_by_others(tmp_path):
    out = tmp_path / 'out'
    make_dataset(out, Recipe('smoke', parts=('seg', )))
    (out / 'seg/notes.txt').write_text('precious')
    with pytest.raises(FileExistsError, match='notes.txt'):
        make_dataset(out, Recipe('smoke', parts=('cls', )), force=True)
    assert (out / 'seg/notes.txt').exists()


def test_an_empty_folder_is_used(tmp_path):
    assert make_dataset(tmp_path, Recipe('smoke', parts=('seg', )))
    assert read_meta(tmp_path)['complete']


@pytest.mark.parametrize('args, message', [
    (('--parts', 'cls,dets'), "unknown parts ['dets']"),
    (('--parts', ''), 'unknown parts'),
    (('--seed', '-1'), 'seed is -1'),
    (('--jobs', '0'), 'jobs is 0'),
    (('--size', 'huge'), "invalid choice: 'huge'"),
])
def test_bad_options_are_named(tmp_path, args, message):
    result = run_tool(tmp_path / 'out', *args)
    assert result.returncode != 0
    assert message in result.stderr and 'Traceback' not in result.stderr
    assert os.listdir(tmp_path) == []


def test_unknown_size_names_the_choices():
    with pytest.raises(ValueError, match="'huge'.*smoke.*demo"):
        Recipe('huge')


@pytest.mark.parametrize('signal_number', [signal.SIGKILL, signal.SIGINT])
def test_an_interruption_leaves_nothing_that_looks_complete(
        smoke, tmp_path, signal_number):
    out, work = tmp_path / 'out', tmp_path / 'out.tmp'
    process = subprocess.Popen(
        [sys.executable, TOOL, out, '--size', 'demo', '--jobs', '2'],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # ignored in what a shell started in the background
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    workers = []
    try:
        deadline = time.monotonic() + 60
        while not (work / 'cls/train/star').exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        workers = children(process.pid)
        process.send_signal(signal_number)
        assert process.wait(30) != 0
    finally:
        process.kill()
    assert not out.exists()
    if signal_number == signal.SIGKILL:
        assert not read_meta(work)['complete']
    else:
        assert not work.exists()
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in workers):  # no orphan goes on
        assert time.monotonic() < deadline
        time.sleep(0.05)
    make_dataset(out, Recipe('smoke'))
    assert not work.exists()
    assert contents(out) == contents(smoke)


def children(pid):
    return [
        int(child) for child in Path(
            f'/proc/{pid}/task/{pid}/children').read_text().split()
    ]


def alive(pid):
    try:
        return Path(f'/proc/{pid}/stat').read_text().split()[2] != 'Z'
    except FileNotFoundError:
        return False
