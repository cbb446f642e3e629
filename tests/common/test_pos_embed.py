"""Position embeddings: values, order of axes, resampling."""
import math

import pytest
import torch
from torch import nn

from projects.common.pos_embed import (interleaved_sincos_pos_embed,
                                       make_pos_embed, resample_on_load,
                                       resample_pos_embed, sincos_pos_embed,
                                       stored_grid)


def test_spot_values_of_the_reference():
    """Specification 1.5: the column comes first."""
    pos = sincos_pos_embed(768, (14, 14)).view(14, 14, 768)
    right, below = pos[0, 1], pos[1, 0]
    expected = torch.tensor([0.8415, 0.8153])
    assert torch.allclose(right[:2], expected, atol=1e-4)
    assert torch.allclose(below[384:386], expected, atol=1e-4)
    assert right[384:386].tolist() == below[:2].tolist() == [0, 0]


def test_non_square_grids_index_row_major():
    pos = sincos_pos_embed(16, (3, 5)).view(3, 5, 16)
    wide = sincos_pos_embed(16, (9, 9)).view(9, 9, 16)
    assert torch.equal(pos, wide[:3, :5])


def test_three_dimensions_are_time_then_space():
    pos = sincos_pos_embed(64, (4, 3, 5)).view(4, 3, 5, 64)
    time = sincos_pos_embed(16, (4, ))[0]
    space = sincos_pos_embed(48, (3, 5)).view(3, 5, 48)
    assert torch.equal(pos[:, 0, 0, :16], time)
    assert torch.equal(pos[2, ..., 16:], space)


def test_interleaved_values():
    """VideoMAE's: channel j of position p is at p / 10000^(2 (j // 2) / C)."""
    pos = interleaved_sincos_pos_embed(8, 50)[0].double()
    for position in (0, 3, 49):
        for channel in range(8):
            angle = position / 10000**(2 * (channel // 2) / 8)
            value = math.cos(angle) if channel % 2 else math.sin(angle)
            assert pos[position, channel] == pytest.approx(value, abs=1e-6)


def test_kinds():
    assert torch.equal(
        make_pos_embed('2d_sincos', 16, (3, 5)), sincos_pos_embed(16, (3, 5)))
    assert torch.equal(
        make_pos_embed('3d_sincos', 32, (2, 3, 5)),
        sincos_pos_embed(32, (2, 3, 5)))
    assert torch.equal(
        make_pos_embed('1d_sincos', 6, (2, 3, 5)),
        interleaved_sincos_pos_embed(6, 30))
    learned = make_pos_embed('learned', 32, (20, 20))
    assert learned.std() == pytest.approx(.02, rel=.1)
    with pytest.raises(ValueError, match="'2d_sincos'.*choice of '3d_sincos'"):
        make_pos_embed('2d_sincos', 32, (2, 3, 5))


@pytest.mark.parametrize('channels, grid', [(3, (4, )), (6, (2, 2)),
                                            (24, (2, 2, 2))])
def test_channels_that_do_not_divide(channels, grid):
    with pytest.raises(ValueError, match=f'{channels} channels'):
        sincos_pos_embed(channels, grid)


def test_resampling_keeps_constants_dtype_and_identity():
    pos = torch.full((1, 16, 3), 2.5, dtype=torch.bfloat16)
    out = resample_pos_embed(pos, (4, 4), (6, 9))
    assert out.shape == (1, 54, 3) and out.dtype == torch.bfloat16
    assert (out == 2.5).all()
    assert resample_pos_embed(pos, (4, 4), (4, 4)) is pos


def test_resampling_follows_rows_and_columns():
    rows = torch.arange(4.).repeat_interleave(4).view(1, 16, 1)
    out = resample_pos_embed(rows, (4, 4), (8, 2)).view(8, 2)
    assert torch.allclose(out[:, 0], out[:, 1])
    assert (out[1:, 0] > out[:-1, 0]).all()


def test_resampling_in_time_leaves_space_alone():
    frame = torch.randn(1, 6, 4)
    still = frame.repeat(1, 4, 1)
    out = resample_pos_embed(still, (4, 2, 3), (7, 2, 3)).view(7, 6, 4)
    assert torch.allclose(out, frame.expand(7, 6, 4))
    ramp = torch.arange(4.).repeat_interleave(6).view(1, 24, 1)
    out = resample_pos_embed(ramp, (4, 2, 3), (2, 2, 3))
    assert torch.allclose(out.view(2, 6), torch.tensor([[.5], [2.5]]))


def test_resampling_in_space_and_time_is_the_image_s_in_every_frame():
    frame = torch.randn(1, 16, 4)
    still = frame.repeat(1, 3, 1)
    expected = resample_pos_embed(frame, (4, 4), (6, 2))
    for frames in (3, 5):
        out = resample_pos_embed(still, (3, 4, 4), (frames, 6, 2))
        assert torch.allclose(out, expected.repeat(1, frames, 1), atol=1e-6)


class Holder(nn.Module):

    def __init__(self, grid):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, math.prod(grid), 8))
        resample_on_load(self, 'pos_embed', grid)


def test_load_hook_resamples_other_sizes():
    source, target = Holder((4, 4)), Holder((6, 2))
    source.pos_embed.data.normal_()
    target.load_state_dict(source.state_dict())
    expected = resample_pos_embed(source.pos_embed, (4, 4), (6, 2))
    assert torch.equal(target.pos_embed, expected)


def test_load_hook_refuses_a_source_that_is_no_square():
    with pytest.raises(ValueError, match='pos_embed.*15 positions'):
        Holder((4, 4)).load_state_dict(dict(pos_embed=torch.zeros(1, 15, 8)))


@pytest.mark.parametrize('source', [(8, 14, 14), (4, 14, 14), (8, 10, 10)])
def test_load_hook_finds_out_what_changed_in_3d(source):
    holder, target = Holder(source), Holder((8, 14, 14))
    holder.pos_embed.data.normal_()
    target.load_state_dict(holder.state_dict())
    expected = resample_pos_embed(holder.pos_embed, source, (8, 14, 14))
    assert torch.equal(target.pos_embed, expected)


def test_stored_grids_that_are_unclear():
    with pytest.raises(ValueError, match='may be 2x14x14 or 8x7x7 beside'):
        stored_grid('pos_embed', 392, (8, 14, 14))
    with pytest.raises(ValueError, match='1570.*no grid of square frames'):
        stored_grid('pos_embed', 1570, (8, 14, 14))
