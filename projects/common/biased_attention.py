"""Attention with a trained bias on the scores, in little memory.

Expanded, a relative position bias is as large as the scores, 768 MiB in
float32 for 12 heads on a 64 x 64 grid, and torch's fused kernels return no
gradient of it on a CPU. Here scores and bias exist one chunk of queries at a
time and are computed again for the gradients, as in FlashAttention
(arXiv:2205.14135, section 3); what is held between is linear in the tokens.

Keys run backwards, from the last token to the first. The offset of query row
y to key row y', plus Y - 1, is then the sum of the two row numbers. So the
bias of all pairs is an overlapping view of its table, and never copied.

Shapes: B samples (each window is one), M heads, N tokens of a grid of Y rows
and X columns, D channels of a head; chunks of m heads, b samples and y rows
of queries.
"""
import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .grid import Grid

# Scores computed together: on a CPU what stays in its caches, elsewhere
# enough to keep the device busy.
CHUNK_SCORES = {'cpu': 2**20, 'cuda': 2**26}


class Chunk(NamedTuple):
    """Which scores are computed together."""
    heads: slice
    samples: slice
    rows: slice


@dataclass(frozen=True)
class Bias:
    """A bias of the scores, as the tensors that determine it."""

    def tensors(self) -> list[Tensor]:
        """Those tensors, in the order of the constructor's arguments."""
        return [getattr(self, field.name) for field in fields(self)]

    def add_to(self, scores_mbyXYX: Tensor, chunk: Chunk) -> None:
        """Add the bias to a chunk of scores, in place."""
        raise NotImplementedError

    def collected(self) -> list[torch.Size]:
        """Shapes of what :meth:`collect` adds to."""
        raise NotImplementedError

    def collect(self, collected: list[Tensor], grad_mbyXYX: Tensor,
                chunk: Chunk) -> None:
        """Add a chunk's share to what the gradients are made of."""
        raise NotImplementedError

    def gradients(self, collected: list[Tensor]) -> list[Tensor]:
        """Gradients of the tensors, when all chunks are collected."""
        raise NotImplementedError


@dataclass(frozen=True)
class TableBias(Bias):
    """One value for each head and offset from key to query.

    Attributes:
        table_MTS: (M, 2Y - 1, 2X - 1); the entry [Y - 1 + dy, X - 1 + dx]
            belongs to queries dy rows below and dx columns right of the key.
    """
    table_MTS: Tensor

    def add_to(self, scores_mbyXYX: Tensor, chunk: Chunk) -> None:
        """See :class:`Bias`."""
        height, width = scores_mbyXYX.shape[-2:]
        table = self.table_MTS[chunk.heads]
        bias_mYXYX = table.unfold(1, height, 1).unfold(2, width, 1)
        scores_mbyXYX += bias_mYXYX[:, None, chunk.rows]

    def collected(self) -> list[torch.Size]:
        """See :class:`Bias`."""
        return [self.table_MTS.shape]

    def collect(self, collected: list[Tensor], grad_mbyXYX: Tensor,
                chunk: Chunk) -> None:
        """See :class:`Bias`."""
        rows, _, height, width = grad_mbyXYX.shape[2:]
        grad_mQN = grad_mbyXYX.sum(1).flatten(3).flatten(1, 2)
        offsets = (rows + height - 1, 2 * width - 1)
        grad_m1TS = F.fold(grad_mQN, offsets, (rows, width))
        first = chunk.rows.start
        collected[0][chunk.heads, first:first + offsets[0]] += grad_m1TS[:, 0]

    def gradients(self, collected: list[Tensor]) -> list[Tensor]:
        """See :class:`Bias`."""
        return collected


@dataclass(frozen=True)
class AxisBias(Bias):
    """A value for each query and key row, plus one for its key column.

    Both are products with the query and made anew where they are needed.

    Attributes:
        q_BMND: Queries, not scaled.
        rows_YDY: For each query row the embeddings of its offsets to the
            keys' rows, those from the last to the first.
        columns_XDX: As well for columns.
    """
    q_BMND: Tensor
    rows_YDY: Tensor
    columns_XDX: Tensor

    @cached_property
    def rows_BMYXY(self) -> Tensor:
        """The share of the bias that the keys' rows decide."""
        return torch.einsum('bmyxd,ydk->bmyxk', self._q_BMYXD,
                            self.rows_YDY.to(self.q_BMND.dtype))

    @cached_property
    def columns_BMYXX(self) -> Tensor:
        """The share that the keys' columns decide."""
        return torch.einsum('bmyxd,xdk->bmyxk', self._q_BMYXD,
                            self.columns_XDX.to(self.q_BMND.dtype))

    @property
    def _q_BMYXD(self) -> Tensor:
        span = len(self.rows_YDY), len(self.columns_XDX)
        return self.q_BMND.unflatten(2, span)

    def add_to(self, scores_mbyXYX: Tensor, chunk: Chunk) -> None:
        """See :class:`Bias`."""
        where = chunk.samples, chunk.heads, chunk.rows
        scores_mbyXYX += self.rows_BMYXY[where].transpose(0, 1)[..., None]
        scores_mbyXYX += self.columns_BMYXX[where].transpose(0, 1).unsqueeze(4)

    def collected(self) -> list[torch.Size]:
        """See :class:`Bias`."""
        return [self.rows_BMYXY.shape, self.columns_BMYXX.shape]

    def collect(self, collected: list[Tensor], grad_mbyXYX: Tensor,
                chunk: Chunk) -> None:
        """See :class:`Bias`."""
        where = chunk.samples, chunk.heads, chunk.rows
        rows, columns = collected
        rows[where] = grad_mbyXYX.sum(5).transpose(0, 1)
        columns[where] = grad_mbyXYX.sum(4).transpose(0, 1)

    def gradients(self, collected: list[Tensor]) -> list[Tensor]:
        """See :class:`Bias`."""
        rows, columns = collected
        q_BMYXD = self._q_BMYXD.to(rows.dtype)
        dq_BMYXD = torch.einsum('bmyxk,ydk->bmyxd', rows,
                                self.rows_YDY.to(rows.dtype))
        dq_BMYXD += torch.einsum('bmyxk,xdk->bmyxd', columns,
                                 self.columns_XDX.to(rows.dtype))
        return [
            dq_BMYXD.flatten(2, 3),
            torch.einsum('bmyxd,bmyxk->ydk', q_BMYXD, rows),
            torch.einsum('bmyxd,bmyxk->xdk', q_BMYXD, columns)
        ]


def biased_attention(q_BMND: Tensor,
                     k_BMND: Tensor,
                     v_BMND: Tensor,
                     span: Grid,
                     bias: Bias,
                     inside_BN: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(D) + bias) v with gradients for all of them.

    Args:
        q_BMND: Queries.
        k_BMND: Keys.
        v_BMND: Values.
        span: The grid (Y, X) of the N tokens.
        bias: What is added to the scores.
        inside_BN: False at tokens that no query may attend to, if any.

    Returns:
        Tensor (B, M, N, D).
    """
    # where torch.compile is at work, is_exporting() is true, too (torch 2.11)
    if (torch.compiler.is_exporting()
            and not torch.compiler.is_dynamo_compiling()):
        return _unchunked(
            _Scores(q_BMND, k_BMND, inside_BN, bias, span), v_BMND)
    return _chunked(q_BMND, k_BMND, v_BMND, span, bias, inside_BN)


@torch.compiler.disable  # a compiler may keep the scores for the backward pass
def _chunked(q_BMND: Tensor, k_BMND: Tensor, v_BMND: Tensor, span: Grid,
             bias: Bias, inside_BN: Tensor | None) -> Tensor:
    out_BNMD = _BiasedAttention.apply(
        type(bias), span, q_BMND, k_BMND, v_BMND, inside_BN, *bias.tensors())
    return out_BNMD.transpose(1, 2)


def _unchunked(scores: '_Scores', v_BMND: Tensor) -> Tensor:
    """The same of plain operations, which exported models are made of.

    Chunks would fix the number of samples.
    """
    everything = Chunk(
        slice(0, v_BMND.shape[1]), slice(None), slice(0, scores.span[0]))
    weights_MBNN = scores.of(everything).softmax(-1).to(v_BMND.dtype)
    return (weights_MBNN @ _backwards(v_BMND)).transpose(0, 1)


class _BiasedAttention(torch.autograd.Function):
    """Chunked attention; see the module's description."""

    @staticmethod
    def forward(ctx, bias_type, span, q_BMND, k_BMND, v_BMND, inside_BN,
                *tensors) -> Tensor:
        batch, heads, length, _ = q_BMND.shape
        out_BNMD = torch.empty_like(q_BMND.transpose(1, 2))
        out_MBND = out_BNMD.permute(2, 0, 1, 3)
        with torch.autocast(q_BMND.device.type, enabled=False):
            scores = _Scores(q_BMND, k_BMND, inside_BN, bias_type(*tensors),
                             span)
            v_MBND = _backwards(v_BMND)
            lse_MBN1 = scores.new_empty(heads, batch, length, 1)
            for chunk in scores.chunks():
                queries, keys = scores.tokens(chunk)
                logits = scores.of(chunk)
                weights = logits.softmax(-1)
                out_MBND[queries] = weights.to(v_MBND.dtype) @ v_MBND[keys]
                # log(sum(exp)): the largest weight is exp(its score - this)
                largest = weights.amax(-1, keepdim=True)
                top = logits.amax(-1, keepdim=True)
                lse_MBN1[queries] = top - largest.log()
        ctx.bias_type, ctx.span = bias_type, span
        ctx.save_for_backward(q_BMND, k_BMND, v_BMND, inside_BN, out_BNMD,
                              lse_MBN1, *tensors)
        return out_BNMD

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_BNMD: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, inside, out, lse_MBN1, *tensors = ctx.saved_tensors
        with torch.autocast(q.device.type, enabled=False):
            scores = _Scores(q, k, inside, ctx.bias_type(*tensors), ctx.span)
            v_MBND = _backwards(v)
            grad_MBND = grad_BNMD.permute(2, 0, 1, 3).contiguous()
            # what softmax subtracts: the mean of a row's gradient
            mean_BNM1 = (grad_BNMD.to(lse_MBN1.dtype) * out).sum(
                -1, keepdim=True)
            mean_MBN1 = mean_BNM1.permute(2, 0, 1, 3)
            dq, dk, dv = (scores.new_zeros(v_MBND.shape) for _ in range(3))
            bias = scores.bias
            collected = [scores.new_zeros(x) for x in bias.collected()]
            for chunk in scores.chunks():
                queries, keys = scores.tokens(chunk)
                grad = grad_MBND[queries]
                weights = scores.of(chunk).sub_(lse_MBN1[queries]).exp_()
                dv[keys] += weights.to(v.dtype).mT @ grad
                ds = (grad @ v_MBND[keys].mT).to(weights.dtype)
                ds.sub_(mean_MBN1[queries]).mul_(weights)
                bias.collect(collected, scores.by_row(ds), chunk)
                ds = ds.to(v.dtype)
                dq[queries] = ds @ scores.k_MBND[keys]
                dk[keys] += ds.mT @ scores.q_MBND[queries]
            of_bias = bias.gradients(collected)
        dq = dq.mul_(scores.scale).transpose(0, 1).to(q.dtype)
        dk, dv = (x.flip(2).transpose(0, 1).to(q.dtype) for x in (dk, dv))
        of_bias = [x.to(tensor.dtype) for x, tensor in zip(of_bias, tensors)]
        return None, None, dq, dk, dv, None, *of_bias


def _backwards(x_BMND: Tensor) -> Tensor:
    """(M, B, N, D), the last token first."""
    return x_BMND.transpose(0, 1).contiguous().flip(2)


class _Scores:
    """Scores of queries and keys, a chunk at a time."""

    def __init__(self, q_BMND: Tensor, k_BMND: Tensor,
                 inside_BN: Tensor | None, bias: Bias, span: Grid) -> None:
        self.bias, self.span = bias, span
        self.scale = q_BMND.shape[-1]**-0.5
        self.q_MBND = (q_BMND.transpose(0, 1) * self.scale).contiguous()
        self.k_MBND = _backwards(k_BMND)
        self.outside_BN = None if inside_BN is None else ~inside_BN.flip(1)

    def new_empty(self, *shape: int) -> Tensor:
        """Memory for sums: float32, or float64 if the inputs are."""
        dtype = torch.promote_types(self.q_MBND.dtype, torch.float32)
        return self.q_MBND.new_empty(shape, dtype=dtype)

    def new_zeros(self, shape: torch.Size) -> Tensor:
        """As :meth:`new_empty`, zero."""
        return self.new_empty(*shape).zero_()

    def chunks(self) -> Iterator[Chunk]:
        """Parts of all scores, within the limit if a row of queries is."""
        heads, batch, _, _ = self.q_MBND.shape
        height, width = self.span
        device = self.q_MBND.device.type
        limit = CHUNK_SCORES.get(device, CHUNK_SCORES['cuda'])
        in_row = width * height * width
        rows = min(max(limit // in_row, 1), height)
        samples = min(max(limit // (rows * in_row), 1), batch)
        together = min(max(limit // (samples * rows * in_row), 1), heads)
        for head in range(0, heads, together):
            for sample in range(0, batch, samples):
                for row in range(0, height, rows):
                    yield Chunk(
                        slice(head, min(head + together, heads)),
                        slice(sample, min(sample + samples, batch)),
                        slice(row, min(row + rows, height)))

    def tokens(self, chunk: Chunk) -> tuple[tuple, tuple]:
        """Where the queries and the keys of a chunk are in (M, B, N, ...)."""
        keys = chunk.heads, chunk.samples
        width = self.span[1]
        queries = slice(chunk.rows.start * width, chunk.rows.stop * width)
        return (*keys, queries), keys

    def by_row(self, x_mbqN: Tensor) -> Tensor:
        """View (m, b, y, X, Y, X) of a chunk's scores."""
        return x_mbqN.unflatten(3, self.span).unflatten(2, (-1, self.span[1]))

    def of(self, chunk: Chunk) -> Tensor:
        """Scores (m, b, q, N) of a chunk of queries with all keys."""
        queries, keys = self.tokens(chunk)
        scores = self.q_MBND[queries] @ self.k_MBND[keys].mT
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        self.bias.add_to(self.by_row(scores), chunk)
        if self.outside_BN is not None:
            outside = self.outside_BN[chunk.samples, None]
            scores.masked_fill_(outside, -math.inf)
        return scores
