"""Folders of images in an LMDB database: packed, killed, resumed, examined.

The last tests read databases as own_data.md says.
"""
import json
import multiprocessing
import os
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import lmdb
import numpy as np
import pytest
import torch
from mmengine import fileio
from mmengine.config import Config
from mmengine.registry import DATASETS, TRANSFORMS, init_default_scope
from PIL import Image
from tooling import ROOT
from tooling import run_tool as run_here
from torch.utils.data import DataLoader

from projects.engine import GlimpseRunner, ImageError, packing
from projects.engine.data_check import missing_data
from projects.engine.dataset_report import examine
from projects.engine.lmdb_backend import release
from projects.shapes import Recipe, make_dataset

CLASSES = ('circle', 'crescent', 'cross', 'heart', 'ring', 'square', 'star',
           'triangle')


@pytest.fixture(scope='module')
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded data with a database of all of it and one of a part."""
    root = tmp_path_factory.mktemp('packing') / 'shapes'
    make_dataset(root, Recipe('smoke', parts=('cls', 'det', 'seg')), jobs=1)
    packed(root / 'cls/train', root / 'train.lmdb')
    for part in ('det', 'seg'):
        packed(root / part, root / f'{part}.lmdb')
    return root


def packed(folder: Path, out: Path, ann_file: Path | None = None) -> Path:
    packing.pack(packing.list_images(folder, ann_file), out, jobs=2)
    return out


def storage(database: Path, **options: object) -> dict:
    return dict(backend='lmdb', db_path=str(database), **options)


def stored(database: Path) -> dict[str, bytes]:
    """All images of a database, read with lmdb alone."""
    release(database)
    with lmdb.open(str(database), readonly=True, lock=False) as environment:
        with environment.begin() as transaction:
            return {
                key.decode(): value
                for key, value in transaction.cursor()
                if not key.startswith(b'/')
            }


def on_disk(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob('*') if path.suffix in ('.jpg', '.png')
    }


def write_images(folder: Path, number: int) -> Path:
    """Small pictures, no two alike, in folders of 100."""
    for index in range(number):
        path = folder / f'{index // 100}' / f'{index:04}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((4, 4, 3), divmod(index, 256)[1], np.uint8)
        pixels[0, 0] = index // 256
        Image.fromarray(pixels).save(path)
    return folder


def spoil(database: Path, key: str, value: bytes | None) -> None:
    """Replace or delete an image and leave its digest."""
    release(database)
    with lmdb.open(str(database), map_size=1 << 24) as environment:
        with environment.begin(write=True) as transaction:
            if value is None:
                transaction.delete(key.encode())
            else:
                transaction.put(key.encode(), value)


def test_files_are_packed_byte_by_byte(shapes):
    folder, out = shapes / 'cls/train', shapes / 'train.lmdb'
    assert stored(out) == on_disk(folder)
    lines = (out / 'ann_file.txt').read_text().splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted(stored(out))
    assert (out / 'classes.txt').read_text().split() == list(CLASSES)
    for line in lines:
        path, label = line.split()
        assert path.split('/')[0] == CLASSES[int(label)]
    done = run_here('datasets/pack.py', folder, out)
    assert done.returncode == 0
    assert f'{len(lines)} images, 8 classes (0 packed now' in done.stdout


def test_names_that_are_not_ascii_and_not_in_folders(tmp_path):
    folder = tmp_path / 'images'
    write_images(folder / 'ä ö', 2)
    shutil.copy(folder / 'ä ö/0/0000.png', folder / 'été 3.PNG')
    (folder / 'notes.txt').write_text('no image')
    out = packed(folder, tmp_path / 'out.lmdb')
    names = ['ä ö/0/0000.png', 'ä ö/0/0001.png', 'été 3.PNG']
    assert (out / 'ann_file.txt').read_text().splitlines() == names
    assert not (out / 'classes.txt').exists()
    for name in names:
        assert fileio.get(name, storage(out)) == (folder / name).read_bytes()
    assert list(packing.examine(out)) == []


def test_a_list_says_what_is_packed(tmp_path):
    folder = write_images(tmp_path / 'images', 5)
    wanted = tmp_path / 'list.txt'
    wanted.write_text('0/0003.png 7\n0/0001.png 2\n')
    done = run_here('datasets/pack.py', folder, tmp_path / 'out.lmdb',
                    '--ann-file', wanted)
    assert done.returncode == 0
    out = tmp_path / 'out.lmdb'
    assert list(stored(out)) == ['0/0001.png', '0/0003.png']
    assert (out / 'ann_file.txt').read_text() == wanted.read_text()
    wanted.write_text('0/0003.png 7\n0/0009.png 2\n')
    done = run_here('datasets/pack.py', folder, tmp_path / 'other.lmdb',
                    '--ann-file', wanted)
    assert 'list.txt, line 2' in done.stderr and '0009.png does not' in \
        done.stderr


def in_a_fork(target: Callable, *args: object) -> int | None:
    process = multiprocessing.get_context('fork').Process(
        target=target, args=args)
    process.start()
    process.join(60)
    return process.exitcode


def pack_until_killed(folder: Path, out: Path, last: str) -> None:
    """Body of a process that is killed when it reads ``last``."""
    read = packing._read

    def read_or_die(root: Path, path: str) -> packing.File:
        if path == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(root, path)

    packing._read = read_or_die
    packed(folder, out)


def pack_on_a_small_disk(folder: Path, out: Path, log: Path) -> None:
    """Body of a process whose files cannot grow beyond 50 MiB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (50 << 20, 50 << 20))
    done = run_here('datasets/pack.py', folder, out)
    log.write_text(done.stderr)
    os._exit(done.returncode)


def test_a_killed_run_goes_on(tmp_path):
    folder = write_images(tmp_path / 'images', 320)
    out = tmp_path / 'out.lmdb'
    code = in_a_fork(pack_until_killed, folder, out, '2/0299.png')
    assert code == -signal.SIGKILL
    assert len(stored(out)) == packing.BATCH_FILES  # one transaction of two
    assert not (out / 'ann_file.txt').exists()
    problems = list(packing.examine(out, packing.list_images(folder).labels))
    assert len(problems) == 320 - packing.BATCH_FILES + 1
    assert 'packing was not finished' in problems[0]
    assert problems[1:][-1] == '3/0319.png: not in the database'
    done = run_here('datasets/pack.py', folder, out)
    assert '320 images, 4 classes (64 packed now, 256 before)' in done.stdout
    assert stored(out) == on_disk(folder)
    done = run_here('datasets/pack.py', folder, out, '--check')
    assert done.returncode == 0 and 'every image is there' in done.stdout


def test_what_is_wrong_is_found(tmp_path):
    folder = write_images(tmp_path / 'images', 5)
    (folder / '0/0004.png').write_bytes(
        (folder / '0/0004.png').read_bytes()[:-20])
    out = packed(folder, tmp_path / 'out.lmdb')
    content = bytearray((folder / '0/0001.png').read_bytes())
    content[40] ^= 1
    spoil(out, '0/0001.png', bytes(content))
    spoil(out, '0/0002.png', None)
    spoil(out, 'a/stranger.png', b'x')
    write_images(folder, 6)  # one that is not packed, and one mended
    done = run_here('datasets/pack.py', folder, out, '--check')
    assert done.returncode == 1
    lines = dict(
        line.split(': ', 1) for line in done.stdout.splitlines()
        if line.startswith(('0/', 'a/')))
    assert lines['0/0001.png'].startswith('damaged')
    assert lines['0/0002.png'] == 'a digest without the file'
    assert lines['0/0005.png'] == 'not in the database'
    assert lines['a/stranger.png'] == 'stored without a digest'
    assert 'image 0/0004.png is truncated' in done.stdout
    assert '5 problems' in done.stdout
    # without the folder, what was added to it later is not known
    shutil.rmtree(folder)
    done = run_here('datasets/pack.py', folder, out, '--check')
    assert 'does not exist: compared' in done.stdout
    assert '4 problems' in done.stdout


def test_a_database_that_was_cut_off_is_refused(tmp_path):
    folder = write_images(tmp_path / 'images', 200)
    out = packed(folder, tmp_path / 'out.lmdb')
    os.truncate(out / 'data.mdb', 20_000)
    for options in ([], ['--check']):
        done = run_here('datasets/pack.py', folder, out, *options)
        assert done.returncode == 1 and 'is cut off' in done.stderr
    with pytest.raises(OSError, match='out.lmdb is cut off'):
        fileio.get('1/0199.png', storage(out))


def test_the_database_of_another_folder_is_refused(tmp_path):
    folder = write_images(tmp_path / 'images', 3)
    out = packed(folder, tmp_path / 'out.lmdb')
    before = stored(out)
    # the same files in another place are the same
    moved = Path(shutil.copytree(folder, tmp_path / 'moved'))
    for path in moved.rglob('*.png'):
        os.utime(path, (1, 1))
    assert packing.pack(packing.list_images(moved), out) == 0
    # the same names and sizes, but not the same bytes
    images = sorted(moved.rglob('*.png'))
    content = bytearray(images[1].read_bytes())
    content[40] ^= 1
    images[1].write_bytes(content)
    done = run_here('datasets/pack.py', moved, out)
    assert 'holds another 0/0001.png' in done.stderr
    images[1].unlink()
    done = run_here('datasets/pack.py', moved, out)
    assert 'holds 0/0001.png, which is not among the 2' in done.stderr
    assert stored(out) == before


def test_places_that_cannot_be_a_database(tmp_path):
    folder = write_images(tmp_path / 'images', 2)
    file = tmp_path / 'file'
    file.write_text('x')
    foreign = tmp_path / 'foreign.lmdb'
    with lmdb.open(str(foreign)) as environment:
        with environment.begin(write=True) as transaction:
            transaction.put(b'key', b'value')
    for out, said in ((file, 'is a file'), (folder, 'folder of other files'),
                      (foreign, 'another program'), (file / 'x.lmdb',
                                                     'cannot be written'),
                      ('/proc/x.lmdb', 'cannot be written')):
        done = run_here('datasets/pack.py', folder, out)
        assert done.returncode == 1 and said in done.stderr, said
        assert len(done.stderr.splitlines()) == 1
    assert stored(foreign) == {'key': b'value'}
    for args, said in (([tmp_path / 'gone',
                         'x'], 'is not a folder'), ([foreign,
                                                     'x'], 'no image in'),
                       ([folder, tmp_path / 'x', '--check'], 'cannot be'),
                       ([folder, foreign, '--check'], 'another program')):
        done = run_here('datasets/pack.py', *args)
        assert done.returncode == 1 and said in done.stderr, said


def test_names_that_cannot_be_keys(tmp_path):
    write_images(tmp_path / 'images', 1)
    image = tmp_path / 'images/0/0000.png'
    for name, said in (('new\nline.png', 'in one line'),
                       ('x' * 200 + '/' + 'y' * 200 + '/' + 'z' * 200 + '.png',
                        'at most 511'), (b'\xff.png', 'not UTF-8')):
        folder = tmp_path / str(len(name))
        path = os.path.join(os.fsencode(folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path))
        shutil.copy(image, path)
        with pytest.raises(ValueError, match=said):
            packing.list_images(folder)


def test_a_full_disk_and_a_growing_map(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    noise = np.random.default_rng(0)
    for number in range(4):  # no one decodes them here
        (folder / f'{number}.jpg').write_bytes(noise.bytes(17 << 20))
    out, log = tmp_path / 'out.lmdb', tmp_path / 'log.txt'
    assert in_a_fork(pack_on_a_small_disk, folder, out, log) == 1
    message = log.read_text()
    assert 'out.lmdb cannot be written' in message
    assert 'same command goes on' in message
    assert len(message.splitlines()) == 1
    assert list(stored(out)) == ['0.jpg', '1.jpg']
    done = run_here('datasets/pack.py', folder, out)
    assert done.returncode == 0 and '(2 packed now, 2 before)' in done.stdout
    assert stored(out) == on_disk(folder)
    assert (out / 'data.mdb').stat().st_size > packing.FIRST_MAP


@pytest.mark.parametrize('load', ['LoadCheckedImage', 'LoadImageFromFile'])
def test_errors_name_key_and_database(shapes, load, tmp_path):
    database = shapes / 'train.lmdb'
    loader = TRANSFORMS.build(dict(type=load, backend_args=storage(database)))
    kinds = (ImageError, OSError)
    with pytest.raises(kinds, match='gone.jpg') as error:
        loader(dict(img_path='star/gone.jpg'))
    assert str(database) in str(error.value)
    assert 'whose keys are like circle/' in str(error.value)
    with pytest.raises(kinds, match='train.lmdb'):
        loader(dict(img_path='x' * 600))
    nowhere = tmp_path / 'nowhere.lmdb'
    loader = TRANSFORMS.build(dict(type=load, backend_args=storage(nowhere)))
    with pytest.raises(kinds, match='nowhere.lmdb cannot be opened'):
        loader(dict(img_path='star/a.jpg'))
    assert not nowhere.exists()


def test_loading_transforms_share_a_database(shapes):
    """However its path and options are written."""
    database = shapes / 'train.lmdb'
    key = next(iter(stored(database)))
    content = (shapes / 'cls/train' / key).read_bytes()
    for other in (database, shapes / 'cls' / '..' / 'train.lmdb'):
        for options in ({}, dict(readahead=True)):
            assert fileio.get(key, storage(other, **options)) == content
    # and it can be examined by the process that reads it
    assert list(packing.examine(database)) == []
    assert fileio.get(key, storage(database)) == content


class Keys(torch.utils.data.Dataset):
    """Sums of pixels of packed images, and who read them."""

    def __init__(self, database: Path) -> None:
        self.load = TRANSFORMS.build(
            dict(type='LoadCheckedImage', backend_args=storage(database)))
        self.keys = list(stored(database))

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> tuple[int, int]:
        image = self.load(dict(img_path=self.keys[index]))['img']
        return int(image.sum(dtype=np.int64)), os.getpid()


def test_workers_open_the_database_themselves(shapes):
    dataset = Keys(shapes / 'train.lmdb')
    expected = [dataset[index][0] for index in range(len(dataset))]
    loader = DataLoader(dataset, batch_size=4, num_workers=2)
    for _ in range(2):
        sums, readers = zip(*loader)
        assert torch.cat(sums).tolist() == expected
        assert len(set(torch.cat(readers).tolist()) - {os.getpid()}) == 2
    assert dataset[0][0] == expected[0]  # still open here


def batches(cfg: Config) -> list:
    """Two batches of a training loader, as tensors and lists."""
    torch.manual_seed(0)
    np.random.seed(0)
    loader = GlimpseRunner.build_dataloader(cfg.train_dataloader, seed=3)
    found = []
    for batch, _ in zip(loader, range(2)):
        labels = [sample.gt_label for sample in batch['data_samples']]
        found.append((batch['inputs'], torch.cat(labels)))
    return found


def test_training_sees_the_same_batches(shapes, tmp_path):
    """With two workers, by the listing that packing has written."""
    name = 'convmae/demo/convvit-tiny_convmae-pre_1xb32-coslr-500_shapes.py'
    cfg = Config.fromfile(ROOT / 'configs' / name)
    init_default_scope(cfg.default_scope)
    cfg.model.backbone.init_cfg = None
    cfg.train_dataloader.batch_size = 8
    data = cfg.train_dataloader.dataset
    data.update(data_root=str(shapes / 'cls'), data_prefix='train')
    files = batches(cfg)
    database = shapes / 'train.lmdb'
    data.update(
        data_root='', data_prefix='', ann_file=str(database / 'ann_file.txt'))
    data.pipeline[0].backend_args = storage(database)
    assert cfg.train_dataloader.num_workers == 2
    for (images, labels), (expected, classes) in zip(batches(cfg), files):
        assert torch.equal(labels, classes) and len(labels) == 8
        assert all(map(torch.equal, images, expected))
    # and a run of the tool ends well
    cfg.pop('val_dataloader'), cfg.pop('val_evaluator'), cfg.pop('val_cfg')
    cfg.dump(tmp_path / 'packed.py')
    done = run_here('train.py', tmp_path / 'packed.py', '--work-dir',
                    tmp_path / 'work', '--cfg-options',
                    'train_cfg.max_iters=2')
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'work/iter_2.pth').is_file()


def test_the_examination_of_a_config_reads_databases(shapes):
    database = shapes / 'train.lmdb'
    cfg = Config(
        dict(
            default_scope='mmpretrain',
            train_dataloader=dict(
                dataset=dict(
                    type='CustomDataset',
                    ann_file=str(database / 'ann_file.txt'),
                    pipeline=[
                        dict(
                            type='LoadImageFromFile',
                            backend_args=storage(database)),
                        dict(type='PackInputs')
                    ]))))
    report = examine(cfg, jobs=2)['train']
    assert report.findings == [] and report.samples == len(stored(database))


DETECTION = dict(
    type='CheckedCocoDataset',
    metainfo=dict(classes=CLASSES),
    data_prefix=dict(img='train/'),
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='PackDetInputs')
    ])
SEGMENTATION = dict(
    type='BaseSegDataset',
    metainfo=dict(classes=(*CLASSES, 'background')),
    data_prefix=dict(
        img_path='images/train', seg_map_path='annotations/train'),
    reduce_zero_label=True,
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='LoadCheckedAnnotations', num_classes=9),
        dict(type='PackSegInputs')
    ])


def build(scope: str, settings: dict, **changes: object):
    init_default_scope(scope)
    return DATASETS.build({**settings, **changes})


def test_detection_reads_databases(shapes):
    import projects.detection  # noqa: F401
    ann_file = 'annotations/instances_train.json'
    files = build(
        'mmdet', DETECTION, data_root=str(shapes / 'det'), ann_file=ann_file)
    load, *others = DETECTION['pipeline']
    pipeline = [dict(load, backend_args=storage(shapes / 'det.lmdb')), *others]
    settings = dict(
        DETECTION, ann_file=str(shapes / 'det' / ann_file), pipeline=pipeline)
    assert missing_data(settings) is None
    images = build('mmdet', settings)
    assert len(images) == len(files) > 0
    for index in range(len(files)):
        assert torch.equal(images[index]['inputs'], files[index]['inputs'])


def test_segmentation_reads_databases(shapes):
    import projects.segmentation  # noqa: F401
    files = build('mmseg', SEGMENTATION, data_root=str(shapes / 'seg'))
    where = storage(shapes / 'seg.lmdb')
    *loads, pack = SEGMENTATION['pipeline']
    pipeline = [dict(load, backend_args=where) for load in loads] + [pack]
    images = build(
        'mmseg', SEGMENTATION, backend_args=where, pipeline=pipeline)
    assert len(images) == len(files) > 0
    for index in range(len(files)):
        assert torch.equal(images[index]['inputs'], files[index]['inputs'])
        ours, theirs = (
            data[index]['data_samples'].gt_sem_seg.data
            for data in (images, files))
        assert torch.equal(ours, theirs)
    gone = dict(images.get_data_info(0), seg_map_path='annotations/gone.png')
    with pytest.raises(FileNotFoundError, match='gone.png.*seg.lmdb'):
        images.pipeline(gone)


def test_benchmark_of_decoding_reads_databases(shapes, tmp_path):
    database = shapes / 'train.lmdb'
    config = tmp_path / 'packed.py'
    load = dict(type='LoadCheckedImage', backend_args=storage(database))
    dataset = dict(
        type='CustomDataset',
        ann_file=str(database / 'ann_file.txt'),
        pipeline=[load, dict(type='PackInputs')])
    config.write_text(
        "default_scope = 'mmpretrain'\n"
        f'train_dataloader = dict(batch_size=4, dataset={dataset!r})\n'
        'model = dict()\n')
    done = run_here('benchmark.py', 'decode', config, '--iters', '2', '--json',
                    tmp_path / 'out.json')
    assert done.returncode == 0, done.stderr
    names = [
        item['name']
        for item in json.loads((tmp_path / 'out.json').read_text())['results']
    ]
    assert names == ['pipeline', 'bare decoding']
