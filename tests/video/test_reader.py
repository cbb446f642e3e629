"""Random access gives the frames of plain sequential decoding."""
from io import BytesIO

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from videos import (decode_all, moving_picture, write_hidden, write_sound,
                    write_video)

from projects.video import VideoError, VideoReader

COUNT = 40

# File name -> codec and its options: groups of pictures of several lengths,
# closed and open, with and without B-frames, in several containers.
KINDS = {
    'closed.mp4': ('libx264', dict(bf='3', g='10')),
    'open.mp4': ('libx264', {
        'bf': '3',
        'g': '10',
        'x264-params': 'open-gop=1:b-pyramid=normal'
    }),
    'dense.mp4': ('libx264', dict(bf='2', g='2')),
    'single.mp4': ('libx264', dict(bf='3', g='400')),
    'intra.mp4': ('libx264', dict(g='1')),
    'refresh.mp4': ('libx264', {
        'intra-refresh': '1',
        'g': '10'
    }),
    'interlaced.mp4': ('libx264', dict(flags='+ildct+ilme', bf='2', g='9')),
    'mpeg4.mp4': ('mpeg4', dict(bf='2', g='9')),
    'plain.mp4': ('mpeg4', dict(bf='0', g='7')),
    'stream.ts': ('libx264', {
        'bf': '3',
        'g': '7',
        'x264-params': 'open-gop=1'
    }),
    'b.mkv': ('libx264', dict(bf='3', g='7')),
    'mpeg4.avi': ('mpeg4', dict(bf='2', g='9')),
    'h264.avi': ('libx264', dict(bf='3', g='10')),
    'raw.h264': ('libx264', dict(bf='2', g='9')),
    'vp9.webm': ('libvpx-vp9', {
        'auto-alt-ref': '1',
        'lag-in-frames': '10',
        'g': '12',
        'b': '100k',
        'cpu-used': '8'
    }),
}


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp('videos')
    frames = moving_picture(COUNT)
    written = {
        name: write_video(folder / name, frames, codec, **options)
        for name, (codec, options) in KINDS.items()
    }
    written['hidden.webm'] = write_hidden(folder / 'hidden.webm')
    return written


NAMES = [*KINDS, 'hidden.webm']


@pytest.mark.parametrize('name', NAMES)
def test_every_index_is_as_in_sequential_decoding(files, name):
    expected = decode_all(files[name])
    with VideoReader(str(files[name])) as video:
        assert len(video) == len(expected) == COUNT
        for number in range(COUNT):
            assert np.array_equal(video.read([number])[0], expected[number])


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(NAMES),
    indices=st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=20))
def test_any_indices_in_any_order(files, name, indices):
    expected = decode_all(files[name])
    with VideoReader(str(files[name]), threads=2) as video:
        assert np.array_equal(video.read(indices), expected[indices])


def test_the_files_have_b_frames_and_hidden_frames(files):
    """Else the tests above would show little."""
    with av.open(str(files['closed.mp4'])) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        times = [packet.pts for packet in packets]
        assert times != sorted(times)
        assert sum(packet.is_keyframe for packet in packets) == 4
    with VideoReader(str(files['hidden.webm'])) as video:
        assert len(video) < len(video._packets)
    with VideoReader(str(files['single.mp4'])) as video:
        assert sum(packet.is_keyframe for packet in video._packets) == 1


def test_little_else_is_decoded(files):
    """Counted in packets that reach the decoder."""
    with VideoReader(str(files['closed.mp4'])) as video:
        assert video._runs(np.array([0])) == [(0, 0)]
        fed = sum(last - first + 1
                  for first, last in video._runs(np.array([3, 35])))
        assert fed <= 2 * 10
        every = video._runs(np.arange(COUNT))
        assert every == [(0, COUNT - 1)]


def test_open_groups_start_at_the_key_frame_before(files):
    """A frame after a key frame in the file, and before it in time."""
    with VideoReader(str(files['open.mp4'])) as video:
        packets = video._packets
        keys = [p for p, packet in enumerate(packets) if packet.is_keyframe]
        leading = [
            number for number, place in enumerate(video._places)
            for key in keys
            if key < place and packets[key].pts > packets[place].pts
        ]
        assert len(leading) == 2
        for number in leading:
            (first, last), = video._runs(np.array([number]))
            assert last == video._places[number]
            assert packets[first].is_keyframe
            assert packets[first].pts < packets[last].pts


def test_variable_frame_rate(tmp_path):
    frames = moving_picture(20)
    times = np.sort(np.random.default_rng(0).choice(200, 20,
                                                    replace=False)).tolist()
    path = write_video(tmp_path / 'v.mp4', frames, times=times, bf='3', g='6')
    expected = decode_all(path)
    assert len(expected) == 20
    with VideoReader(str(path)) as video:
        assert len(video) == 20
        for number in range(20):
            assert np.array_equal(video.read([number])[0], expected[number])
            # the picture that was written, not a neighbour
            error = np.abs(expected[number].astype(int) - frames)
            assert error.mean((1, 2, 3)).argmin() == number


@pytest.mark.parametrize('size', [(33, 47), (2, 2), (1, 3)])
def test_odd_sizes(tmp_path, size):
    frames = moving_picture(9, *size)
    path = write_video(tmp_path / 'odd.mp4', frames, 'mpeg4', bf='2', g='4')
    with VideoReader(str(path)) as video:
        assert np.array_equal(video.read(range(9)), decode_all(path))
        assert video.read([0]).shape == (1, *size, 3)


@pytest.mark.parametrize('rotation', [90, 180, -90])
def test_pictures_are_upright(tmp_path, rotation):
    """Telephones store the picture as the sensor lies."""
    frames = moving_picture(6)
    path = write_video(tmp_path / 'phone.mp4', frames, rotation=rotation)
    upright = np.rot90(decode_all(path), rotation // 90, axes=(1, 2))
    with VideoReader(str(path)) as video:
        assert np.array_equal(video.read(range(6)), upright)


def test_colours_are_red_green_blue(tmp_path):
    frames = np.zeros((4, 32, 32, 3), np.uint8)
    frames[..., 0] = 250
    path = write_video(tmp_path / 'red.mp4', frames)
    with VideoReader(str(path)) as video:
        red, green, blue = video.read([2])[0, 16, 16].tolist()
    assert red > 230 and green < 20 and blue < 20


@pytest.mark.parametrize('name', ['both.mkv', 'both.mp4'])
def test_sound_beside_the_pictures(files, tmp_path, name):
    """Here the sound lasts longer, and its packets come in between."""
    sound = write_sound(tmp_path / 'sound.mp4')
    path = tmp_path / name
    with av.open(str(path), 'w') as target:
        packets = []
        for source in (sound, files['closed.mp4']):
            with av.open(str(source)) as container:
                stream = target.add_stream_from_template(container.streams[0])
                for packet in container.demux(0):
                    if packet.size:
                        packet.stream = stream
                        packets.append(packet)
        packets.sort(key=lambda packet: packet.dts * packet.time_base)
        target.mux(packets)
    with VideoReader(str(path)) as video:
        assert np.array_equal(
            video.read(range(COUNT)), decode_all(files['closed.mp4']))


def test_threads_are_bounded(files):
    with VideoReader(str(files['closed.mp4'])) as video:
        assert video._context.thread_count == 1
        video.read([7])
        assert video._context.thread_count == 1


def test_a_file_of_another_storage(files):
    """Through mmengine's file backends."""
    path = str(files['b.mkv'])
    with VideoReader(path, backend_args=dict(backend='local')) as video:
        assert np.array_equal(video.read([5]), decode_all(path)[[5]])


@pytest.mark.parametrize('indices', [[40], [-1], [], [0, 99]])
def test_indices_outside_are_refused(files, indices):
    with VideoReader(str(files['closed.mp4'])) as video:
        with pytest.raises(IndexError, match='closed.mp4 has frames 0 to 39'):
            video.read(indices)


def without_frames(**options):

    def make(path):
        """A video stream, and no frame in it."""
        buffer = BytesIO()
        with av.open(buffer, 'w', format='mp4', options=options) as container:
            stream = container.add_stream('mpeg4', rate=25)
            stream.pix_fmt, stream.width, stream.height = 'yuv420p', 32, 32
            stream.codec_context.open()
            container.start_encoding()
        path.write_bytes(buffer.getvalue())

    return make


def cut(kind, part, **container_options):

    def make(path):
        whole = write_video(
            path.with_name(f'whole.{kind}'),
            moving_picture(60),
            container_options=container_options,
            g='10')
        content = whole.read_bytes()
        path.write_bytes(content[:int(len(content) * part)])

    return make


BAD = {
    'missing': (lambda path: None, 'cannot be opened: No such file'),
    'folder': (lambda path: path.mkdir(), 'cannot be opened|not a video'),
    'empty': (lambda path: path.touch(), 'not a video'),
    'text':
    (lambda path: path.write_text('<html>404</html>' * 50), 'not a video'),
    'audio': (write_sound, 'has no video stream; in it is audio'),
    'no frame': (without_frames(movflags='+empty_moov'), 'has no frame'),
    'no frame, no stream': (without_frames(), 'in it is nothing'),
    'cut without index': (cut('mp4', 0.6), 'truncated, damaged or not'),
    'cut with index':
    (cut('mov', 0.6,
         movflags='+faststart'), 'truncated or damaged: .* of 60 frames'),
    'cut matroska': (cut('mkv', 0.5), 'truncated or damaged: it ends at'),
}


@pytest.mark.parametrize('kind', BAD)
def test_bad_files_are_named(tmp_path, kind):
    make, message = BAD[kind]
    path = tmp_path / 'bad.mp4'
    make(path)
    with pytest.raises(VideoError, match=f'video .*bad.mp4 .*({message})'):
        VideoReader(str(path))


def test_a_cover_picture_is_no_video(tmp_path):
    path = write_sound(tmp_path / 'song.mp3', cover=True)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    with pytest.raises(VideoError, match='song.mp3 has no video stream'):
        VideoReader(str(path))


def test_damage_inside_is_found_where_it_matters(tmp_path):
    path = write_video(tmp_path / 'v.mp4', moving_picture(40), bf='2', g='10')
    expected = decode_all(path)
    content = bytearray(path.read_bytes())
    start = content.index(b'mdat')
    middle = start + (len(content) - start) // 3
    content[middle:middle + 300] = bytes(300)
    path.write_bytes(content)
    with VideoReader(str(path)) as video:
        assert np.array_equal(video.read([0, 1, 39]), expected[[0, 1, 39]])
        with pytest.raises(VideoError, match=f'{path} is truncated, damaged'):
            video.read(range(40))


def test_large_frames_are_refused(files):
    path = str(files['closed.mp4'])
    with pytest.raises(
            VideoError,
            match='closed.mp4 has frames of 48 x 64 '
            'pixels, more than max_pixels=3071'):
        VideoReader(path, max_pixels=48 * 64 - 1)
    with VideoReader(path, max_pixels=48 * 64) as video:
        video.read([0])


def test_frames_that_grow_are_refused(files, tmp_path):
    """A raw stream may go on with another size."""
    large = write_video(
        tmp_path / 'large.h264', moving_picture(5, 96, 128), bf='0')
    path = tmp_path / 'grows.h264'
    path.write_bytes(files['raw.h264'].read_bytes() + large.read_bytes())
    with pytest.raises(VideoError, match='grows.h264'):
        with VideoReader(str(path), max_pixels=48 * 64) as video:
            video.read(range(len(video)))
