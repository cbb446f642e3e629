"""VideoConvViT: ConvViT in space and time (VideoConvMAE's encoder).

Source: arXiv:2205.03892, section 2.4, which states what is done; no code was
released, so that sizes in time are our choices (see the project's README).

Shapes: N clips of T frames, L tokens on the grid.
"""
from mmengine.registry import MODELS

from projects.common.grid import Grid
from projects.convmae.backbone import ConvViT


@MODELS.register_module()
class VideoConvViT(ConvViT):
    """ConvMAE's backbone on clips (N, C, T, H, W).

    Cubes of 2 x 4 x 4 pixels are embedded; two stages of 3-D convolution
    blocks and a transformer follow that attends over space and time. All
    halving in time is in the first stem, so a tube that is masked covers
    whole columns of every stage. Clips of any length and size that tokens of
    2 x 16 x 16 pixels divide are taken.

    ``encode`` and ``forward`` are those of :class:`ConvViT`; feature maps are
    (N, C_i, T / 2, H / stride_i, W / stride_i).

    Args:
        arch: As in :class:`ConvViT`; only Base is in the paper.
        img_size: Frame size in pixels, one number or (height, width), and
        num_frames: number of frames of the clips whose token grid the
            position embedding is stored for. Others resample it, when a
            checkpoint is loaded and at run time.
        in_channels: Channels of a frame.
        dw_kernel: Sides (frames, rows, columns) of the depthwise kernels, odd;
            frames are those of a stage, each two of the clip.
        masked_conv: Hide masked cells from the depthwise convolutions.
        drop_path_rate: Rate of the last block, linear from 0 at the first.
        stem_eps: LayerNorm epsilon of the stems.
        conv_eps: LayerNorm epsilon of the convolution blocks.
        attn_eps: LayerNorm epsilon of the transformer blocks.
        pos: Kind of position embedding: '3d_sincos' (a quarter of the
            channels for time, the image's embedding in the others),
            '1d_sincos' (VideoMAE's, over the raster) or 'learned'.
        pos_trainable: Train the position embedding.
        out_indices: Feature maps that ``forward`` returns, 0 to 2.
        frozen_stages: Freeze the first so many stages; 3 freezes the whole
            backbone; 0 freezes nothing.
        init_cfg: ``dict(type='Pretrained', checkpoint=..., prefix=...)``, or
            of type ``Inflated`` for weights of an image model.

    Raises:
        ValueError: If a name is unknown, or a size is no multiple of a
            token's.
    """

    STRIDES: tuple[Grid, ...] = ((2, 4, 4), (1, 2, 2), (1, 2, 2))
    INPUT, UNITS = 'clip', 'frames and pixels'

    def __init__(self,
                 arch: str | dict = 'base',
                 img_size: int | Grid = 224,
                 num_frames: int = 16,
                 in_channels: int = 3,
                 dw_kernel: int | Grid = (5, 5, 5),
                 masked_conv: bool = True,
                 drop_path_rate: float = 0.,
                 stem_eps: float = 1e-5,
                 conv_eps: float = 1e-5,
                 attn_eps: float = 1e-6,
                 pos: str = '3d_sincos',
                 pos_trainable: bool = True,
                 out_indices: tuple[int, ...] = (2, ),
                 frozen_stages: int = 0,
                 init_cfg: dict | None = None) -> None:
        if not set(out_indices) <= {0, 1, 2}:
            raise ValueError(f'out_indices is {out_indices}; choose from the '
                             'stages 0, 1 and 2')
        frame = (img_size, img_size) if isinstance(img_size, int) else img_size
        super().__init__(
            arch,
            img_size=(num_frames, *frame),
            in_channels=in_channels,
            dw_kernel=dw_kernel,
            masked_conv=masked_conv,
            drop_path_rate=drop_path_rate,
            stem_eps=stem_eps,
            conv_eps=conv_eps,
            attn_eps=attn_eps,
            pos=pos,
            pos_trainable=pos_trainable,
            out_indices=out_indices,
            frozen_stages=frozen_stages,
            init_cfg=init_cfg)
