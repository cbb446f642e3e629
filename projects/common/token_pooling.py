"""From a feature map to one feature vector.

Shapes: N images, C channels, X the spatial dimensions, L tokens.
"""
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class TokenPooling(BaseModule):
    """Pool the tokens of the last feature map, then LayerNorm.

    Args:
        channels: Width C.
        mode: ``'mean'`` over all tokens, or ``'first'``, the top-left token:
            what the official classifier does without global pooling, for it
            has no class token.
        frozen: Keep the LayerNorm at its initial value (linear probe).
        batch_norm: Standardise the features over the batch, without affine
            parameters, after the LayerNorm (linear probe).

    Raises:
        ValueError: If ``mode`` is unknown.
    """

    def __init__(self,
                 channels: int,
                 mode: str = 'mean',
                 frozen: bool = False,
                 batch_norm: bool = False) -> None:
        super().__init__()
        if mode not in ('mean', 'first'):
            raise ValueError(f"mode is {mode!r}; choose 'mean' or 'first'")
        self.mode = mode
        self.fc_norm = nn.LayerNorm(channels, eps=1e-6)
        self.fc_norm.requires_grad_(not frozen)
        self.bn = nn.BatchNorm1d(channels, eps=1e-6, affine=False) \
            if batch_norm else None

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Feature vectors, a tuple with one (N, C), of the last map."""
        x_NLC = feats[-1].flatten(2).transpose(1, 2)
        x_NC = x_NLC.mean(dim=1) if self.mode == 'mean' else x_NLC[:, 0]
        x_NC = self.fc_norm(x_NC)
        return (x_NC if self.bn is None else self.bn(x_NC), )
