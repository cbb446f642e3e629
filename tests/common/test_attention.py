"""Attention with relative positions: equality with the explicit form."""
import pytest
import torch
from golden import Fixture
from torch import nn

from projects.common import biased_attention as module
from projects.common.attention import Attention, AxisAttention, TableAttention
from projects.common.biased_attention import biased_attention
from projects.common.rel_pos import (TABLE, SharedTable, axis_bias,
                                     resample_axis, resample_table, table_bias)

HEADS, CHANNELS = 3, 8  # of a head


def offset_index(span):
    """Offsets from key to query along each side, (N, N), from 0."""
    rows, columns = torch.meshgrid(*map(torch.arange, span), indexing='ij')
    return [
        x.flatten()[:, None] - x.flatten()[None] + side - 1
        for x, side in zip((rows, columns), span)
    ]


def expanded_table(table_TM, span):
    """Bias (M, N, N) by an index of all pairs, as the references do."""
    rows, columns = offset_index(span)
    return table_TM[rows * (2 * span[1] - 1) + columns].permute(2, 0, 1)


def expanded_axes(q, rows_TD, columns_TD, span):
    """Bias (B, M, N, N) of decomposed relative positions."""
    rows, columns = offset_index(span)
    return (torch.einsum('bmqd,qkd->bmqk', q, rows_TD[rows]) +
            torch.einsum('bmqd,qkd->bmqk', q, columns_TD[columns]))


def explicit(q, k, v, bias, inside=None):
    scores = q @ k.mT / CHANNELS**0.5 + bias
    if inside is not None:
        scores = scores.masked_fill(~inside[:, None, None], float('-inf'))
    return scores.softmax(-1) @ v


def random_case(span, batch, kind):
    """q, k, v, then the parameters of the bias; float64, with gradients."""
    length = span[0] * span[1]
    shapes = [(batch, HEADS, length, CHANNELS)] * 3
    rows, columns = (2 * side - 1 for side in span)
    if kind == 'table':
        shapes.append((rows * columns, HEADS))
    else:
        shapes += [(rows, CHANNELS), (columns, CHANNELS)]
    return [
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for shape in shapes
    ]


def ours(q, k, v, *params, span, inside=None):
    bias = table_bias(*params, span, span) if len(params) == 1 else axis_bias(
        q, *params, span)
    return biased_attention(q, k, v, span, bias, inside)


def reference(q, k, v, *params, span, inside=None):
    bias = expanded_table(*params, span) if len(params) == 1 \
        else expanded_axes(q, *params, span)
    return explicit(q, k, v, bias, inside)


def assert_same(inputs, cotangent, **where):
    """Outputs and all gradients agree to 1e-10."""
    expected = reference(*inputs, **where)
    out = ours(*inputs, **where)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-10)
    for mine, theirs in zip(
            torch.autograd.grad(out, inputs, cotangent),
            torch.autograd.grad(expected, inputs, cotangent)):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-10)


# One row of queries has 180 scores, a head of a sample 900: one row at a time,
# two rows with one left over, then one and two samples of the three, two
# heads of the three, everything.
@pytest.mark.parametrize('limit', [1, 400, 1000, 2000, 5500, 10**6])
@pytest.mark.parametrize('kind', ['table', 'axes'])
def test_equals_explicit_form_in_any_chunks(kind, limit, monkeypatch):
    monkeypatch.setitem(module.CHUNK_SCORES, 'cpu', limit)
    span = (5, 6)
    inputs = random_case(span, 3, kind)
    assert_same(inputs, torch.randn_like(inputs[0]), span=span)


@pytest.mark.parametrize('span', [(1, 1), (1, 7), (4, 1), (8, 8)])
@pytest.mark.parametrize('kind', ['table', 'axes'])
def test_equals_explicit_form_on_any_grid(kind, span):
    inputs = random_case(span, 2, kind)
    assert_same(inputs, torch.randn_like(inputs[0]), span=span)


@pytest.mark.parametrize('kind', ['table', 'axes'])
def test_tokens_outside_are_not_attended_to(kind, monkeypatch):
    monkeypatch.setitem(module.CHUNK_SCORES, 'cpu', 400)
    span = (4, 5)
    inside = torch.rand(2, 20) < 0.6
    inside[:, 7] = True
    inputs = random_case(span, 2, kind)
    assert_same(inputs, torch.randn_like(inputs[0]), span=span, inside=inside)


def test_extreme_scores_stay_finite():
    """Where exp() of a score or of its negative overflows."""
    inputs = random_case((3, 4), 2, 'table')
    with torch.no_grad():
        inputs[0] *= 1e3
    assert_same(inputs, torch.randn_like(inputs[0]), span=(3, 4))


@pytest.mark.parametrize('kind', ['table', 'axes'])
def test_bfloat16_sums_in_float32(kind):
    """Within the rounding of the inputs; gradients keep their dtypes."""
    span = (8, 8)
    exact = random_case(span, 2, kind)
    rounded = [x.detach().bfloat16().requires_grad_() for x in exact[:3]]
    rounded += [x.detach().float().requires_grad_() for x in exact[3:]]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = ours(*rounded, span=span)
    assert out.dtype == torch.bfloat16
    expected = reference(*(x.double() for x in rounded), span=span)
    assert (out - expected).abs().max() < 0.06
    out.float().sum().backward()
    assert [x.grad.dtype for x in rounded] == [x.dtype for x in rounded]


def held_bytes(run):
    """Bytes of the tensors that ``run`` keeps for its backward pass."""
    storages = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        out = run()
    return sum(storages.values()), out  # what is held must not be reused


@pytest.mark.parametrize('kind', ['table', 'axes'])
def test_holds_memory_linear_in_the_tokens(kind):
    span = (24, 24)
    inputs = random_case(span, 2, kind)
    ours_held, _ = held_bytes(lambda: ours(*inputs, span=span))
    explicit_held, _ = held_bytes(lambda: reference(*inputs, span=span))
    scores = 2 * HEADS * 576**2 * 8
    assert explicit_held > scores
    assert ours_held < 0.2 * scores


# --- resampling ---


def test_table_resampling_of_the_official_loader():
    """A 7x7 table into 3x3 and 11x11 (windows of 2, a grid of 6)."""
    fixture = Fixture('load_relbias_into_benchmarking_vit')
    shapes = fixture.info['config']['checkpoint_keys']
    fixture.info = dict(fixture.info, state_dict=shapes)
    table = fixture.state_dict()[f'rel_pos_bias.{TABLE}'][:-3]
    for name, side in (('windowed', 3), ('global', 11)):
        resized = resample_table(table, (7, 7), (side, side))
        fixture.check(f'tensor.{name}_rel_pos_bias.{TABLE}', resized)


def test_resampling_keeps_constants_and_same_sizes():
    table = torch.full((15, 2), 1.5)
    assert resample_table(table, (3, 5), (3, 5)) is table
    resized = resample_table(table, (3, 5), (7, 9))
    torch.testing.assert_close(resized, torch.full((63, 2), 1.5))
    axis = torch.full((5, 4), 2.5)
    assert resample_axis(axis, 5) is axis
    torch.testing.assert_close(resample_axis(axis, 9), torch.full((9, 4), 2.5))


@pytest.mark.parametrize('kind', [TableAttention, AxisAttention])
def test_loading_another_size_equals_resampling_at_run_time(kind):
    small, large = kind(24, 3, span=(3, 3)), kind(24, 3, span=(4, 5))
    for param in small.parameters():
        nn.init.normal_(param, std=0.2)
    large.load_state_dict(small.state_dict())
    x = torch.randn(2, 20, 24)
    torch.testing.assert_close(large(x, (4, 5)), small(x, (4, 5)))


def test_table_that_is_no_square_is_refused():
    table = SharedTable((4, 4), 2)
    with pytest.raises(ValueError, match=f'{TABLE} .* 52 positions'):
        table.load_state_dict({TABLE: torch.zeros(52, 2)})


# --- modules ---


@pytest.mark.parametrize('kind', [TableAttention, AxisAttention])
def test_zero_positions_change_nothing(kind):
    """As they start, blocks compute what they did in pretraining."""
    plain, ours = Attention(24, 3), kind(24, 3, span=(4, 5))
    ours.load_state_dict(plain.state_dict(), strict=False)
    x = torch.randn(2, 20, 24)
    torch.testing.assert_close(ours(x, (4, 5)), plain(x))


def test_plain_attention_also_respects_inside():
    attention = Attention(24, 3)
    x = torch.randn(2, 20, 24)
    inside = torch.arange(20).expand(2, -1) < 12
    out = attention(x, inside_BN=inside)[:, :12]
    torch.testing.assert_close(out, attention(x[:, :12]))


def test_heads_must_divide_channels():
    with pytest.raises(ValueError, match='10 channels .* 4 attention heads'):
        Attention(10, 4)
