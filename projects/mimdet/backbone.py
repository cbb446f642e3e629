"""MIMDet's backbone: detect from a sample of the tokens.

Source: arXiv:2204.02964; behaviour checked against hustvl/MIMDet at fb0aaa1.

Shapes: B images, L tokens on the grid, K sampled tokens, C channels.
"""
from collections.abc import Sequence

from mmengine.registry import MODELS
from torch import Tensor, nn

from projects.common.grid import Grid

from .adaptor import POOL, PyramidAdaptor, quarter_ends
from .data_preprocessor import PaddedImages
from .decoder import CompletingDecoder
from .encoder import SampledViT, parse_arch, stored_grid, token_grid
from .from_mae import FromMAE
from .sampling import TokenSampling


@MODELS.register_module()
class MIMDetViT(FromMAE):
    """Convolutional stem, sampled ViT encoder, lightweight decoder.

    The stem gives the maps of strides 4 and 8 and the tokens; the encoder
    sees a sample of the tokens; the decoder completes it to the map of stride
    16, which is pooled to stride 32.

    Args:
        arch: A key of ``ARCHS`` or a dict with the same fields.
        img_size: Image size in pixels, one number or (height, width), whose
            token grid the position embeddings are stored for. Images of any
            size resample them at run time; a checkpoint of another size is
            resampled when it is loaded.
        stem: Config of the stem, without its ``out_channels``.
        sample_ratio: Share of the tokens that the encoder sees in training.
        test_sample_ratio: Share that it sees otherwise.
        sampling: ``'random'``, ``'checkerboard'`` or ``'column'`` (Table 3).
        window_size: Side in tokens of windows in which the encoder attends
            instead of sampling (Table 8); 0 for none. The grid is filled up
            with zeros to whole windows.
        global_blocks: With windows, blocks that attend to all tokens; the
            paper names none.
        decoder: Arguments of :class:`CompletingDecoder`; None for none, which
            needs an encoder that sees all tokens.
        pyramid: ``'hybrid'``, fine maps from the stem, or ``'vit'``, from the
            encoder's quarters by transposed convolutions (Table 8), which
            needs an encoder that sees all tokens and no decoder.
        c5_pool: ``'max'`` as in the released code, or ``'avg'`` as in the
            paper.
        drop_path_rate: Rate of the encoder's last block.
        with_cp: Recompute the activations of stem stages and transformer
            blocks in the backward pass.
        init_cfg: ``dict(type='Pretrained', checkpoint=...)`` with an MAE, see
            :class:`FromMAE`, or with MIMDet's own weights and ``prefix``.

    Raises:
        ValueError: If an argument is none of the above, or a part that needs
            all tokens is combined with a ratio below 1.
    """

    new_from_mae = ('stem.', 'decoder.stem_proj.', 'adaptor.')

    def __init__(self,
                 arch: str | dict = 'base',
                 img_size: int | Grid = 800,
                 stem: dict = dict(type='ConvStem'),
                 sample_ratio: float = 0.5,
                 test_sample_ratio: float = 1.,
                 sampling: str = 'random',
                 window_size: int = 0,
                 global_blocks: Sequence[int] = (),
                 decoder: dict | None = dict(),
                 pyramid: str = 'hybrid',
                 c5_pool: str = 'max',
                 drop_path_rate: float = 0.,
                 with_cp: bool = False,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        arch, grid = parse_arch(arch), stored_grid(img_size)
        channels, self.num_blocks = arch['channels'], arch['depth']
        if c5_pool not in POOL:
            raise ValueError(
                f'backbone.c5_pool is {c5_pool!r}; choose from {list(POOL)}')
        self.c5_pool = c5_pool
        self.window_size = window_size
        self.sampling = TokenSampling(sample_ratio, test_sample_ratio,
                                      sampling)
        self.stem = MODELS.build(
            dict(out_channels=channels, with_cp=with_cp, **stem))
        self.encoder = SampledViT(arch, grid, drop_path_rate, window_size,
                                  global_blocks, with_cp)
        self.decoder = self.adaptor = None
        if decoder is not None:
            self.decoder = CompletingDecoder(
                channels, grid, with_cp=with_cp, **decoder)
        if pyramid == 'vit':
            self.quarter_ends = quarter_ends(arch['depth'])
            self.adaptor = PyramidAdaptor(channels, c5_pool)
        elif pyramid != 'hybrid':
            raise ValueError(f'backbone.pyramid is {pyramid!r}; choose '
                             "'hybrid' or 'vit'")
        self._check_combination(self.sampling)

    def sample_at_test(self, ratio: float) -> None:
        """See another share of the tokens outside of training.

        Raises:
            ValueError: If it is not in (0, 1], or below 1 where all tokens
                are needed.
        """
        rule = TokenSampling(self.sampling.ratio, ratio, self.sampling.kind)
        self._check_combination(rule)
        self.sampling = rule

    @property
    def whole_because(self) -> list[str]:
        """Settings for which the encoder has to see all tokens, if any."""
        needs = {
            f'window_size={self.window_size}': self.window_size,
            'decoder=None': self.decoder is None,
            "pyramid='vit'": self.adaptor is not None
        }
        return [name for name, needed in needs.items() if needed]

    def _check_combination(self, rule: TokenSampling) -> None:
        """Refuse to sample tokens where all are needed."""
        reasons = self.whole_because
        if reasons and min(rule.ratio, rule.test_ratio) < 1:
            raise ValueError(
                f'backbone: an encoder with {", ".join(reasons)} sees all '
                'tokens, so sample_ratio and test_sample_ratio must be 1; '
                f'found {rule.ratio} and {rule.test_ratio}')
        if self.adaptor is not None and self.decoder is not None:
            raise ValueError("backbone.pyramid 'vit' is made of the encoder's "
                             'maps; set decoder=None')

    def _init_from_scratch(self) -> None:
        """Linear layers Xavier-uniform with zero bias, as in MAE."""
        self.stem.init_weights()
        if self.adaptor is not None:
            self.adaptor.init_weights()
        for part in (self.encoder, self.decoder):
            for module in part.modules() if part is not None else ():
                if isinstance(module, nn.Linear):
                    nn.init.xavier_uniform_(module.weight)
                    nn.init.zeros_(module.bias)

    def forward(self,
                images: Tensor | PaddedImages,
                noise_BL: Tensor | None = None,
                seed: int = 0) -> tuple[Tensor, ...]:
        """Feature maps (B, C_i, H / s_i, W / s_i) of strides 4, 8, 16, 32.

        Args:
            images: Batch (B, 3, H, W), with the sizes of its images if it is
                padded: tokens of the padding are sampled last.
            noise_BL: Fixed sampling noise, lowest first.
            seed: Of the sample outside of training.

        Raises:
            ValueError: If the images' size does not fit.
        """
        sizes = None
        if isinstance(images, PaddedImages):
            images, sizes = images
        grid = token_grid(images)
        mask = self.sampling(images.shape[0], grid, self.training,
                             images.device, sizes, noise_BL, seed)
        c2, c3, f16_BCHW = self.stem(images)
        stem_BLC = f16_BCHW.flatten(2).transpose(1, 2)
        if self.adaptor is not None:
            quarters = self.encoder(stem_BLC, mask, self.quarter_ends[:-1])
            return self.adaptor([_map(x_BLC, grid) for x_BLC in quarters])
        x_BLC, = self.encoder(stem_BLC, mask, ())
        if self.decoder is not None:
            x_BLC = self.decoder(x_BLC, stem_BLC, mask)
        c4 = _map(x_BLC, grid)
        return c2, c3, c4, POOL[self.c5_pool](c4, 2)


def _map(x_BLC: Tensor, grid: Grid) -> Tensor:
    """Tokens (B, L, C) as a map (B, C, H, W)."""
    return x_BLC.transpose(1, 2).unflatten(2, grid)
