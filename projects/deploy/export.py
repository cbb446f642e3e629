"""Models as files that run without this code: torch.export and ONNX.

Shapes: N images, C channels, H and W pixels.
"""
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from projects.engine.checkpoint_io import UNFINISHED

SUFFIXES = ('.onnx', '.pt2')
PARTS = ('model', 'backbone')
BATCHES = (1, 2, 5)  # checked after the export, which sees another
ATOL, RTOL = 1e-4, 1e-3  # of two float32 runtimes


class ExportError(ValueError):
    """A model that cannot be exported, or whose file gives other numbers."""


class Exportable(nn.Module):
    """A model's tensors in, tensors out, without data samples.

    Args:
        model: A classifier, or any model with a backbone.
        part: ``'model'`` gives the scores before the softmax (N, classes),
            ``'backbone'`` its feature maps.

    Raises:
        ExportError: If the model as a whole gives more than tensors.
    """

    def __init__(self, model: BaseModel, part: str) -> None:
        super().__init__()
        if part not in PARTS:
            raise ExportError(f'part is {part!r}; choose from {PARTS}')
        classifies = hasattr(model, 'head') and hasattr(
            model.head, 'loss') and hasattr(model.head, 'predict')
        if part == 'model' and not classifies:
            raise ExportError(
                f'{type(model).__name__} is no classifier; only its backbone '
                'can be exported')
        self.model = model if part == 'model' else model.backbone
        self.options = dict(mode='tensor') if part == 'model' else {}

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Outputs for normalised images (N, C, H, W)."""
        outputs = self.model(images, **self.options)
        return (outputs, ) if isinstance(outputs, Tensor) else tuple(outputs)


def export(model: BaseModel,
           out: str,
           shape: tuple[int, ...],
           part: str = 'model',
           channels: int = 3) -> float:
    """Write a model to a file and compare what that computes.

    The number of images is free, their size is fixed. Images are normalised
    before: the data preprocessor's mean and deviation stay outside.

    Args:
        model: In evaluation mode, on the CPU.
        out: ``.onnx`` or ``.pt2`` file.
        shape: (height, width) of the images in pixels.
        part: See :class:`Exportable`.
        channels: Channels of the images.

    Returns:
        The largest difference between the outputs of file and model, over
        several numbers of images.

    Raises:
        ExportError: If the model cannot be exported or the file computes
            something else; it is then not kept.
    """
    if Path(out).suffix not in SUFFIXES:
        raise ExportError(f'{out}: the name of an exported file ends in one '
                          f'of {", ".join(SUFFIXES)}')
    module = Exportable(model, part).eval()
    unfinished = Path(out + UNFINISHED)
    onnx_file = out.endswith('.onnx')
    try:
        try:
            program = _trace(module, torch.randn(3, channels, *shape))
            if onnx_file:
                _save_onnx(program, unfinished)
            else:
                _save_program(program, unfinished)
        except OSError:
            raise
        except Exception as error:  # torch raises anything
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise ExportError(
                f'the {part} cannot be exported for images of {shape[0]} x '
                f'{shape[1]}: {reason[0]}') from error
        run = (_onnx_runner if onnx_file else _program_runner)(unfinished)
        difference = _compare(module, run, (channels, *shape), out)
        os.replace(unfinished, out)
    finally:
        unfinished.unlink(missing_ok=True)
    return difference


def _trace(module: nn.Module, images: Tensor) -> ExportedProgram:
    with torch.no_grad():
        return torch.export.export(
            module, (images, ),
            dynamic_shapes=({
                0: Dim('batch')
            }, ),
            strict=False)


def _save_program(program: ExportedProgram, path: Path) -> None:
    with open(path, 'wb') as file:
        torch.export.save(program, file)


def _save_onnx(program: ExportedProgram, path: Path) -> None:
    outputs = len(program.graph_signature.user_outputs)
    result = torch.onnx.export(
        program,
        input_names=['images'],
        output_names=[f'output{index}' for index in range(outputs)],
        dynamo=True,
        verbose=False)
    assert result is not None
    onnx.save_model(result.model_proto, path)
    onnx.checker.check_model(str(path))


def _onnx_runner(path: Path):
    session = onnxruntime.InferenceSession(
        path.read_bytes(), providers=['CPUExecutionProvider'])

    def run(images: Tensor) -> Sequence[np.ndarray]:
        return session.run(None, {'images': images.numpy()})

    return run


def _program_runner(path: Path):
    with open(path, 'rb') as file:
        module = torch.export.load(file).module()

    def run(images: Tensor) -> Sequence[np.ndarray]:
        return [output.numpy() for output in module(images)]

    return run


@torch.no_grad()
def _compare(module: nn.Module, run, shape: tuple[int, ...],
             out: str) -> float:
    """Largest difference between a model and its file."""
    largest = 0.
    for number in BATCHES:
        images = torch.randn(number, *shape)
        for expected, found in zip(module(images), run(images), strict=True):
            reference = expected.numpy()
            difference = float(np.abs(found - reference).max())
            if not np.allclose(found, reference, atol=ATOL, rtol=RTOL):
                raise ExportError(
                    f'{out}: outputs for {number} images differ by up to '
                    f'{difference:.2g} from those of the model')
            largest = max(largest, difference)
    return largest
