"""Pictures of masked autoencoders at work.

Shapes: V masked views of one image, C channels, H and W pixels, L patches, P
values of a patch.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, default_collate
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader
from mmengine.utils import scandir
from mmpretrain.models import MAE
from mmpretrain.registry import MODELS
from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS

from projects.analysis.images import read_image
from projects.common.checkpoint import load_state_dict, state_dict_of
from projects.common.masked_autoencoder import MaskedAutoencoder

from .mmpretrain_mae import DrawableMAE
from .sheet import SheetRow, check_png, draw_sheet, save_png

Drawable = MaskedAutoencoder | DrawableMAE
KINDS = (MaskedAutoencoder.__name__, MAE.__name__)
GRAY = 128  # of what is hidden
COLUMNS = ('original', 'masked', 'reconstruction', 'with visible patches')


@dataclass(frozen=True)
class Reconstruction:
    """What a model saw of an image and what it made of it.

    Pictures are uint8 RGB arrays (H, W, 3).

    Attributes:
        name: Caption.
        original: The image as the model's preprocessing left it.
        masked: The same, gray where hidden.
        predicted: The model's prediction everywhere.
        pasted: The prediction where hidden, the original elsewhere.
        hidden: (H, W) bool, True where hidden.
    """
    name: str
    original: np.ndarray
    masked: np.ndarray
    predicted: np.ndarray
    pasted: np.ndarray
    hidden: np.ndarray


def find_images(source: str | Path, limit: int) -> list[Path]:
    """One image, or up to ``limit`` images spread over a folder's.

    Raises:
        FileNotFoundError: If there is no such file or folder, or the folder
            and those in it hold no image.
        ValueError: If ``limit`` is not positive.
    """
    source = Path(source)
    if limit < 1:
        raise ValueError(f'number of images is {limit}; it must be positive')
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise FileNotFoundError(f'image or folder {source} does not exist')
    names = sorted(
        scandir(source, IMG_EXTENSIONS, recursive=True, case_sensitive=False))
    if not names:
        raise FileNotFoundError(
            f'no image in {source} or the folders in it; expected files '
            f'ending in {", ".join(IMG_EXTENSIONS)}')
    count = min(limit, len(names))
    return [source / names[i * len(names) // count] for i in range(count)]


def load_model(cfg: Config, checkpoint: str | None) -> Drawable:
    """The masked autoencoder of a config with all its trained weights.

    Args:
        cfg: A pretraining config, of this project's ``MaskedAutoencoder`` or
            mmpretrain's ``MAE``.
        checkpoint: Path or URL; None leaves the weights random.

    Raises:
        ValueError: If the config is not of a masked autoencoder, or the
            checkpoint lacks any weight.
    """
    kind = cfg.model.get('type')
    if kind not in KINDS:
        raise ValueError(
            f'model.type is {kind!r}; only {" and ".join(KINDS)} can be '
            'drawn: give the config of a masked pretraining')
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    if 'data_preprocessor' in cfg:
        cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
    model = MODELS.build(cfg.model)
    if checkpoint is not None:
        _load_weights(model, checkpoint)
    return (DrawableMAE(model) if isinstance(model, MAE) else model).eval()


def _load_weights(model: MaskedAutoencoder | MAE, checkpoint: str) -> None:
    """Load all weights, those of the decoder included."""
    weights = state_dict_of(
        CheckpointLoader.load_checkpoint(checkpoint, 'cpu'), checkpoint)
    decoder = [name for name in model.state_dict() if name.startswith('neck.')]
    missing = [name for name in decoder if name not in weights]
    if missing:
        raise ValueError(
            f'{checkpoint} has no decoder weights: {len(missing)} of the '
            f'{len(decoder)} names are missing ({missing[0]}, ...). Give the '
            'whole checkpoint of a pretraining, not an encoder or classifier')
    load_state_dict(model, weights, checkpoint, min_coverage=1., part='')


def load_image(path: Path,
               cfg: Config,
               model: Drawable,
               keep_size: bool = False) -> Tensor:
    """An image as the model takes it, (1, C, H, W).

    Args:
        path: The image file.
        cfg: The model's config, whose test pipeline is applied.
        model: Its data preprocessor normalises.
        keep_size: In place of the pipeline's resizing and cropping, only cut
            the sides to whole patches.

    Raises:
        ValueError: If the file cannot be read as an image, or is smaller
            than a patch and its size is to be kept.
    """
    load, *resize, pack = cfg.test_dataloader.dataset.pipeline
    loaded = read_image(path, load)
    if keep_size:
        loaded['img'] = _cut_to_patches(loaded['img'], model.head.patch[0],
                                        path)
        resize = []
    return to_input(loaded, [*resize, pack], model)


def to_input(loaded: dict[str, Any], steps: Sequence[dict],
             model: Drawable) -> Tensor:
    """A loaded image as the model takes it, (1, C, H, W).

    Args:
        loaded: What the first step of a pipeline gives.
        steps: The steps after it.
        model: Its data preprocessor normalises.
    """
    sample = Compose(steps)(loaded)
    return model.data_preprocessor(default_collate([sample]))['inputs']


def _cut_to_patches(img_HWC: np.ndarray, patch: int, path: Path) -> np.ndarray:
    """The central part whose sides are multiples of ``patch``."""
    height, width = img_HWC.shape[:2]
    if min(height, width) < patch:
        raise ValueError(f'{path} has {height}x{width} pixels; both sides '
                         f'must have at least {patch}, one patch')
    top, left = height % patch // 2, width % patch // 2
    return img_HWC[top:top + height // patch * patch,
                   left:left + width // patch * patch]


@torch.no_grad()
def reconstruct(model: Drawable, inputs_1CHW: Tensor,
                name: str) -> list[Reconstruction]:
    """Mask an image at random and draw what the model makes of it.

    Args:
        model: The model.
        inputs_1CHW: One preprocessed image.
        name: Caption.

    Returns:
        One element for each view the model's masking makes of an image.
    """
    head = model.head
    pred_VLP, mask = model.reconstruct(inputs_1CHW)
    hidden_VLP = head.hidden(inputs_1CHW, mask).expand_as(pred_VLP)
    hidden_VCHW = head.unpatchify(hidden_VLP, head.grid(inputs_1CHW))
    original = _to_rgb(model, inputs_1CHW[0])
    predictions = head.to_pixels(pred_VLP, inputs_1CHW)
    rows = []
    for view, (pred_CHW,
               hidden_CHW) in enumerate(zip(predictions, hidden_VCHW), 1):
        predicted = _to_rgb(model, pred_CHW)
        hidden = hidden_CHW[0].numpy() > 0.5
        rows.append(
            Reconstruction(
                name if len(predictions) == 1 else f'{name}, view {view}',
                original,
                masked=np.where(hidden[..., None], np.uint8(GRAY), original),
                predicted=predicted,
                pasted=np.where(hidden[..., None], predicted, original),
                hidden=hidden))
    return rows


def _to_rgb(model: Drawable, x_CHW: Tensor) -> np.ndarray:
    """Undo the data preprocessor: uint8 (H, W, 3)."""
    preprocessor = model.data_preprocessor
    if preprocessor._enable_normalize:
        x_CHW = x_CHW * preprocessor.std + preprocessor.mean
    if not preprocessor._channel_conversion:  # images are loaded as BGR
        x_CHW = x_CHW.flip(0)
    x_HWC = x_CHW.clamp(0, 255).round().byte().permute(1, 2, 0)
    return x_HWC.expand(-1, -1, 3).numpy()


def draw_reconstructions(cfg: Config,
                         checkpoint: str,
                         source: str,
                         out: str,
                         mask_ratios: Sequence[float] = (),
                         num: int = 8,
                         seed: int = 0,
                         keep_size: bool = False) -> list[Reconstruction]:
    """Draw a sheet of reconstructions and save it as PNG.

    Runs on the CPU, so that a seed hides the same patches on any machine. Of
    several ratios a larger one hides what a smaller one hides, and more.

    Args:
        cfg: A pretraining config.
        checkpoint: Path or URL of its checkpoint.
        source: An image file or a folder of images.
        out: The PNG file to write.
        mask_ratios: Shares of the patches to hide, a row for each; the
            config's by default.
        num: Number of images from a folder.
        seed: Chooses the hidden patches.
        keep_size: See :func:`load_image`.

    Returns:
        What was drawn.

    Raises:
        FileNotFoundError: If an input file is missing.
        ValueError: If an input is of the wrong kind; see the functions above.
    """
    check_png(out)
    paths = find_images(source, num)
    model = load_model(cfg, checkpoint)
    rules = [model.masking] if not mask_ratios else [
        MODELS.build({
            'type': 'RandomTokenMasking',
            **cfg.model.get('masking', {}), 'ratio': ratio
        }) for ratio in mask_ratios
    ]
    shares = [f'{100 * rule.ratio:g} %' for rule in rules]
    torch.manual_seed(seed)
    rows = []
    for path in paths:
        image = load_image(path, cfg, model, keep_size)
        state = torch.get_rng_state()
        for model.masking, share in zip(rules, shares):
            torch.set_rng_state(state)
            name = path.name if len(rules) == 1 else f'{path.name}, {share}'
            rows += reconstruct(model, image, name)
    title = f'{", ".join(shares)} hidden'
    sheet = [
        SheetRow(row.name,
                 (row.original, row.masked, row.predicted, row.pasted))
        for row in rows
    ]
    save_png(draw_sheet(sheet, COLUMNS, title), Path(out))
    return rows
