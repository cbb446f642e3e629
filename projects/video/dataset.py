"""Videos of a list file, once or in several views each."""
from collections.abc import Sequence
from typing import Any

from mmengine.fileio import join_path
from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS

from .lists import Entry, ListError, read_json_list, read_text_list


@DATASETS.register_module()
class ListedVideos(BaseDataset):
    """Videos, or folders of frames, named by a list file.

    With ``num_clips * num_crops`` views, each video counts as so many
    samples in a row: clip by clip, and within a clip crop by crop. Each says
    which video and view it is, so that ``MultiViewAccuracy`` can average.

    Args:
        ann_file: The list: ``.json`` as Something-Something has it, any other
            file with a path and a label in each line (see
            ``projects.video.lists``).
        data_root: Folder to which the other paths are relative.
        data_prefix: Folder of the videos.
        labels_file: For a ``.json``: the file that numbers its templates.
        suffix: For a ``.json``: what follows an id in a file's name.
        frame_template: For folders of frames: a frame's file name by number,
            as for ``str.format``, such as 'img_{:05d}.jpg'.
        first_frame: The first frame's number.
        with_label: Whether labels are read; pretraining needs none.
        num_classes: Number of classes where ``classes`` are not named; None:
            any label is accepted that is not negative.
        num_clips, num_crops: Clips of each video and crops of each clip.
        **kwargs: Those of mmpretrain's ``BaseDataset``: ``classes``,
            ``pipeline``, ``test_mode``, ``indices`` and others.

    Raises:
        ListError: If the list is not as expected, or a label is outside the
            classes; it names the file and the line.
    """

    def __init__(self,
                 ann_file: str,
                 data_root: str = '',
                 data_prefix: str = '',
                 labels_file: str | None = None,
                 suffix: str = '.webm',
                 frame_template: str | None = None,
                 first_frame: int = 1,
                 with_label: bool = True,
                 num_classes: int | None = None,
                 num_clips: int = 1,
                 num_crops: int = 1,
                 **kwargs: Any) -> None:
        if num_clips < 1 or num_crops < 1:
            raise ValueError(f'num_clips={num_clips} and num_crops='
                             f'{num_crops} have to be at least 1')
        if ann_file.endswith('.json') and with_label and labels_file is None:
            raise ValueError(
                f'labels_file is missing: {ann_file} has templates, and '
                'labels.json of Something-Something numbers them')
        self.labels_file = labels_file
        self.suffix = suffix
        self.frame_template = frame_template
        self.first_frame = first_frame
        self.with_label = with_label
        self.num_classes = num_classes
        self.num_clips, self.num_crops = num_clips, num_crops
        super().__init__(
            ann_file=ann_file,
            data_root=data_root,
            data_prefix=dict(video_path=data_prefix),
            **kwargs)

    @property
    def img_prefix(self) -> str:
        """The folder of the videos."""
        return self.data_prefix['video_path']

    def load_data_list(self) -> list[dict]:
        """One entry for every view of every video of the list."""
        entries = self._read_list()
        if not entries:
            raise ListError(f'{self.ann_file} lists no video')
        count = self._count_classes()
        return [
            view for number, entry in enumerate(entries)
            for view in self._views(number, entry, count)
        ]

    def _read_list(self) -> Sequence[Entry]:
        if not self.ann_file.endswith('.json'):
            return read_text_list(self.ann_file, self.with_label,
                                  self.frame_template is not None)
        labels = None
        if self.with_label and self.labels_file is not None:
            labels = join_path(self.data_root, self.labels_file)
        suffix = '' if self.frame_template is not None else self.suffix
        return read_json_list(self.ann_file, labels, suffix)

    def _count_classes(self) -> int | None:
        named = self.CLASSES and len(self.CLASSES)
        if named and self.num_classes not in (None, named):
            raise ValueError(f'num_classes is {self.num_classes}, but '
                             f'{named} classes are named')
        return named or self.num_classes

    def _views(self, number: int, entry: Entry,
               count: int | None) -> list[dict]:
        if entry.label is not None and not 0 <= entry.label < (
                entry.label + 1 if count is None else count):
            raise ListError(
                f'{entry.place}: the label {entry.label} of {entry.path} is '
                f'outside the classes; expected is 0 to '
                f'{"..." if count is None else count - 1}')
        video = dict(
            video_path=join_path(self.img_prefix, entry.path),
            listed_at=entry.place)
        if entry.label is not None:
            video['gt_label'] = entry.label
        if self.frame_template is not None:
            video.update(
                frame_template=self.frame_template,
                first_frame=self.first_frame,
                total_frames=entry.total)
        views = self.num_clips * self.num_crops
        return [
            dict(
                video,
                video_index=number,
                view_index=view,
                num_views=views,
                clip_index=view // self.num_crops,
                num_clips=self.num_clips,
                crop_index=view % self.num_crops,
                num_crops=self.num_crops) for view in range(views)
        ]
