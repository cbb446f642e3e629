"""Parameters and multiply-accumulates of any model of the zoo.

The model is built and run on fake tensors, which have a shape but no values:
the largest models take seconds and hardly any memory. Attention runs as its
plain products, for the counter does not see the fused kernel of the CPU.
"""
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import mmcv
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.models import BaseSelfSupervisor
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (DataDependentOutputException,
                                           FakeTensorMode)
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Cost:
    """What a model or a part of it costs.

    Attributes:
        parameters: Number of parameters.
        trainable: Number of those that receive gradients.
        macs: Multiply-accumulates of linear layers, convolutions and
            attention products for one image.
    """
    parameters: int
    trainable: int
    macs: int


@dataclass(frozen=True)
class Complexity:
    """Cost of a model, and of each of its parts.

    Attributes:
        shape: (height, width) of the image in pixels; a mean if there are
            several.
        protocol: What was run, in words.
        total: The whole model.
        parts: Cost of each part that has parameters, by its name.
        num_images: Number of images whose mean cost this is.
    """
    shape: tuple[int, ...]
    protocol: str
    total: Cost
    parts: dict[str, Cost]
    num_images: int = 1

    def as_dict(self) -> dict:
        """Plain dicts, lists, strings and integers, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        size = ' x '.join(map(str, self.shape))
        images = f'one image of {size}' if self.num_images == 1 else (
            f'mean of {self.num_images} images, {size} on average')
        rows = [f'{images}: {self.protocol}',
                f'{"part":<24}{"parameters":>14}{"trainable":>14}'
                f'{"MACs (G)":>12}']  # yapf: disable
        for name, cost in (*self.parts.items(), ('total', self.total)):
            rows.append(f'{name:<24}{cost.parameters:>14,}'
                        f'{cost.trainable:>14,}{cost.macs / 1e9:>12.2f}')
        return '\n'.join(rows)


TYPICAL = (480, 640)  # (height, width) of more images of COCO than any other


def default_shape(cfg: Config) -> tuple[int, int]:
    """Image size (height, width) that a config is meant for.

    For a detector, what its test pipeline makes of a ``TYPICAL`` image. Else
    the size that batches are padded to; else the one that the backbone's
    relative positions, else its position embedding, are stored for; else 224.
    """
    if 'roi_head' in cfg.model and 'test_pipeline' in cfg:
        return shown_shape(cfg, TYPICAL)
    preprocessor = cfg.model.get('data_preprocessor') or ConfigDict()
    padding = (preprocessor, *(preprocessor.get('batch_augments') or ()))
    sizes = [step.get('size') for step in padding]
    backbone = cfg.model.get('backbone') or ConfigDict()
    sizes += [backbone.get('rel_pos_size'), backbone.get('img_size')]
    size = next((size for size in sizes if size is not None), 224)
    return (size, size) if isinstance(size, int) else tuple(size)


def shown_shape(cfg: Config, shape: tuple[int, int]) -> tuple[int, int]:
    """Size (height, width) that a detector sees an image at when it is tested.

    Args:
        cfg: Config of the detector.
        shape: (height, width) of the image file in pixels.
    """
    height, width = shape
    for step in cfg.test_pipeline:
        if step.type == 'Resize':
            width, height = mmcv.rescale_size((width, height), step.scale)
        elif step.type == 'Pad':
            width, height = map(max, (width, height), step.size)
    divisor = cfg.model.data_preprocessor.get('pad_size_divisor', 1)
    return -(-height // divisor) * divisor, -(-width // divisor) * divisor


def measure(cfg: Config,
            shape: tuple[int, ...] | None = None,
            change: Callable[[nn.Module], None] | None = None) -> Complexity:
    """Count the parameters and multiply-accumulates of a config's model.

    Args:
        cfg: A config of any toolbox.
        shape: (height, width) of the image; :func:`default_shape` if None.
        change: Called with the model, in evaluation mode, before it runs.

    Raises:
        ValueError: If the model cannot take an image of that size.
    """
    shape = shape or default_shape(cfg)
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        try:
            with fake:
                model = MODELS.build(cfg.model)
        except DataDependentOutputException:
            # a constructor computes with tensors, as mmpretrain's ConvNeXt
            model = MODELS.build(cfg.model)
    model.eval()
    with fake:
        if change is not None:
            change(model)
        image = torch.empty(1, 3, *shape)
        run, protocol = _choose_run(model)
        counter = FlopCounterMode(display=False)
        parts = _parts(model)
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter, \
                _attribute(parts, counter) as flops:
            run(model, image)
    costs = {name: _cost(part, flops[name]) for name, part in parts.items()}
    total = _cost(model, counter.get_total_flops())
    return Complexity(shape, protocol, total, costs)


def _cost(module: nn.Module, flops: int) -> Cost:
    sizes = [(p.numel(), p.requires_grad) for p in module.parameters()]
    return Cost(
        sum(size for size, _ in sizes),
        sum(size for size, trainable in sizes if trainable), flops // 2)


def _parts(model: nn.Module) -> dict[str, nn.Module]:
    """The components of a model that have parameters."""
    children = {}
    for name, child in model.named_children():
        if name == 'roi_head':  # a container of heads
            children.update({
                f'{name}.{inner}': head
                for inner, head in child.named_children()
            })
        else:
            children[name] = child
    return {
        name: child
        for name, child in children.items()
        if next(child.parameters(), None) is not None
    }


@contextmanager
def _attribute(parts: dict[str, nn.Module],
               counter: FlopCounterMode) -> Iterator[Counter]:
    """Count operations by part while the context lasts.

    A part may be used through methods of its own, such as ``encode``, so all
    modules below it are watched and the outermost one counts.
    """
    flops: Counter = Counter()
    depth: Counter = Counter()

    def watch(name: str, module: nn.Module) -> Iterator:

        def enter(*_) -> None:
            if depth[name] == 0:
                flops[name] -= counter.get_total_flops()
            depth[name] += 1

        def leave(*_) -> None:
            depth[name] -= 1
            if depth[name] == 0:
                flops[name] += counter.get_total_flops()

        yield module.register_forward_pre_hook(enter)
        yield module.register_forward_hook(leave)

    handles = [
        handle for name, part in parts.items() for module in part.modules()
        for handle in watch(name, module)
    ]
    try:
        yield flops
    finally:
        for handle in handles:
            handle.remove()


def _choose_run(
        model: nn.Module) -> tuple[Callable[[nn.Module, Tensor], None], str]:
    """How to run a model of this kind once, and that in words."""
    if hasattr(model, 'roi_head'):
        rpn, rcnn = model.test_cfg.rpn, model.test_cfg.rcnn
        passes = getattr(model, 'num_passes', 1)
        return _detect, (f'testing with {rpn.max_per_img} proposals and '
                         f'{rcnn.max_per_img} detections' +
                         (f', {passes} passes' if passes > 1 else ''))
    if hasattr(model, 'decode_head'):
        return _segment, 'one crop, the auxiliary head included'
    if isinstance(model, BaseSelfSupervisor):
        return _pretrain, 'a training step, forward only'
    return _predict, 'testing'


def _detect(model: nn.Module, image: Tensor) -> None:
    """Two stages, with as many regions as the test settings allow.

    How many there are depends on the image; the most is what a detector is
    compared by. Pooling regions from the maps takes no products.
    """
    heads, limits = model.roi_head, model.test_cfg
    for _ in range(getattr(model, 'num_passes', 1)):
        features = model.extract_feat(image)
        model.rpn_head(features)
        regions = _regions(heads.bbox_roi_extractor, limits.rpn.max_per_img)
        heads.bbox_head(regions)
        regions = _regions(heads.mask_roi_extractor, limits.rcnn.max_per_img)
        heads.mask_head(regions)


def _regions(extractor: nn.Module, number: int) -> Tensor:
    """What an extractor returns for so many regions."""
    size = extractor.roi_layers[0].output_size
    return torch.empty(number, extractor.out_channels, *size)


def _segment(model: nn.Module, image: Tensor) -> None:
    features = model.extract_feat(image)
    model.decode_head(features)
    if model.with_auxiliary_head:
        model.auxiliary_head(features)


def _pretrain(model: nn.Module, image: Tensor) -> None:
    model.loss(image, [])


def _predict(model: nn.Module, image: Tensor) -> None:
    model(image, mode='tensor')
