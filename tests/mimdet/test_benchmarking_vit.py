"""The baseline's backbone: sizes, gradients, errors."""
import pytest
import torch
from mmengine.registry import MODELS

from projects.common.pos_embed import sincos_pos_embed

ARCH = dict(channels=64, depth=8, num_heads=4)


def build(**changes):
    config = dict(
        dict(type='BenchmarkingViT', arch=ARCH, img_size=128, window_size=2),
        **changes)
    backbone = MODELS.build(config)
    backbone.init_weights()
    return backbone


@pytest.mark.parametrize('with_cp', [False, True])
def test_every_parameter_learns(with_cp):
    backbone = build(drop_path_rate=0.1, with_cp=with_cp).train()
    maps = backbone(torch.randn(2, 3, 128, 128))
    assert [tuple(x.shape) for x in maps] == [
        (2, 64, 128 // stride, 128 // stride) for stride in (4, 8, 16, 32)
    ]
    sum(x.square().mean() for x in maps).backward()
    for name, param in backbone.named_parameters():
        assert param.grad is not None, name


def test_checkpointing_changes_no_number():
    plain, saving = build(), build(with_cp=True)
    saving.load_state_dict(plain.state_dict())
    image = torch.randn(1, 3, 128, 128)
    for backbone in (plain, saving):
        torch.manual_seed(0)
        sum(x.square().mean() for x in backbone(image)).backward()
    for ours, theirs in zip(plain.parameters(), saving.parameters()):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_positions_are_exchanged_and_trained():
    """The first half of the channels is the row's: unlike MAE's."""
    backbone = build()
    ours = backbone.pos_embed.unflatten(1, (8, 8))
    maes = sincos_pos_embed(64, (8, 8)).unflatten(1, (8, 8))
    assert torch.equal(ours, maes.transpose(1, 2))
    assert backbone.pos_embed.requires_grad


@pytest.mark.parametrize('size', [(64, 96), (160, 128)])
def test_other_image_sizes(size):
    with torch.no_grad():
        maps = build().eval()(torch.randn(1, 3, *size))
    assert tuple(maps[2].shape[2:]) == (size[0] // 16, size[1] // 16)


def test_checkpoint_of_another_size_is_resampled():
    large, small = build(), build(img_size=64)
    torch.nn.init.normal_(large.global_rel_pos.relative_position_bias_table)
    small.load_state_dict(large.state_dict())
    assert small.pos_embed.shape == (1, 16, 64)
    table = small.global_rel_pos.relative_position_bias_table
    assert table.shape == (49, 4)
    assert table.std() > 0


@pytest.mark.parametrize('change, message', [
    (dict(arch='bas'), "did you mean 'base'"),
    (dict(arch=dict(channels=64, depth=5, num_heads=4)), 'arch.depth is 5'),
    (dict(img_size=100), 'backbone.img_size is 100x100'),
])
def test_errors(change, message):
    with pytest.raises(ValueError, match=message):
        build(**change)


def test_size_that_does_not_fit():
    with pytest.raises(ValueError, match='48x64 pixels'):
        build()(torch.zeros(1, 3, 48, 64))


def test_it_has_no_sampling_ratio():
    """A testing ratio given to a backbone that has none is named."""
    with pytest.raises(TypeError, match='test_sample_ratio'):
        build(test_sample_ratio=0.5)


def test_layer_depths():
    backbone = build()

    def depth(name):
        return backbone.get_layer_depth(f'backbone.{name}', 'backbone.')

    assert depth('pos_embed') == depth('patch_embed.bias') == (0, 10)
    assert depth('blocks.7.ln1.weight') == (8, 10)
    table = 'relative_position_bias_table'
    for name in (f'window_rel_pos.{table}', 'adaptor.up8.bias'):
        assert depth(name) == (9, 10)
