"""CamVid in its form of 11 classes."""
from collections.abc import Sequence

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from .label_maps import IGNORED

VOID = 11  # its label of pixels that do not count


@DATASETS.register_module()
class CamVidDataset(BaseSegDataset):
    """Street scenes of CamVid (Brostow et al., 2008), 11 classes.

    The classes and their order are those of SegNet (arXiv:1511.00561), which
    joined the 32 of the original; label 11, void, becomes 255, mmseg's label
    of pixels to ignore.

    Args:
        **kwargs: Arguments of mmseg's ``BaseSegDataset``: data_root,
            data_prefix, pipeline, ...
    """

    METAINFO = dict(
        classes=('Sky', 'Building', 'Pole', 'Road', 'Pavement', 'Tree',
                 'SignSymbol', 'Fence', 'Car', 'Pedestrian', 'Bicyclist'),
        palette=[[128, 128, 128], [128, 0, 0], [192, 192, 128], [128, 64, 128],
                 [60, 40, 222], [128, 128, 0], [192, 128, 128], [64, 64, 128],
                 [64, 0, 128], [64, 64, 0], [0, 128, 192]])

    @classmethod
    def get_label_map(cls,
                      new_classes: Sequence | None = None) -> dict[int, int]:
        """New labels of old ones: void is ignored.

        Args:
            new_classes: Names of the classes to keep; all if None.
        """
        return {**(super().get_label_map(new_classes) or {}), VOID: IGNORED}
