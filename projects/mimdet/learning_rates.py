"""Parameter groups of the MIMDet recipe."""
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class MIMDetLearningRates(DefaultOptimWrapperConstructor):
    """Low rates where the model is pretrained, high ones where it is new.

    With m = ``paramwise_cfg.multiplier``, the encoder has 1 / m of the
    learning rate, the stem the rate itself, and everything else m times it.
    That includes the decoder although it is pretrained: so is the released
    code; the paper (appendix A.1) reads as if the stem were among the rest.
    Norms and biases are not decayed.

    Raises:
        ValueError: If the multiplier is missing or not positive.
    """

    def _validate_cfg(self) -> None:
        super()._validate_cfg()
        multiplier = self.paramwise_cfg.get('multiplier')
        if not multiplier or multiplier <= 0:
            raise ValueError(
                'optim_wrapper.paramwise_cfg.multiplier of the constructor '
                f'MIMDetLearningRates is {multiplier}; it must be a positive '
                'number, 2.0 for Base and 3.5 for Large')

    def add_params(self, params: list[dict], module: nn.Module,
                   **kwargs) -> None:
        """Append at most six groups to ``params``.

        Raises:
            ValueError: If the backbone has no stem or no encoder.
        """
        multiplier = self.paramwise_cfg['multiplier']
        scales = {'backbone.stem.': 1., 'backbone.encoder.': 1 / multiplier}
        groups: dict[tuple[float, float], dict] = {}
        unmatched = set(scales)
        for name, param in module.named_parameters():
            start = next((key for key in scales if name.startswith(key)), '')
            unmatched.discard(start)
            if not param.requires_grad:
                continue
            lr = self.base_lr * scales.get(start, multiplier)
            plain = param.ndim == 1 or name.endswith('.bias')
            decay = 0. if plain else self.base_wd
            group = groups.setdefault(
                (lr, decay), dict(params=[], lr=lr, weight_decay=decay))
            group['params'].append(param)
        if unmatched:
            raise ValueError(
                'optim_wrapper.constructor MIMDetLearningRates needs a model '
                f'with parameters in {sorted(unmatched)}; use it with the '
                'backbone MIMDetViT')
        params.extend(groups.values())
