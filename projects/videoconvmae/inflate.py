"""Weights of an image ConvMAE for the video model.

A convolution kernel that gains a time axis keeps its response to a static
clip: its weights lie in the middle frame, or are spread over all of them. In
a static clip all frames are the same, so are then all tokens at one place,
and attention to T equal sets of tokens is attention to one of them.

So with ``mode='centre'`` every feature of a static clip is the image model's,
repeated over time, and masks give the same latents. With ``mode='average'``
this holds only where a depthwise kernel does not reach over the ends of the
clip, where zeros take the place of frames: for the first convolutions in the
interior, and not after the transformer, which sees the borders.
"""
import os
from collections.abc import Mapping

import torch
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from projects.common.checkpoint import (StateDict, load_state_dict,
                                        state_dict_of)
from projects.common.conversion import (find_kind, save_atomically,
                                        tensors_of_config)

MODES = ('centre', 'average')


def inflate_kernel(kernel: Tensor, frames: int, mode: str) -> Tensor:
    """A kernel (C', C, Y, X) with a time axis, (C', C, frames, Y, X)."""
    if mode == 'average':
        return kernel[:, :, None].repeat(1, 1, frames, 1, 1) / frames
    inflated = kernel.new_zeros(*kernel.shape[:2], frames, *kernel.shape[2:])
    inflated[:, :, frames // 2] = kernel
    return inflated


def inflate(state_dict: Mapping[str, Tensor],
            target: Mapping[str, Tensor],
            frames: int,
            mode: str = 'centre') -> StateDict:
    """Bring the weights of an image model to the shapes of a video model.

    Convolutions gain a time axis (:func:`inflate_kernel`), position
    embeddings are repeated over time, and the decoder predicts each of the
    frames of a cube as it did the one. Other tensors stay as they are.

    Args:
        state_dict: Tensors of ConvViT, of a pretraining or classifier.
        target: Tensors of the video model under the same names, for their
            shapes.
        frames: Tokens of the video model in time.
        mode: 'centre' or 'average'.

    Raises:
        ValueError: If ``mode`` is unknown, or the tensors are of a video
            model already.
    """
    if mode not in MODES:
        raise ValueError(f'mode is {mode!r}; choose from {list(MODES)}')
    video = [name for name, value in state_dict.items() if value.ndim == 5]
    if video:
        raise ValueError(f'{video[0]} has five dimensions: the weights are '
                         "of a video model already; load them as 'Pretrained'")
    result = {}
    for name, value in state_dict.items():
        wanted = target[name].shape if name in target else value.shape
        if value.ndim == 4 and len(wanted) == 5:
            value = inflate_kernel(value, wanted[2], mode)
        elif name.endswith('pos_embed'):
            value = value.repeat(1, frames, 1)
        elif (name.startswith('neck.decoder_pred.')
              and wanted[0] % len(value) == 0):
            repeats = wanted[0] // len(value)
            value = value.repeat(repeats, *[1] * (value.ndim - 1))
        result[name] = value
    return result


@WEIGHT_INITIALIZERS.register_module()
class Inflated:
    """Initialise a VideoConvViT from a checkpoint of ConvViT.

    For ``init_cfg`` of the backbone, beside ``Pretrained``.

    Args:
        checkpoint: Path or URL; under our names.
        prefix: Load only the names below it.
        mode: 'centre' or 'average' (:func:`inflate_kernel`).
        min_coverage: Refuse a file that holds a smaller share of the weights.
    """

    def __init__(self,
                 checkpoint: str,
                 prefix: str | None = 'backbone.',
                 mode: str = 'centre',
                 min_coverage: float = 0.9) -> None:
        self.checkpoint, self.prefix, self.mode = checkpoint, prefix, mode
        self.min_coverage = min_coverage

    def __call__(self, module: nn.Module) -> None:
        """Load the inflated weights into ``module``, with a report."""
        checkpoint = CheckpointLoader.load_checkpoint(
            self.checkpoint, map_location='cpu')
        tensors = state_dict_of(checkpoint, self.checkpoint)
        own = {
            f'{self.prefix or ""}{name}': value
            for name, value in module.state_dict().items()
        }
        with torch.no_grad():
            tensors = inflate(tensors, own, module.grid[0], self.mode)
        load_state_dict(module, tensors, self.checkpoint, self.prefix,
                        self.min_coverage)


def inflate_file(source: str, target: str, config: str, mode: str) -> str:
    """Inflate a checkpoint file for the model of a config.

    Args:
        source: Checkpoint of an image ConvMAE, under our names or official.
        target: Path to write.
        config: Config of the video model.
        mode: 'centre' or 'average'.

    Returns:
        A report. What does not fit the model, such as the head of other
        classes or a decoder of another width, is left out and named there.

    Raises:
        FileNotFoundError: If ``source`` does not exist.
        ValueError: If it is of an unknown kind or does not fit the backbone.
    """
    checkpoint = CheckpointLoader.load_checkpoint(source, map_location='cpu')
    tensors = state_dict_of(checkpoint, source)
    if not any(name.startswith('backbone.stages.') for name in tensors):
        module, kind = find_kind(tensors, None)
        tensors = module.convert(tensors, kind)
    own = tensors_of_config(config)
    position = own.get('backbone.pos_embed')
    stem = own.get('backbone.stages.0.patch_embed.projection.weight')
    if position is None or stem is None or stem.ndim != 5:
        raise ValueError(f'{config} is not of a VideoConvViT: inflated '
                         'weights are for video models')
    frames, rest = divmod(position.shape[1],
                          tensors['backbone.pos_embed'].shape[1])
    if rest:
        raise ValueError(
            f'{source} has {tensors["backbone.pos_embed"].shape[1]} '
            f'positions, which do not divide the {position.shape[1]} of '
            f'{config}: give a config of the same frame size; position '
            'embeddings are resampled when the result is loaded')
    inflated = inflate(tensors, own, frames, mode)
    fitting = {
        name: value
        for name, value in inflated.items()
        if name in own and value.shape == own[name].shape
    }
    missing = [
        name for name in own
        if name.startswith('backbone.') and name not in fitting
    ]
    if missing:
        raise ValueError(
            f'{source} does not fit the backbone of {config}: {len(missing)} '
            f'tensors are missing or of another shape, such as {missing[0]}')
    left_out = sorted(inflated.keys() - fitting.keys())
    save_atomically(
        dict(
            meta=dict(inflated_from=os.path.basename(source), mode=mode),
            state_dict=fitting), target)
    report = f'{source}: {len(tensors)} tensors of an image model\n' \
        f'{target}: {len(fitting)} tensors for {config}'
    return report + (f'\n{len(left_out)} tensors do not fit and are left out: '
                     f'{", ".join(left_out[:4])}, ...' if left_out else '')
