"""List files of every kind, folders of frames, views, and bad input."""
import json

import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmpretrain.registry import DATASETS
from PIL import Image
from videos import decode_all, moving_picture, write_sound, write_video

from projects.engine import GlimpseRunner, ImageError
from projects.shapes import MOTIONS
from projects.video import FrameFolder, ListError, LoadVideoClip, VideoError

TRAIN = [
    dict(type='LoadVideoClip', sampler=dict(type='DenseFrames', num_frames=4)),
    dict(type='PackClip')
]


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmpretrain')


def listed(**kwargs):
    return DATASETS.build(dict(type='ListedVideos', **kwargs))


def write(path, text):
    path.write_text(text)
    return str(path)


def test_both_lists_of_the_embedded_data_name_the_same_videos(shapes):
    plain = listed(data_root=str(shapes), ann_file='train.txt', pipeline=[])
    templates = listed(
        data_root=str(shapes),
        ann_file='train.json',
        labels_file='labels.json',
        data_prefix='train',
        suffix='.mp4',
        num_classes=8,
        pipeline=[])
    assert len(plain) == len(templates) == 24
    for number, (one, other) in enumerate(zip(plain, templates)):
        for key in ('video_path', 'gt_label', 'video_index'):
            assert one[key] == other[key]
        assert one['gt_label'] == number % 8
        assert one['video_path'] == f'{shapes}/train/{number:05d}.mp4'
    assert templates[3]['listed_at'].endswith('train.json: entry 4')


def test_a_training_sample(shapes):
    dataset = listed(
        data_root=str(shapes),
        ann_file='train.txt',
        classes=MOTIONS,
        pipeline=TRAIN)
    for number in (0, 1, 3, 5):  # plain, short, odd, variable frame rate
        sample = dataset[number]
        frames = decode_all(shapes / f'train/{number:05d}.mp4')
        indices = sample['data_samples'].frame_indices
        expected = frames[indices].transpose(3, 0, 1, 2)
        assert np.array_equal(sample['inputs'].numpy(), expected)
        assert sample['inputs'].is_contiguous()
        assert sample['data_samples'].gt_label.tolist() == [number % 8]


@pytest.mark.parametrize('line, path, label', [
    ('a.mp4 3', 'a.mp4', 3),
    ('a.mp4,3', 'a.mp4', 3),
    ('a.mp4, 3', 'a.mp4', 3),
    ('sub/my video 2.mp4 3', 'sub/my video 2.mp4', 3),
    ('one, two.mp4,12', 'one, two.mp4', 12),
    ('a.mp4\t0  ', 'a.mp4', 0),
])
def test_lines_of_a_list(tmp_path, line, path, label):
    dataset = listed(
        ann_file=write(tmp_path / 'list.csv', f'\n{line}\n\n'),
        data_prefix='videos',
        pipeline=[])
    info, = dataset
    assert info['video_path'] == f'videos/{path}'
    assert info['gt_label'] == label
    assert info['listed_at'] == f'{tmp_path}/list.csv:2'


def test_lists_without_labels(tmp_path):
    text = write(tmp_path / 'list.txt', 'a.mp4\nb 2.mp4\n')
    dataset = listed(ann_file=text, with_label=False, pipeline=[])
    assert [d['video_path'] for d in dataset] == ['a.mp4', 'b 2.mp4']
    assert 'gt_label' not in dataset[0]
    file = write(tmp_path / 'test.json', '[{"id": 7}, {"id": "8"}]')
    dataset = listed(ann_file=file, with_label=False, pipeline=[])
    assert [d['video_path'] for d in dataset] == ['7.webm', '8.webm']


@pytest.mark.parametrize('text, options, message', [
    ('a.mp4 1\nb.mp4\n', {}, r"list.txt:2: 'b.mp4' has no label"),
    ('a.mp4 1\n\nb.mp4 x\n', {}, r"list.txt:3: 'b.mp4 x' has no label"),
    ('a.mp4 1\nb.mp4 2\n', dict(num_classes=2),
     r'list.txt:2: the label 2 of b.mp4 is outside .* 0 to 1'),
    ('a.mp4 -1\n', {}, r'list.txt:1: the label -1 of a.mp4 is outside'),
    ('a.mp4 2\n', dict(classes=['x', 'y']), r'list.txt:1: the label 2'),
    ('a.mp4 0\n', dict(classes=['x'], num_classes=2),
     'num_classes is 2, but 1 classes are named'),
    ('\n\n', {}, 'list.txt lists no video'),
    ('a.mp4 0\n', dict(num_clips=0), 'num_clips=0'),
])
def test_bad_lists_are_named(tmp_path, text, options, message):
    file = write(tmp_path / 'list.txt', text)
    with pytest.raises(ValueError, match=message):
        listed(ann_file=file, **options)


LABELS = {'Moving something up': '0', 'Holding something': 'one'}


@pytest.mark.parametrize('entries, message', [
    ([dict(id='1', template='Moving [something] up'),
      dict(id='2')], r'entry 2 \(id 2\) has no label'),
    ([dict(id='1', template='Eating [something]')],
     r"entry 1 \(id 1\): the template 'Eating something' is not in .*labels"),
    ([dict(id='1', template='Holding [something]')
      ], r"labels.json: the label of 'Holding something' is 'one'"),
    ([dict(template='Moving [something] up')], 'entry 1: .* has no "id"'),
    (dict(id=1), 'holds a dict; expected is a list'),
    ('{', 'is not JSON'),
])
def test_bad_json_lists_are_named(tmp_path, entries, message):
    text = entries if entries == '{' else json.dumps(entries)
    write(tmp_path / 'labels.json', json.dumps(LABELS))
    with pytest.raises(ListError, match=f'{tmp_path}.*{message}'):
        listed(
            data_root=str(tmp_path),
            ann_file=write(tmp_path / 'list.json', text),
            labels_file='labels.json')


def test_json_needs_its_labels_and_lists_have_to_exist(tmp_path):
    with pytest.raises(ValueError, match='labels_file is missing'):
        listed(ann_file='list.json')
    with pytest.raises(ListError, match='list .*none.txt cannot be read'):
        listed(ann_file=str(tmp_path / 'none.txt'))
    with pytest.raises(FileNotFoundError, match='ann_file: .*none.txt does'):
        GlimpseRunner.build_dataloader(
            dict(
                batch_size=1,
                sampler=dict(type='DefaultSampler'),
                dataset=dict(
                    type='ListedVideos', ann_file=str(tmp_path / 'none.txt'))))


@pytest.fixture
def folder(tmp_path):
    """Frames 1 to 7 of a video, and a file that is none of them."""
    frames = moving_picture(7)
    (tmp_path / 'v').mkdir()
    for number, frame in enumerate(frames, start=1):
        Image.fromarray(frame).save(tmp_path / f'v/img_{number:05d}.png')
    (tmp_path / 'v/notes.txt').touch()
    return tmp_path, frames


@pytest.mark.parametrize('line, total', [('v 2', 7), ('v 5 2', 5)])
def test_folders_of_frames(folder, line, total):
    root, frames = folder
    dataset = listed(
        data_root=str(root),
        ann_file=write(root / 'list.txt', line),
        frame_template='img_{:05d}.png',
        pipeline=[
            dict(
                type='LoadVideoClip',
                sampler=lambda count, clip, clips: np.arange(count)[::-1]),
            dict(type='PackClip')
        ])
    sample = dataset[0]
    clip = sample['inputs'].permute(1, 2, 3, 0).numpy()
    assert np.array_equal(clip, frames[:total][::-1])
    assert sample['data_samples'].gt_label.item() == 2


def test_bad_folders_of_frames_are_named(folder):
    root, _ = folder
    with pytest.raises(VideoError, match='none cannot be opened: no such'):
        FrameFolder(f'{root}/none')
    with pytest.raises(VideoError, match='/v has no frame; .* f_1.jpg'):
        FrameFolder(f'{root}/v', 'f_{}.jpg')
    (root / 'v/img_00003.png').unlink()
    with FrameFolder(f'{root}/v', 'img_{:05d}.png', total=7) as video:
        with pytest.raises(ImageError, match='v/img_00003.png cannot be'):
            video.read([1, 2])
    Image.new('RGB', (8, 8)).save(root / 'v/img_00003.png')
    with FrameFolder(f'{root}/v', 'img_{:05d}.png') as video:
        with pytest.raises(VideoError, match='/v differ in size'):
            video.read([1, 2])


def test_views_of_a_video_follow_one_another(shapes):
    dataset = listed(
        data_root=str(shapes),
        ann_file='val.txt',
        num_clips=2,
        num_crops=3,
        test_mode=True,
        pipeline=[])
    assert len(dataset) == 8 * 6
    for number, info in enumerate(dataset):
        assert info['video_index'] == number // 6
        assert info['view_index'] == number % 6
        assert info['num_views'] == 6
        assert info['clip_index'] == number % 6 // 3
        assert info['crop_index'] == number % 3


def test_views_are_the_clips_and_crops_of_the_protocol(shapes):
    """Against plain decoding, resizing and cropping by hand."""
    import cv2
    dataset = listed(
        data_root=str(shapes),
        ann_file='val.txt',
        num_clips=2,
        num_crops=3,
        test_mode=True,
        pipeline=[
            dict(type='LoadVideoClip', sampler=dict(type='UniformTestFrames')),
            dict(type='ClipResizeShort', size=32),
            dict(type='ClipViewCrop', size=32),
            dict(type='PackClip')
        ])
    for video in range(8):
        frames = decode_all(shapes / f'val/{video:05d}.mp4')
        count, height, width = frames.shape[:3]
        short = min(height, width)
        size = int(32 * width / short), int(32 * height / short)
        step = count / 16
        numbers = sorted([int(step / 2 + step * x) for x in range(16)] +
                         [int(step * x) for x in range(16)])
        for view in range(6):
            clip = np.stack(
                [cv2.resize(frames[i], size) for i in numbers[view // 3::2]])
            start = int(view % 3 * (max(size) - 32) / 2)
            clip = clip[:, start:start + 32] if height >= width \
                else clip[:, :, start:start + 32]
            sample = dataset[6 * video + view]
            assert np.array_equal(sample['inputs'].permute(1, 2, 3, 0), clip)
            meta = sample['data_samples']
            assert (meta.video_index, meta.view_index,
                    meta.num_views) == (video, view, 6)


BAD = {
    'missing': (lambda path: None, 'cannot be opened'),
    'audio': (write_sound, 'has no video stream'),
    'cut': (lambda path: path.write_bytes(
        write_video(path.with_name('whole.mp4'), moving_picture(9)).read_bytes(
        )[:-200]), 'has no frame, or is cut'),
}


@pytest.mark.parametrize('kind', BAD)
def test_bad_videos_are_named_with_their_line(tmp_path, kind):
    make, message = BAD[kind]
    make(tmp_path / 'bad.mp4')
    dataset = listed(
        data_root=str(tmp_path),
        ann_file=write(tmp_path / 'list.txt', '\nbad.mp4 0\n'),
        pipeline=TRAIN)
    pattern = f'{tmp_path}/bad.mp4.*{message}.*listed at .*list.txt:2'
    with pytest.raises(VideoError, match=pattern) as error:
        dataset[0]
    assert '\n' not in str(error.value)


def loader_of(folder, lines, on_error):
    write(folder / 'list.txt', '\n'.join(lines))
    pipeline = [dict(TRAIN[0], on_error=on_error), TRAIN[1]]
    return GlimpseRunner.build_dataloader(
        dict(
            batch_size=2,
            num_workers=1,
            collate_fn=dict(type='default_collate'),
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(
                type='ListedVideos',
                data_root=str(folder),
                ann_file='list.txt',
                pipeline=pipeline)),
        seed=0)


def test_bad_videos_are_skipped_with_a_count(tmp_path):
    write_video(tmp_path / 'good.mp4', moving_picture(9))
    write_sound(tmp_path / 'sound.mp4')
    lines = ['good.mp4 0', 'sound.mp4 1', 'good.mp4 2', 'none.mp4 3']
    loader = loader_of(tmp_path, lines, 'skip')
    labels = [
        int(sample.gt_label) for batch in loader
        for sample in batch['data_samples']
    ]
    assert len(labels) == 4 and labels[0] == 0 and labels[2] == 2
    assert set(labels) == {0, 2}
    policy = loader.dataset.pipeline.transforms[0].policy
    assert policy.skipped >= 2  # counted in the worker process
    with pytest.raises(VideoError, match='sound.mp4 has no video stream'):
        list(loader_of(tmp_path, lines, 'stop'))


def test_skipping_ends_when_all_videos_are_bad(tmp_path):
    lines = ['none.mp4 0', 'gone.mp4 1']
    with pytest.raises(VideoError, match='100 videos in a row .*none.mp4'):
        list(loader_of(tmp_path, lines, 'skip'))


def test_policy_has_to_be_known():
    with pytest.raises(ValueError, match="not 'ignore'"):
        LoadVideoClip(sampler=dict(type='SpanFrames'), on_error='ignore')
