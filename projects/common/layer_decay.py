"""Layer-wise learning-rate decay that asks the backbone for depths."""
from functools import partial

from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmpretrain.engine.optimizers import \
    LearningRateDecayOptimWrapperConstructor
from torch import nn


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class BackboneLayerDecay(LearningRateDecayOptimWrapperConstructor):
    """mmpretrain's layer decay for models of any toolbox.

    A parameter of depth d out of D gets ``layer_decay_rate ** (D - d - 1)``
    times the learning rate. ``model.backbone.get_layer_depth`` knows the
    depths, so detectors and segmentors need no method of their own.
    ``paramwise_cfg`` has mmpretrain's keys.

    Raises:
        ValueError: If the model's backbone does not tell depths.
    """

    def add_params(self,
                   params: list[dict],
                   module: nn.Module,
                   prefix='',
                   get_layer_depth=None,
                   **kwargs) -> None:
        """See the base class."""
        if get_layer_depth is None:
            backbone = getattr(module, 'backbone', None)
            if backbone is None or not hasattr(backbone, 'get_layer_depth'):
                raise ValueError(
                    'optim_wrapper.constructor BackboneLayerDecay needs a '
                    'backbone with a method get_layer_depth; '
                    f'{type(backbone).__name__} has none')
            get_layer_depth = partial(
                backbone.get_layer_depth, prefix='backbone.')
        super().add_params(
            params,
            module,
            prefix=prefix,
            get_layer_depth=get_layer_depth,
            **kwargs)
