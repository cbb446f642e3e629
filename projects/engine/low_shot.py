"""Learning from few labels: a fixed choice of images of each class."""
from collections import defaultdict
from typing import Any

import numpy as np
from mmpretrain.datasets.custom import CustomDataset
from mmpretrain.registry import DATASETS


@DATASETS.register_module()
class LowShotDataset(CustomDataset):
    """mmpretrain's ``CustomDataset`` with few images of each class.

    The choice depends on the seed and on the sorted names of a class's
    images, and on nothing else: it is the same on every machine and process,
    and a larger one contains a smaller one.

    Args:
        per_class: Number of images of each class, or
        share: part of the images of each class, above 0 and at most 1;
            rounded, and at least one. One of the two.
        choice_seed: Of the choice; None takes the first by name.
        **kwargs: Arguments of ``CustomDataset``: data_root, data_prefix,
            ann_file, pipeline, ...

    Raises:
        ValueError: If not exactly one of ``per_class`` and ``share`` is
            given, it is out of its range, there are no labels, or a class has
            fewer images than ``per_class``.
    """

    def __init__(self,
                 per_class: int | None = None,
                 share: float | None = None,
                 choice_seed: int | None = 0,
                 **kwargs: Any) -> None:
        if (per_class is None) == (share is None):
            raise ValueError(f'per_class is {per_class} and share is {share}; '
                             'expected is one of the two')
        if per_class is not None and per_class < 1:
            raise ValueError(f'per_class is {per_class}; expected 1 or more')
        if share is not None and not 0 < share <= 1:
            raise ValueError(f'share is {share}; expected above 0, at most 1')
        if not kwargs.get('with_label', True):
            raise ValueError('with_label is False; few images of each class '
                             'need labels')
        self.per_class = per_class
        self.share = share
        self.choice_seed = choice_seed
        super().__init__(**kwargs)

    def load_data_list(self) -> list[dict]:
        """The chosen images, in the order of all."""
        samples = super().load_data_list()
        numbers = defaultdict(list)
        for number, sample in enumerate(samples):
            numbers[sample['gt_label']].append(number)
        chosen = []
        for label, members in sorted(numbers.items()):
            members.sort(key=lambda number: samples[number]['img_path'])
            count = self._count(label, len(members))
            if self.choice_seed is not None:
                random = np.random.RandomState([self.choice_seed, label])
                members = random.permutation(members).tolist()
            chosen += members[:count]
        return [samples[number] for number in sorted(chosen)]

    def _count(self, label: int, available: int) -> int:
        """How many images of a class are used."""
        if self.share is not None:
            return max(1, round(self.share * available))
        assert self.per_class is not None
        if available < self.per_class:
            names = self.metainfo.get('classes') or ()
            name = f' ({names[label]})' if label < len(names) else ''
            raise ValueError(
                f'class {label}{name} has {available} images in '
                f'{self.ann_file or self.img_prefix}; per_class is '
                f'{self.per_class}')
        return self.per_class
