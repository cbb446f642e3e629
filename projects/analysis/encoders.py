"""Trained encoders on single images, whatever config they come from.

Shapes: B images, C channels, H and W pixels, N tokens.
"""
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmpretrain.models import MAEViT
from torch import Tensor, nn

from projects.common.checkpoint import load_weights


def load_backbone(cfg: Config,
                  checkpoint: str | None,
                  prefix: str = 'backbone.') -> nn.Module:
    """The backbone of a config with all its trained weights.

    Args:
        cfg: A config of any scope: a pretraining, a classifier, a detector.
        checkpoint: Path or URL; None leaves the weights random.
        prefix: Start of the backbone's names in the checkpoint.

    Returns:
        The backbone in evaluation mode, on the CPU.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        ValueError: If it lacks a weight of the backbone.
    """
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    backbone = MODELS.build({**cfg.model.backbone, 'init_cfg': None})
    if checkpoint is not None:
        load_weights(backbone, checkpoint, prefix, min_coverage=1.)
    backbone.eval()  # whose result is None in mmpretrain's backbones
    return backbone


def encode(backbone: nn.Module, x_BCHW: Tensor) -> Any:
    """What a backbone makes of whole images: masked ones see all tokens."""
    if isinstance(backbone, MAEViT):
        return backbone(x_BCHW, mask=None)
    return backbone(x_BCHW)


@torch.no_grad()
def image_features(backbone: nn.Module, x_BCHW: Tensor) -> Tensor:
    """One vector (B, C) for each image.

    A backbone that gives vectors is taken at its word: ExtreMA's instance
    token, the class token of mmpretrain's ViT (``out_type='cls_token'``). Of
    maps the mean over the last one is taken.

    Raises:
        ValueError: If the backbone gives neither vectors nor maps.
    """
    last = encode(backbone, x_BCHW)[-1]
    if last.ndim == 4:
        return last.mean((2, 3))
    if last.ndim == 2:
        return last
    raise ValueError(
        f'{type(backbone).__name__} gives an output of shape '
        f'{tuple(last.shape)}; expected vectors (B, C) or maps (B, C, H, W): '
        'set model.backbone.out_type')


class Normalize:
    """Pixels as the models of a config take them.

    Args:
        cfg: Its data preprocessor has ``mean`` and ``std`` and says whether
            they are of RGB.

    Raises:
        ValueError: If there is no data preprocessor with mean and std.
    """

    def __init__(self, cfg: Config) -> None:
        settings = cfg.model.get('data_preprocessor') or cfg.get(
            'data_preprocessor') or {}
        if 'mean' not in settings or 'std' not in settings:
            raise ValueError(
                'the config has no data_preprocessor with mean and std')
        self.mean_C11 = torch.tensor(settings['mean'])[:, None, None]
        self.std_C11 = torch.tensor(settings['std'])[:, None, None]
        self.rgb = settings.get('to_rgb', settings.get('bgr_to_rgb', False))

    def __call__(self, rgb_BCHW: Tensor) -> Tensor:
        """Map uint8 RGB (B, 3, H, W) to the model's float32 input."""
        x_BCHW = rgb_BCHW if self.rgb else rgb_BCHW.flip(1)
        return (x_BCHW.float() - self.mean_C11) / self.std_C11
