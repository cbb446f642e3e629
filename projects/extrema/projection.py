"""The projector and the predictor of ExtreMA."""
from collections.abc import Sequence

from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class ProjectionMLP(BaseModule):
    """Linear layers with LayerNorm and GELU between them.

    Three layers make the projector, two the predictor. Pretraining has no
    batch norm anywhere; its LayerNorms here have PyTorch's epsilon, 1e-5.

    Args:
        in_channels: Width of the input.
        hid_channels: Width between the layers.
        out_channels: Width of the output.
        num_layers: Number of linear layers.
        init_cfg: As in ``BaseModule``.

    Raises:
        ValueError: If there would be no layer.
    """

    def __init__(self,
                 in_channels: int,
                 hid_channels: int = 4096,
                 out_channels: int = 256,
                 num_layers: int = 3,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if num_layers < 1:
            raise ValueError(f'num_layers is {num_layers}; expected 1 or more')
        layers: list[nn.Module] = []
        for _ in range(num_layers - 1):
            layers += [
                nn.Linear(in_channels, hid_channels),
                nn.LayerNorm(hid_channels),
                nn.GELU()
            ]
            in_channels = hid_channels
        self.layers = nn.Sequential(*layers,
                                    nn.Linear(in_channels, out_channels))

    def init_weights(self) -> None:
        """Xavier-uniform weights, zero biases."""
        for module in self.layers:
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        super().init_weights()

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor]:
        """Project the last of ``feats`` (..., C); a tuple with one (..., C').
        """
        return (self.layers(feats[-1]), )
