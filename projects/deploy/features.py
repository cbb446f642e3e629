"""Features of a folder of images, by any backbone.

Shapes: N images, C channels, H and W cells of a map, L tokens.
"""
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import Compose, default_collate, pseudo_collate
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmpretrain.models import BaseSelfSupervisor
from mmseg.models import BaseSegmentor
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from projects.engine.checkpoint_io import UNFINISHED, write_text

DIVISOR = 32  # sides of a segmentor's image are filled up to multiples
SUFFIXES = ('.npy', '.h5', '.hdf5')


class ImageFiles(Dataset):
    """Image files as a config's test pipeline makes them.

    Args:
        cfg: The config; its pipeline's annotations are left out.
        paths: The files.
    """

    def __init__(self, cfg: Config, paths: Sequence[Path]) -> None:
        if not cfg.get('test_dataloader'):
            raise ValueError('the config has no test_dataloader, whose '
                             'pipeline says how images are prepared')
        dataset = cfg.test_dataloader.dataset
        while 'dataset' in dataset:
            dataset = dataset.dataset
        steps = [
            step for step in dataset.pipeline
            if not step['type'].endswith('Annotations')
        ]
        self.paths = paths
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
            self.pipeline = Compose(steps)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        path = self.paths[index]
        try:
            sample = self.pipeline(dict(img_path=str(path), img_id=index))
        except Exception as error:  # whatever a decoder makes of a file
            raise ValueError(f'{path} cannot be read as an image: '
                             f'{error}') from error
        if sample is None:
            raise ValueError(f'{path} cannot be read as an image')
        return sample


def feature_maps(model: BaseModel, data: dict[str, Any]) -> Sequence[Tensor]:
    """What the backbone makes of a batch.

    Args:
        model: A model of any toolbox.
        data: A batch of its pipeline.

    Returns:
        Maps (N, C, H, W), tokens (N, L, C) or vectors (N, C), one of each
        stage that the config asks for.
    """
    inputs = model.data_preprocessor(data, False)['inputs']
    if isinstance(model, BaseSegmentor):  # made for crops, tests on windows
        height, width = inputs.shape[2:]
        inputs = F.pad(inputs, (0, -width % DIVISOR, 0, -height % DIVISOR))
    if isinstance(model, BaseSelfSupervisor):  # a backbone without a mask
        features = model.extract_feat(inputs)
    else:
        features = model.backbone(inputs)
    return features if isinstance(features, (tuple, list)) else (features, )


def pool(features: Tensor) -> Tensor:
    """Mean over positions: (N, C) of a map, of tokens, or of vectors."""
    if features.ndim == 4:
        return features.mean((2, 3))
    return features.mean(1) if features.ndim == 3 else features


def extract(model: BaseModel,
            cfg: Config,
            paths: Sequence[Path],
            out: str,
            stage: int = -1,
            pooled: bool = True,
            batch_size: int = 32,
            workers: int = 0,
            quiet: bool = False) -> tuple[int, ...]:
    """Write the features of images to a file, batch by batch.

    Memory holds one batch; the file grows on the disk. It appears under its
    name when it is complete. ``.npy`` holds the array and a text file beside
    it the names; ``.h5`` both, as ``features`` and ``names``.

    Args:
        model: In evaluation mode, on its device.
        cfg: Its config, for the test pipeline.
        paths: Image files, in the order of the rows.
        out: File to write.
        stage: Which of the backbone's outputs to take.
        pooled: Take the mean over positions.
        batch_size: Images at once.
        workers: Processes that read images.
        quiet: Show no progress.

    Returns:
        Shape of the array, float32.

    Raises:
        ValueError: If a file is no image, sizes differ with
            ``pooled=False``, or an option is out of range.
    """
    if Path(out).suffix not in SUFFIXES:
        raise ValueError(f'{out}: the name of a feature file ends in one of '
                         f'{", ".join(SUFFIXES)}')
    # only mmpretrain's pipelines always give images of one size
    one_size = cfg.get('default_scope') == 'mmpretrain'
    loader = DataLoader(
        ImageFiles(cfg, paths),
        batch_size,
        num_workers=workers,
        collate_fn=default_collate if one_size else pseudo_collate)
    with open_array(out, [str(path) for path in paths]) as file, tqdm(
            total=len(paths), unit='image',
            disable=True if quiet else None) as bar:
        for data in loader:
            for part in _equal_sizes(data):
                rows = _rows(model, part, stage, pooled)
                file.write(rows)
                bar.update(len(rows))
    return file.shape


@torch.inference_mode()
def _rows(model: BaseModel, data: dict[str, Any], stage: int,
          pooled: bool) -> np.ndarray:
    features = feature_maps(model, data)
    try:
        chosen = features[stage]
    except IndexError:
        raise ValueError(f'stage is {stage}, but the backbone has '
                         f'{len(features)} outputs') from None
    return (pool(chosen) if pooled else chosen).float().cpu().numpy()


def _equal_sizes(data: dict[str, Any]) -> list[dict[str, Any]]:
    """A batch, or its images one by one if their sizes differ.

    Padding to a common size would make features depend on the neighbours.
    """
    inputs = data['inputs']
    if isinstance(inputs, Tensor) or len({x.shape for x in inputs}) == 1:
        return [data]
    return [{
        name: values[index:index + 1]
        for name, values in data.items()
    } for index in range(len(inputs))]


class ArrayFile:
    """An array on the disk, written from its first row to its last.

    Args:
        path: The unfinished file.
        names: A name for each row.
        hdf5: Whether to write HDF5 or NumPy's format.
    """

    def __init__(self, path: str, names: Sequence[str], hdf5: bool) -> None:
        self.path, self.names = path, names
        self.file = h5py.File(path, 'w') if hdf5 else None
        self.array: Any = None
        self.shape: tuple[int, ...] = (len(names), )
        self.done = 0

    def write(self, rows: np.ndarray) -> None:
        """Append rows.

        Raises:
            ValueError: If they are of another shape than those before.
        """
        if self.array is None:
            self._create(rows.shape[1:])
        if self.shape[1:] != rows.shape[1:]:
            raise ValueError(
                f'{self.names[self.done]}: features have the shape '
                f'{rows.shape[1:]}, those before {self.shape[1:]}; images of '
                'one size or the mean over positions are needed')
        self.array[self.done:self.done + len(rows)] = rows
        self.done += len(rows)

    def _create(self, shape: tuple[int, ...]) -> None:
        self.shape = (len(self.names), *shape)
        if self.file is None:
            self.array = np.lib.format.open_memmap(self.path, 'w+', np.float32,
                                                   self.shape)
        else:
            self.array = self.file.create_dataset('features', self.shape, 'f4')
            self.file.create_dataset(
                'names', data=list(self.names), dtype=h5py.string_dtype())

    def close(self) -> None:
        """Bring everything to the disk."""
        if self.file is not None:
            self.file.close()
        elif self.array is not None:
            self.array.flush()


@contextmanager
def open_array(out: str, names: Sequence[str]) -> Iterator[ArrayFile]:
    """An array file that gets its name only when all went well."""
    unfinished = Path(out + UNFINISHED)
    hdf5 = Path(out).suffix != '.npy'
    file = ArrayFile(str(unfinished), names, hdf5)
    try:
        yield file
        file.close()
        if not hdf5:
            write_text(f'{Path(out).with_suffix(".txt")}',
                       ''.join(f'{name}\n' for name in names))
        os.replace(unfinished, out)
    finally:
        file.close()
        unfinished.unlink(missing_ok=True)
