"""The dense reference of the visible-block encoder, for images and clips."""
import torch
from torch import Tensor, nn

from projects.common.grid import nest
from projects.common.masking import TokenMask
from projects.convmae import ConvViT


def with_random_vectors(model: nn.Module) -> nn.Module:
    """Norms and biases as after some training, in float64."""
    for param in model.parameters():
        if param.ndim == 1:
            nn.init.normal_(param, 1 if param.std() == 0 else 0, .2)
    return model.double().eval()


def dense_encode(model: ConvViT, x: Tensor,
                 mask: TokenMask) -> tuple[Tensor, list[Tensor]]:
    """What the original computes: everything, masked before each dw conv."""
    finer = [model._finer(index) for index in range(2)]
    visible = []
    for factors in finer:
        scale = torch.tensor(factors).prod(0).tolist()
        shown = mask.visible_map(tuple(scale)).to(x.dtype)
        visible.append(shown.flatten(2).transpose(1, 2))
    views = len(mask.keep_BK) // len(x)
    maps = model.embed(x.repeat(views, *[1] * (x.ndim - 1)), visible)
    cells = [mask.take(nest(m, factors)) for m, factors in zip(maps, finer)]
    grid = model.token_grid(x)
    stage = model.stages[-1]
    blocks = nest(maps[-1], [model.STRIDES[-1]])
    tokens = stage.token_proj(stage.patch_embed(blocks))
    tokens = mask.take(tokens + model._pos(grid))
    for block in stage.blocks:
        tokens = block(tokens)
    return tokens, cells


def assert_equals_dense(model: ConvViT, images: Tensor,
                        mask: TokenMask) -> None:
    """Outputs and all gradients of ``encode``, to 1e-10."""
    results = []
    for encode in (model.encode, lambda x, m: dense_encode(model, x, m)):
        x = images.clone().requires_grad_()
        tokens, cells = encode(x, mask)
        torch.manual_seed(1)
        loss = sum((t * torch.randn_like(t)).sum() for t in (tokens, *cells))
        grads = torch.autograd.grad(loss, [x, *model.parameters()])
        results.append([tokens, *cells, *grads])
    for ours, reference in zip(*results):
        assert ours.shape == reference.shape
        assert (ours - reference).abs().max() < 1e-10
