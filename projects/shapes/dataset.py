"""Write data sets of scenes as real files.

Every file is a function of (seed, part, split, index) alone, so the number
of processes and the other parts do not change it by a byte. A data set is
written beside its place and moved there when complete.
"""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from rich.progress import track

from .annotate import CLASS_IDS, LABEL_NAMES, coco_annotations, label_map
from .encode import encode_clip, encode_image, encode_labels
from .motion import MOTIONS, Motion, one_motion
from .outlines import CLASSES
from .rendering import Picture, render
from .sample import image_size, one_object, several_objects
from .scene import Scene

VERSION = 1  # of the files' bytes: raise it when they change
META = 'meta.json'
MANIFEST = 'manifest.sha256'  # as sha256sum writes and checks it
_GENERATOR = 'make_shapes'  # in META: this folder is ours

SPLITS = ('train', 'val')

# Files per part as (train, val).
SIZES: dict[str, dict[str, tuple[int, int]]] = {
    'smoke':
    dict(cls=(64, 32), det=(12, 6), seg=(12, 6), video=(24, 8)),
    'small':
    dict(cls=(400, 160), det=(40, 20), seg=(40, 20), video=(160, 64)),
    'demo':
    dict(cls=(4000, 1000), det=(400, 100), seg=(400, 100), video=(1600, 400)),
}

# Of most images, in pixels.
_CLS_SIDE, _SCENE_SIDE, _VIDEO_SIDE = 96, 128, 64

# By index modulo the period, which has no factor in common with the number
# of classes: every class meets every kind.
_CLS_PERIOD = 31
_CLS_FILE_KINDS = {
    3: 'grayscale',
    9: 'palette',
    15: 'cmyk',
    21: 'exif6',
    27: 'exif8',
}
_FEATURE_PERIOD = 20
_FEATURES = {1: 'border', 2: 'crowd', 3: 'tiny', 4: 'empty'}
_GRAY_PERIOD = 11  # one in so many scenes is a grayscale file

# Of clips, by index modulo a period that has no factor in common either.
_CLIP_PERIOD = 7
_CLIP_KINDS = {1: 'short', 3: 'odd', 5: 'variable'}
_FRAME_RATES = tuple(
    map(Fraction, ('8', '12', '15', '24', '25', '30000/1001', '60')))
_CLIP_FRAMES = {'short': (5, 15)}  # fewer than the 16 that models look at
_ANY_FRAMES = (20, 48)

_ITEMS_PER_JOB = 250  # fewer are drawn before a process has started


@dataclass(frozen=True)
class Recipe:
    """What a data set is made from; equal recipes give equal files.

    Args:
        size: A key of ``SIZES``.
        seed: Not negative.
        parts: Some of ``PARTS``.
        hard: Small textured objects in clutter.

    Raises:
        ValueError: If a value is none of these.
    """
    size: str = 'smoke'
    seed: int = 0
    parts: tuple[str, ...] = ('cls', 'det', 'seg', 'video')
    hard: bool = False
    version: int = field(default=VERSION, init=False)

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise ValueError(
                f'unknown size {self.size!r}; choose from {list(SIZES)}')
        if self.seed < 0:
            raise ValueError(f'seed is {self.seed}, must not be negative')
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown or not self.parts:
            raise ValueError(f'unknown parts {unknown} in {self.parts}; '
                             f'choose from {list(PARTS)}')
        # The order in which parts are named does not matter.
        ordered = tuple(part for part in PARTS if part in self.parts)
        object.__setattr__(self, 'parts', ordered)

    def counts(self) -> dict[str, dict[str, int]]:
        """Images per part and split."""
        return {
            part: dict(zip(SPLITS, SIZES[self.size][part]))
            for part in self.parts
        }


@dataclass(frozen=True)
class Item:
    """The place of one image in a data set."""
    part: str
    split: str
    index: int


class CocoEntry(NamedTuple):
    """An image and its annotations (without id) in COCO's format."""
    image: dict[str, Any]
    annotations: list[dict[str, Any]]


class Drawn(NamedTuple):
    """What one item becomes: file contents by relative path."""
    item: Item
    files: dict[str, bytes]
    coco: CocoEntry | None = None


def make_dataset(out_dir: str | Path,
                 recipe: Recipe,
                 jobs: int | None = None,
                 force: bool = False) -> bool:
    """Make the data set, unless it is there already.

    Args:
        out_dir: Its folder, which must not exist, be empty, or hold a data
            set made by this function. Until the data set is complete, it is
            in ``<out_dir>.tmp``.
        recipe: What to make.
        jobs: Processes; None: as many as cores, but one for a small set.
        force: Replace a data set of another recipe, or a damaged one.

    Returns:
        Whether anything was written.

    Raises:
        FileExistsError: If the folder holds files that are not ours (they
            are never deleted, whatever ``force`` says), or without ``force``
            another recipe's data set or a damaged one.
        OSError: If the folder cannot be written.
        ValueError: If ``jobs`` is not positive.
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f'jobs is {jobs}, must be at least 1')
    out = Path(out_dir).resolve()
    work = out.with_name(out.name + '.tmp')
    for folder in (out, work):
        if read_meta(folder) is None and not _is_empty(folder):
            raise FileExistsError(
                f'{folder} exists and is not a shapes data set (it has no '
                f'{META} of one); remove it or name another folder')
    if read_meta(out) is not None:
        if not force:
            _check_recipe(out, recipe)
            _check_files(out)
            return False
        _check_only_ours(out)

    _remove(work)  # what an interrupted run has left
    try:
        work.mkdir(parents=True)
        _write_json(work / META, dict(generator=_GENERATOR, complete=False))
        _write(work, recipe, jobs)
        _check_files(work)
        _remove(out)
        os.replace(work, out)
    except BaseException:
        _remove(work)
        raise
    return True


def read_meta(folder: str | Path) -> dict[str, Any] | None:
    """``meta.json`` of a shapes data set; None where there is none."""
    try:
        meta = json.loads((Path(folder) / META).read_text('utf-8'))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    ours = isinstance(meta, dict) and meta.get('generator') == _GENERATOR
    return meta if ours else None


def draw(recipe: Recipe, item: Item) -> Drawn:
    """Choose, draw and encode one image with its ground truth."""
    stream = (recipe.seed, list(PARTS).index(item.part),
              SPLITS.index(item.split), item.index)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(stream)))
    return PARTS[item.part](rng, item, recipe.hard)


def _draw_cls(rng: np.random.Generator, item: Item, hard: bool) -> Drawn:
    kind = CLASSES[item.index % len(CLASSES)]
    scene = one_object(rng, kind, *image_size(rng, _CLS_SIDE), hard)
    file_kind = _CLS_FILE_KINDS.get(item.index % _CLS_PERIOD, 'jpeg')
    suffix, content = encode_image(render(scene).rgb, file_kind)
    path = f'cls/{item.split}/{kind}/{item.index:05d}{suffix}'
    return Drawn(item, {path: content})


def _draw_scene(rng: np.random.Generator, item: Item,
                hard: bool) -> tuple[Scene, Picture, bytes]:
    feature = _FEATURES.get(item.index % _FEATURE_PERIOD, 'plain')
    size = image_size(rng, _SCENE_SIDE)
    scene = several_objects(rng, *size, feature, hard)
    picture = render(scene)
    gray = item.index % _GRAY_PERIOD == _GRAY_PERIOD // 2
    _, content = encode_image(picture.rgb, 'grayscale' if gray else 'jpeg')
    return scene, picture, content


def _draw_det(rng: np.random.Generator, item: Item, hard: bool) -> Drawn:
    scene, picture, content = _draw_scene(rng, item, hard)
    name = f'{item.index:05d}.jpg'
    image = dict(
        id=item.index + 1,
        file_name=name,
        height=scene.height,
        width=scene.width)
    annotations = [
        dict(annotation, image_id=image['id'])
        for annotation in coco_annotations(scene, picture)
    ]
    return Drawn(item, {f'det/{item.split}/{name}': content},
                 CocoEntry(image, annotations))


def _draw_seg(rng: np.random.Generator, item: Item, hard: bool) -> Drawn:
    scene, picture, content = _draw_scene(rng, item, hard)
    stem = f'{item.split}/{item.index:05d}'
    labels = encode_labels(label_map(scene, picture))
    return Drawn(item, {
        f'seg/images/{stem}.jpg': content,
        f'seg/annotations/{stem}.png': labels
    })


def _draw_video(rng: np.random.Generator, item: Item, hard: bool) -> Drawn:
    del hard  # clips are plain: the class is in the motion
    kind = _CLIP_KINDS.get(item.index % _CLIP_PERIOD, 'plain')
    height, width = image_size(rng, _VIDEO_SIDE)
    if kind == 'odd':
        height, width = height | 1, width | 1
    else:
        height, width = height & ~1, width & ~1
    motion = one_motion(rng, _motion_of(item.index), height, width)
    count = int(
        rng.integers(*_CLIP_FRAMES.get(kind, _ANY_FRAMES), endpoint=True))
    rate = _FRAME_RATES[rng.integers(len(_FRAME_RATES))]
    ticks = list(range(count))
    if kind == 'variable':  # as cameras and screen recorders leave out frames
        ticks = sorted(rng.choice(2 * count, count, replace=False).tolist())
    content = encode_clip(
        _frames(motion, [tick / rate for tick in ticks]), rate,
        'mpeg4' if kind == 'odd' else 'libx264')
    return Drawn(item, {f'video/{item.split}/{item.index:05d}.mp4': content})


def _motion_of(index: int) -> str:
    """The class of a clip."""
    return MOTIONS[index % len(MOTIONS)]


def _frames(motion: Motion,
            times: list[Fraction]) -> Iterator[tuple[Fraction, np.ndarray]]:
    """Time and picture of every frame; the last one ends the motion."""
    start, duration = times[0], times[-1] - times[0]
    for time in times:
        moment = (time - start) / duration
        yield time - start, render(motion.at(float(moment))).rgb


# The order is part of the random streams: append only.
PARTS: dict[str, Callable[[np.random.Generator, Item, bool], Drawn]] = dict(
    cls=_draw_cls, det=_draw_det, seg=_draw_seg, video=_draw_video)


def _draw_all(recipe: Recipe, items: list[Item],
              jobs: int | None) -> Iterator[Drawn]:
    """Every item in order, drawn by ``jobs`` processes."""
    if jobs is None:
        enough = max(1, len(items) // _ITEMS_PER_JOB)
        jobs = min(os.cpu_count() or 1, enough)
    task = partial(draw, recipe)
    if jobs == 1:
        yield from map(task, items)
        return
    # Not fork: the caller may have threads.
    context = multiprocessing.get_context('spawn')
    with context.Pool(jobs, initializer=_start_worker) as pool:
        yield from pool.imap(task, items, chunksize=16)


def _start_worker() -> None:
    """One thread per process; an interruption is the parent's affair."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)


def _write(work: Path, recipe: Recipe, jobs: int | None) -> None:
    """Everything but the move to its place; the manifest and meta last."""
    counts = recipe.counts()
    items = [
        Item(part, split, index) for part in counts for split in counts[part]
        for index in range(counts[part][split])
    ]
    hashes: dict[str, str] = {}

    def write(path: str, content: bytes) -> None:
        target = work / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        hashes[path] = hashlib.sha256(content).hexdigest()

    entries: dict[str, list[CocoEntry]] = {split: [] for split in SPLITS}
    drawings = _draw_all(recipe, items, jobs)
    for drawn in track(drawings, 'Drawing shapes', total=len(items)):
        for path, content in drawn.files.items():
            write(path, content)
        if drawn.coco is not None:
            entries[drawn.item.split].append(drawn.coco)
    if 'det' in recipe.parts:
        for split in SPLITS:
            write(f'det/annotations/instances_{split}.json',
                  _json(_coco(entries[split])))
    if 'video' in recipe.parts:
        for path, content in _clip_lists(counts['video']).items():
            write(f'video/{path}', content)

    manifest = ''.join(f'{hashes[path]}  {path}\n' for path in sorted(hashes))
    (work / MANIFEST).write_text(manifest, 'utf-8')
    _write_json(
        work / META,
        dict(
            generator=_GENERATOR,
            complete=True,
            recipe=asdict(recipe),
            counts=counts,
            classes=CLASSES,
            motions=MOTIONS,
            label_names=LABEL_NAMES,
            files=len(hashes),
            manifest_sha256=hashlib.sha256(manifest.encode()).hexdigest()))


def _coco(entries: list[CocoEntry]) -> dict[str, Any]:
    """One annotation file in COCO's instance format."""
    annotations = [a for entry in entries for a in entry.annotations]
    return dict(
        info=dict(description='Drawn shapes', version=str(VERSION)),
        licenses=[],
        categories=[
            dict(id=number, name=name, supercategory='shape')
            for name, number in CLASS_IDS.items()
        ],
        images=[entry.image for entry in entries],
        annotations=[
            dict(annotation, id=number)
            for number, annotation in enumerate(annotations, start=1)
        ])


def _clip_lists(counts: dict[str, int]) -> dict[str, bytes]:
    """The annotations of all clips by file name, twice.

    As Kinetics has them (``<split>.txt``: path and label) and as
    Something-Something does (``<split>.json``: id and template;
    ``labels.json``: label of each template).
    """
    template = 'Something {}'.format
    files = {
        'labels.json':
        _json({
            template(motion): str(label)
            for label, motion in enumerate(MOTIONS)
        })
    }
    for split, count in counts.items():
        names = {f'{index:05d}': _motion_of(index) for index in range(count)}
        files[f'{split}.txt'] = ''.join(
            f'{split}/{name}.mp4 {MOTIONS.index(motion)}\n'
            for name, motion in names.items()).encode()
        files[f'{split}.json'] = _json([
            dict(
                id=name,
                label=f'A shape {motion}',
                template=template(motion).replace('Something', '[Something]'),
                placeholders=['A shape']) for name, motion in names.items()
        ])
    return files


def _check_recipe(out: Path, recipe: Recipe) -> None:
    """Refuse a data set of another recipe."""
    meta = read_meta(out) or {}
    found = meta.get('recipe', {})
    # Through JSON, which knows no tuples.
    expected = json.loads(_json(asdict(recipe)))
    differences = [
        f'{name} is {found.get(name)!r}, asked for {value!r}'
        for name, value in expected.items() if found.get(name) != value
    ]
    if differences:
        raise FileExistsError(
            f'{out} holds another shapes data set ({"; ".join(differences)})'
            '; name another folder, or replace it with --force')


def _check_files(out: Path) -> None:
    """Refuse a damaged data set."""
    for path, digest in _manifest(out).items():
        file = out / path
        if not file.is_file():
            problem = 'is missing'
        elif hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            problem = 'is not as it was made'
        else:
            continue
        raise FileExistsError(
            f'{file} {problem}; make the data set again with --force')


def _check_only_ours(out: Path) -> None:
    """Refuse to replace a folder in which there are others' files."""
    ours = {MANIFEST, META, *_manifest(out)}
    for file in sorted(out.rglob('*')):
        if not file.is_dir() and file.relative_to(out).as_posix() not in ours:
            raise FileExistsError(
                f'{file} is not part of the data set and would be deleted '
                'with it; move it away first')


def _manifest(out: Path) -> dict[str, str]:
    """SHA-256 by relative path.

    Raises:
        FileExistsError: If the manifest is not the one that was written.
    """
    try:
        content = (out / MANIFEST).read_bytes()
    except FileNotFoundError:
        content = b''
    digest = hashlib.sha256(content).hexdigest()
    if digest != (read_meta(out) or {}).get('manifest_sha256'):
        raise FileExistsError(
            f'{out / MANIFEST} is missing or not as it was made; remove '
            f'{out} or name another folder')
    lines = content.decode().splitlines()
    return {path: digest for digest, path in (ln.split('  ') for ln in lines)}


def _is_empty(folder: Path) -> bool:
    """Whether nothing is there, or an empty folder."""
    return not folder.exists() or (folder.is_dir()
                                   and not any(folder.iterdir()))


def _remove(folder: Path) -> None:
    """Delete a data set, what identifies it as ours last."""
    for part in PARTS:
        shutil.rmtree(folder / part, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _json(value: Any, indent: int | None = None) -> bytes:
    return json.dumps(value, indent=indent, sort_keys=True).encode()


def _write_json(file: Path, value: Any) -> None:
    """All or nothing."""
    part = file.with_name(file.name + '.part')
    part.write_bytes(_json(value, indent=2) + b'\n')
    os.replace(part, file)
