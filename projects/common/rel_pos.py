"""Relative position embeddings: their parameters and resampling.

Shapes: a span is a grid of Y rows and X columns; M heads, D channels of a
head, T = (2Y - 1)(2X - 1) offsets in raster order; B samples.
"""
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .biased_attention import AxisBias, TableBias
from .grid import Grid
from .pos_embed import square_grid

TABLE = 'relative_position_bias_table'


def offsets(span: Grid) -> Grid:
    """Number of different offsets between two tokens along each side."""
    return tuple(2 * side - 1 for side in span)


def resample_table(table_TM: Tensor, source: Grid, target: Grid) -> Tensor:
    """Resize a table of relative positions.

    Bicubic, corners not aligned, in float32, as BEiT tables are resized by
    the official detector; the dtype is restored.

    Args:
        table_TM: One row for each offset.
        source: Numbers of offsets along the sides of the table.
        target: Those wanted.

    Returns:
        Tensor (T', M).
    """
    if source == target:
        return table_TM
    table_1MTS = table_TM.t().unflatten(1, source)[None].float()
    table_1MTS = F.interpolate(
        table_1MTS, size=target, mode='bicubic', align_corners=False)
    return table_1MTS[0].flatten(1).t().to(table_TM.dtype)


def resample_axis(embed_TD: Tensor, length: int) -> Tensor:
    """Resize the embeddings of one axis' offsets, linearly, as ViTDet does.

    Args:
        embed_TD: One row for each offset.
        length: Number of offsets wanted.

    Returns:
        Tensor (length, D).
    """
    if len(embed_TD) == length:
        return embed_TD
    embed_1DT = embed_TD.t()[None].float()
    embed_1DT = F.interpolate(embed_1DT, size=length, mode='linear')
    return embed_1DT[0].t().to(embed_TD.dtype)


def add_table(module: nn.Module, span: Grid, num_heads: int) -> None:
    """Give ``module`` a table, zero, that checkpoints of other sizes fit.

    The parameter's name is the one of Swin and BEiT.
    """
    rows, columns = offsets(span)
    table_TM = nn.Parameter(torch.zeros(rows * columns, num_heads))
    module.register_parameter(TABLE, table_TM)

    def resample(name: str, loaded: Tensor) -> Tensor:
        source = square_grid(name, len(loaded))
        return resample_table(loaded, source, (rows, columns))

    _resample_on_load(module, TABLE, resample)


def table_bias(table_TM: Tensor, source: Grid, span: Grid) -> TableBias:
    """Bias of the scores on ``span`` by a table made for ``source``."""
    size = offsets(span)
    table_TM = resample_table(table_TM, offsets(source), size)
    return TableBias(table_TM.t().unflatten(1, size))


def add_axes(module: nn.Module, span: Grid, head_channels: int) -> None:
    """Give ``module`` embeddings ``rel_pos_h`` and ``rel_pos_w``, zero."""
    for name, length in zip(('rel_pos_h', 'rel_pos_w'), offsets(span)):
        embed_TD = nn.Parameter(torch.zeros(length, head_channels))
        module.register_parameter(name, embed_TD)

        def resample(_name: str, loaded: Tensor, length=length) -> Tensor:
            return resample_axis(loaded, length)

        _resample_on_load(module, name, resample)


def axis_bias(q_BMND: Tensor, rows_TD: Tensor, columns_TD: Tensor,
              span: Grid) -> AxisBias:
    """Decomposed bias (MViTv2, arXiv:2112.01526, section 4.1).

    The product of each query, not scaled, with the embedding of its row's
    offset to the key's row, and so for columns.
    """
    height, width = span
    rows_TD = resample_axis(rows_TD, 2 * height - 1)
    columns_TD = resample_axis(columns_TD, 2 * width - 1)
    return AxisBias(q_BMND, rows_TD.unfold(0, height, 1),
                    columns_TD.unfold(0, width, 1))


class SharedTable(nn.Module):
    """A relative position table that several blocks share.

    Args:
        span: Grid that the table is stored for.
        num_heads: Attention heads of the blocks.
    """

    def __init__(self, span: Grid, num_heads: int) -> None:
        super().__init__()
        self.span = span
        add_table(self, span, num_heads)

    def forward(self, span: Grid) -> TableBias:
        """Bias on ``span``, resampled if the table is of another one."""
        return table_bias(getattr(self, TABLE), self.span, span)


def _resample_on_load(module: nn.Module, name: str,
                      resample: Callable[[str, Tensor], Tensor]) -> None:
    """Bring a loaded tensor with another number of rows to the module's."""

    def hook(_module, state_dict, prefix, *_args) -> None:
        loaded, own = state_dict.get(prefix + name), getattr(module, name)
        if (loaded is not None and loaded.shape != own.shape
                and loaded.ndim == 2 and loaded.shape[1] == own.shape[1]):
            state_dict[prefix + name] = resample(prefix + name, loaded)

    module.register_load_state_dict_pre_hook(hook)
    resampled = getattr(module, 'resampled_on_load', ())
    module.resampled_on_load = (*resampled, name)
