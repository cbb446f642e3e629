"""Parameter groups of the ViTDet recipe."""
from functools import partial

from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from projects.common.layer_decay import BackboneLayerDecay


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class ViTDetLayerDecay(BackboneLayerDecay):
    """Layer decay with the position embedding at the full learning rate.

    The official recipe finds depths by name, and that of the position
    embedding is not among those it knows.
    """

    def add_params(self,
                   params: list[dict],
                   module: nn.Module,
                   prefix='',
                   get_layer_depth=None,
                   **kwargs) -> None:
        """See :class:`BackboneLayerDecay`."""
        if get_layer_depth is None:
            get_layer_depth = partial(_depth, module.backbone)
        super().add_params(
            params,
            module,
            prefix=prefix,
            get_layer_depth=get_layer_depth,
            **kwargs)


def _depth(backbone: nn.Module, name: str) -> tuple[int, int]:
    depth, num_depths = backbone.get_layer_depth(name, prefix='backbone.')
    if name == 'backbone.pos_embed':
        depth = num_depths - 1
    return depth, num_depths
