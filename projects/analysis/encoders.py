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
                  checkpoint: str,
                  prefix: str = 'backbone.') -> nn.Module:
    """The backbone of a config with all its trained weights.

    Args:
        cfg: A config of any scope: a pretraining, a classifier, a detector.
        checkpoint: Path or URL.
        prefix: Start of the backbone's names in the checkpoint.

    Returns:
        The backbone in evaluation mode, on the CPU.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        ValueError: If it lacks a weight of the backbone.
    """
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    backbone = MODELS.build({**cfg.model.backbone, 'init_cfg': None})
    load_weights(backbone, checkpoint, prefix, min_coverage=1.)
    return backbone.eval()


def encode(backbone: nn.Module, x_BCHW: Tensor) -> Any:
    """What a backbone makes of whole images: masked ones see all tokens."""
    if isinstance(backbone, MAEViT):
        return backbone(x_BCHW, mask=None)
    return backbone(x_BCHW)


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
