"""ClassAttentionViT: patch tokens in the trunk, the class token after it.

Source: arXiv:2206.04667, appendix A; behaviour checked against
microsoft/ExtreMA at bf30b64. Class attention is CaiT's (arXiv:2103.17239).

Shapes: N images, B = V * N masked rows, L tokens on the grid, K visible
tokens, M heads, D channels of a head, C channels.
"""
import re
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn

from projects.common.activation_checkpoint import run
from projects.common.arch import resolve_arch
from projects.common.blocks import Mlp, TransformerBlock
from projects.common.checkpoint import PretrainedModule
from projects.common.grid import Grid, block_grid
from projects.common.masking import TokenMask
from projects.common.pos_embed import (resample_on_load, resample_pos_embed,
                                       sincos_pos_embed)

# 'tiny' is ours, for tests and demonstrations.
ARCHS = {
    'tiny': dict(channels=64, depth=4, num_heads=4),
    'small': dict(channels=384, depth=12, num_heads=6),
    'base': dict(channels=768, depth=12, num_heads=12),
    'large': dict(channels=1024, depth=24, num_heads=16),
}
EPS = 1e-6  # of every LayerNorm in the encoder
TOKEN_MODES = ('cait', 'vit', 'avg', None)


def parse_arch(arch: str | dict) -> dict:
    """Channels, depth and number of heads of an architecture.

    Raises:
        ValueError: If the name is unknown or a field is missing.
    """
    return resolve_arch(arch, ARCHS)


class ClassAttention(nn.Module):
    """Attention whose only query is the class token.

    Args:
        channels: Width C, a multiple of ``num_heads``.
        num_heads: Number of heads.
    """

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        for name in ('q', 'k', 'v', 'proj'):
            setattr(self, name, nn.Linear(channels, channels))

    def forward(self, x_BNC: Tensor) -> Tensor:
        """New class token (B, 1, C) of tokens (B, N, C), class token first."""
        out_BM1D = F.scaled_dot_product_attention(
            self.heads(self.q(x_BNC[:, :1])), self.heads(self.k(x_BNC)),
            self.heads(self.v(x_BNC)))
        return self.proj(out_BM1D.transpose(1, 2).flatten(2))

    def heads(self, x_BNC: Tensor) -> Tensor:
        """Split the channels over the heads: (B, M, N, D)."""
        return x_BNC.unflatten(2, (self.num_heads, -1)).transpose(1, 2)


class ClassAttentionLayer(nn.Module):
    """CaiT's layer: the class token reads all tokens, which stay as they are.

    u = [cls, patches], cls + gamma1 * attn(ln1(u)), cls + gamma2 *
    ffn(ln2(cls)).

    Args:
        channels: Width C.
        num_heads: Number of heads.
        layer_scale: Initial value of gamma1 and gamma2, one for each channel.
    """

    def __init__(self, channels: int, num_heads: int,
                 layer_scale: float) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(channels, EPS)
        self.attn = ClassAttention(channels, num_heads)
        self.ln2 = nn.LayerNorm(channels, EPS)
        self.ffn = Mlp(channels, 4.)
        self.gamma1 = nn.Parameter(torch.full((channels, ), layer_scale))
        self.gamma2 = nn.Parameter(torch.full((channels, ), layer_scale))

    def forward(self, cls_B1C: Tensor, x_BKC: Tensor) -> Tensor:
        """New class token (B, 1, C)."""
        u_BNC = self.ln1(torch.cat([cls_B1C, x_BKC], dim=1))
        cls_B1C = cls_B1C + self.gamma1 * self.attn(u_BNC)
        return cls_B1C + self.gamma2 * self.ffn(self.ln2(cls_B1C))


@MODELS.register_module()
class ClassAttentionViT(PretrainedModule):
    """Plain ViT on patch tokens, and an instance token that reads them.

    With a ``token_mode`` the backbone's output is the instance token;
    without, feature maps of the patch tokens for transfer. It never has
    parameters that its output does not depend on.

    Args:
        arch: A key of ``ARCHS`` or a dict with the same fields.
        img_size: Image size in pixels, one number or (height, width), whose
            token grid the position embedding is stored for. Other sizes
            resample it at run time; a checkpoint of another size is
            resampled when it is loaded.
        patch_size: Side of a token in pixels.
        in_channels: Channels of the image.
        token_mode: What the instance token is: 'cait', a class token that
            enters at class-attention layers after the trunk; 'vit', a class
            token that runs through the trunk, without position; 'avg', the
            mean of the tokens behind the final norm; None, nothing. 'vit'
            and 'avg' are the alternatives of appendix A, whose details are
            not published: what is written here is ours.
        num_class_layers: Class-attention layers of the 'cait' token.
        class_layer_scale: Initial factor on their branches.
        final_norm: LayerNorm of the instance token; the official linear
            probe goes without.
        drop_path_rate: Rate of the last block, linear from 0 at the first;
            class-attention layers are never dropped.
        pos_trainable: Train the position embedding. It starts at sin-cos;
            pretraining keeps it, fine-tuning trains it.
        out_indices: Blocks whose feature maps are returned without a
            ``token_mode``; negative numbers count from the end.
        with_cp: Recompute the activations of blocks in the backward pass.
        frozen_stages: Freeze the embedding and the first so many blocks; the
            depth freezes the whole backbone; 0 freezes nothing.
        init_cfg: ``dict(type='Pretrained', checkpoint=..., prefix=...)``
            with the prefix ``'backbone.'`` for the student of a pretraining
            checkpoint, ``'target_net.module.0.'`` for its teacher.

    Raises:
        ValueError: If a name is unknown, a size is no multiple of the
            patch's, or a number of layers or blocks is impossible.
    """

    def __init__(self,
                 arch: str | dict = 'base',
                 img_size: int | Grid = 224,
                 patch_size: int = 16,
                 in_channels: int = 3,
                 token_mode: str | None = 'cait',
                 num_class_layers: int = 2,
                 class_layer_scale: float = 0.1,
                 final_norm: bool = True,
                 drop_path_rate: float = 0.,
                 pos_trainable: bool = False,
                 out_indices: Sequence[int] = (-1, ),
                 with_cp: bool = False,
                 frozen_stages: int = 0,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        arch = parse_arch(arch)
        channels, heads = arch['channels'], arch['num_heads']
        self.depth = arch['depth']
        self.patch = (patch_size, patch_size)
        self.token_mode = token_mode
        self.with_cp = with_cp
        self.frozen_stages = frozen_stages
        self._check(token_mode, num_class_layers, out_indices)
        self.out_indices = [index % self.depth for index in out_indices]
        if isinstance(img_size, int):
            img_size = (img_size, img_size)
        self.grid = block_grid(tuple(img_size), self.patch, 'img_size')

        self.patch_embed = nn.Conv2d(
            in_channels, channels, patch_size, stride=patch_size)
        self.pos_embed = nn.Parameter(
            sincos_pos_embed(channels, self.grid), requires_grad=pos_trainable)
        resample_on_load(self, 'pos_embed', self.grid)
        self.blocks = nn.ModuleList(
            TransformerBlock(channels, heads, drop_path=rate, eps=EPS)
            for rate in np.linspace(0, drop_path_rate, self.depth).tolist())
        if token_mode in ('cait', 'vit'):
            self.cls_token = nn.Parameter(torch.zeros(1, 1, channels))
        if token_mode == 'cait':
            self.class_layers = nn.ModuleList(
                ClassAttentionLayer(channels, heads, class_layer_scale)
                for _ in range(num_class_layers))
        if token_mode is not None:
            self.norm = nn.LayerNorm(channels, EPS) if final_norm \
                else nn.Identity()
        self._freeze()

    def _check(self, token_mode: str | None, num_class_layers: int,
               out_indices: Sequence[int]) -> None:
        if token_mode not in TOKEN_MODES:
            raise ValueError(f'token_mode is {token_mode!r}; choose from '
                             f'{list(TOKEN_MODES)}')
        if token_mode == 'cait' and num_class_layers < 1:
            raise ValueError(
                f"num_class_layers is {num_class_layers}; token_mode 'cait' "
                'needs at least one: without, the token never sees the image')
        if not all(-self.depth <= index < self.depth for index in out_indices):
            raise ValueError(f'out_indices is {tuple(out_indices)}; there are '
                             f'the blocks 0 to {self.depth - 1}')
        if not 0 <= self.frozen_stages <= self.depth:
            raise ValueError(f'frozen_stages is {self.frozen_stages}; there '
                             f'are {self.depth} blocks')

    def _init_from_scratch(self) -> None:
        """Linear layers and the patch embedding Xavier-uniform, as in MAE.

        Biases are zero, but that of the patch embedding keeps PyTorch's
        default for convolutions, as in the reference.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.xavier_uniform_(self.patch_embed.weight.flatten(1))
        if hasattr(self, 'cls_token'):
            nn.init.normal_(self.cls_token, std=0.02)

    def _frozen(self) -> list[nn.Module]:
        """Modules that are not trained."""
        if self.frozen_stages == self.depth:
            return [self]
        if self.frozen_stages:
            return [self.patch_embed, *self.blocks[:self.frozen_stages]]
        return []

    def _freeze(self) -> None:
        for module in self._frozen():
            module.requires_grad_(False)
        if self.frozen_stages:
            self.pos_embed.requires_grad_(False)

    def train(self, mode: bool = True) -> 'ClassAttentionViT':
        """Switch to training mode; what is frozen stays in evaluation."""
        super().train(mode)
        for module in self._frozen():
            # not self.eval(), which would come back here
            nn.Module.train(module, False)
        return self

    def token_grid(self, x_NCHW: Tensor) -> Grid:
        """Tokens along the height and width of a batch of images.

        Raises:
            ValueError: If a side is not a multiple of the token's size.
        """
        return block_grid(tuple(x_NCHW.shape[2:]), self.patch, 'input image')

    def _embed(self, x_NCHW: Tensor, mask: TokenMask | None = None) -> Tensor:
        """Tokens (B, K, C) before the trunk; computed once for all masks."""
        grid = self.token_grid(x_NCHW)
        x_NLC = self.patch_embed(x_NCHW).flatten(2).transpose(1, 2)
        x_NLC = x_NLC + resample_pos_embed(self.pos_embed, self.grid, grid)
        if mask is None:
            return x_NLC
        if mask.grid != grid:
            raise ValueError(f'the mask is on a {mask.grid} grid, but a '
                             f'{tuple(x_NCHW.shape)} input has {grid} tokens')
        return mask.take(x_NLC)

    def _encode(self, x_NCHW: Tensor, mask: TokenMask | None) -> Tensor:
        """Tokens after the trunk, a class token of mode 'vit' first."""
        x_BNC = self._embed(x_NCHW, mask)
        if self.token_mode == 'vit':
            x_BNC = torch.cat([self._class_token(x_BNC), x_BNC], dim=1)
        for block in self.blocks:
            x_BNC = run(block, x_BNC, with_cp=self.with_cp)
        return x_BNC

    def _class_token(self, x_BNC: Tensor) -> Tensor:
        """The class token (B, 1, C) before it has seen anything."""
        return self.cls_token.expand(len(x_BNC), -1, -1)

    def encode(self, x_NCHW: Tensor, mask: TokenMask | None = None) -> Tensor:
        """Patch tokens: the distributed representation.

        Args:
            x_NCHW: Images.
            mask: Mask of V * N rows; without, every token is visible.

        Returns:
            Tokens (B, K, C) of the last block, before any norm, in the
            mask's order.
        """
        x_BNC = self._encode(x_NCHW, mask)
        return x_BNC[:, 1:] if self.token_mode == 'vit' else x_BNC

    def instance_token(self,
                       x_NCHW: Tensor,
                       mask: TokenMask | None = None) -> Tensor:
        """One vector for each row of the mask: the instance representation.

        Args:
            x_NCHW: Images.
            mask: Mask of V * N rows; without, every token is visible.

        Returns:
            Tensor (B, C).

        Raises:
            ValueError: If the model has no ``token_mode``.
        """
        if self.token_mode is None:
            raise ValueError('the backbone has no instance token: set '
                             f'token_mode to one of {list(TOKEN_MODES[:-1])}')
        x_BNC = self._encode(x_NCHW, mask)
        if self.token_mode == 'avg':
            return self.norm(x_BNC).mean(dim=1)
        if self.token_mode == 'vit':
            return self.norm(x_BNC[:, 0])
        cls_B1C = self._class_token(x_BNC)
        for layer in self.class_layers:
            cls_B1C = layer(cls_B1C, x_BNC)
        return self.norm(cls_B1C[:, 0])

    def forward(self, x_NCHW: Tensor) -> tuple[Tensor, ...]:
        """The instance token, a tuple with one (N, C).

        Without ``token_mode`` the maps (N, C, H, W) of the ``out_indices``.
        """
        if self.token_mode is not None:
            return (self.instance_token(x_NCHW), )
        grid = self.token_grid(x_NCHW)
        x_NLC = self._embed(x_NCHW)
        maps = {}
        for index, block in enumerate(self.blocks):
            x_NLC = run(block, x_NLC, with_cp=self.with_cp)
            if index in self.out_indices:
                maps[index] = x_NLC.transpose(1, 2).unflatten(2, grid)
        return tuple(maps[index] for index in self.out_indices)

    def get_layer_depth(self,
                        param_name: str,
                        prefix: str = '') -> tuple[int, int]:
        """Depth of a parameter for layer-wise decay, and the number of depths.

        The patch and position embeddings and the class token are depth 0,
        block i is depth i + 1; class attention, norm and everything outside
        are last.
        """
        num_depths = self.depth + 2
        if not param_name.startswith(prefix):
            return num_depths - 1, num_depths
        name = param_name.removeprefix(prefix)
        block = re.match(r'blocks\.(\d+)\.', name)
        if block:
            return int(block[1]) + 1, num_depths
        first = name.startswith(('patch_embed.', 'pos_embed', 'cls_token'))
        return (0 if first else num_depths - 1), num_depths
