"""Clips on their way from the data loader to the model.

Shapes: N clips, C channels, T frames, H and W pixels.
"""
from collections.abc import Sequence

import torch
from mmpretrain.models import ClsDataPreprocessor
from mmpretrain.registry import MODELS


@MODELS.register_module()
class ClipDataPreprocessor(ClsDataPreprocessor):
    """mmpretrain's preprocessor of classifiers, for clips.

    Normalises uint8 clips (N, C, T, H, W) on the device, for training with
    and without labels. To batch augmentations and padding a clip is an image
    of C * T channels, so that mixup and CutMix treat its frames alike, as in
    VideoMAE.

    Args:
        mean: Mean of each channel, on the scale 0 to 255.
        std: Standard deviation of each channel.
        **kwargs: Arguments of mmpretrain's ``ClsDataPreprocessor``:
            num_classes, batch_augments, pad_size_divisor and others.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float],
                 **kwargs) -> None:
        super().__init__(**kwargs)
        for name, values in (('clip_mean', mean), ('clip_std', std)):
            values_C111 = torch.tensor(values).view(-1, 1, 1, 1)
            self.register_buffer(name, values_C111, False)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Clips, normalised and augmented, and their labels.

        Args:
            data: A collated batch: ``inputs``, a tensor (N, C, T, H, W) or a
                list of (C, T, H, W) of one size, and ``data_samples``.
            training: Whether to apply batch augmentations.

        Returns:
            The same with float clips (N, C, T, H, W) on the model's device.

        Raises:
            ValueError: If the clips have not that many dimensions.
        """
        clips = self.cast_data(data['inputs'])
        if not isinstance(clips, torch.Tensor):
            clips = torch.stack(clips)
        if clips.ndim != 5:
            raise ValueError(f'inputs have shape {tuple(clips.shape)}; '
                             'expected clips (N, C, T, H, W)')
        clips = (clips.float() - self.clip_mean) / self.clip_std
        result = super().forward(
            dict(data, inputs=clips.flatten(1, 2)), training)
        result['inputs'] = result['inputs'].unflatten(1, clips.shape[1:3])
        return result
