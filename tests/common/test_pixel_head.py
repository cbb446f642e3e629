"""Targets of masked autoencoders: units, normalisation, cubes."""
import pytest
import torch

from projects.common.masking import RandomTokenMasking, TubeTokenMasking
from projects.common.pixel_head import MaskedPixelHead

MEAN, STD = (.485, .456, .406), (.229, .224, .225)


def by_hand(clip, channelwise):
    """VideoMAE's target of a clip on the scale 0 to 1, cube by cube."""
    rows = []
    for t in range(0, clip.shape[1], 2):
        for y in range(0, clip.shape[2], 16):
            for x in range(0, clip.shape[3], 16):
                cube = clip[:, t:t + 2, y:y + 16, x:x + 16]
                values = cube.permute(1, 2, 3, 0).reshape(512, 3)
                if channelwise:
                    scale = values.std(dim=0) + 1e-6
                    values = (values - values.mean(dim=0)) / scale
                rows.append(values.flatten())
    return torch.stack(rows)


@pytest.mark.parametrize('norm_pix', [False, 'per_channel'])
def test_target_of_a_clip_is_video_mae_s(norm_pix):
    clip = torch.rand(3, 4, 32, 48, dtype=torch.float64)
    clip[:, :2, :16, :16] = .25  # flat
    mean, std = (torch.tensor(v).view(3, 1, 1, 1) for v in (MEAN, STD))
    head = MaskedPixelHead((2, 16, 16), norm_pix, MEAN, STD)
    target = head.target(((clip - mean) / std)[None])
    # a flat cube keeps the rounding of the units over 1e-6
    assert torch.allclose(
        target[0], by_hand(clip, norm_pix), rtol=1e-5, atol=1e-6)


def test_joint_normalisation_is_that_of_mae():
    images = torch.randn(2, 3, 32, 32)
    target = MaskedPixelHead(16, True).target(images)
    assert torch.equal(target, MaskedPixelHead(16, 'joint').target(images))
    assert target.mean(-1).abs().max() < 1e-5
    assert (target.var(-1) - 1).abs().max() < 1e-4


@pytest.mark.parametrize('norm_pix', [False, True, 'per_channel'])
@pytest.mark.parametrize('units', [(), (MEAN, STD)])
@pytest.mark.parametrize('patch, shape', [(16, (2, 3, 32, 48)),
                                          ((2, 16, 16), (2, 3, 4, 32, 48))])
def test_the_target_as_prediction_is_the_input(norm_pix, units, patch, shape):
    x = torch.randn(shape, dtype=torch.float64)
    head = MaskedPixelHead(patch, norm_pix, *units)
    target = head.target(x)
    assert torch.allclose(head.to_pixels(target, x), x)
    rule = TubeTokenMasking(.5) if len(shape) == 5 else RandomTokenMasking(.5)
    mask = rule(2, head.grid(x))
    assert head.loss(target, x, mask) == 0
    assert head.loss(target + 2, x, mask) == pytest.approx(4)
    shown = (1 - mask.removed_BL)[..., None].double()
    assert head.loss(target + shown, x, mask) == 0


def test_settings_that_make_no_sense():
    with pytest.raises(ValueError, match="norm_pix is 'channel'"):
        MaskedPixelHead(16, 'channel')
    with pytest.raises(ValueError, match='pixel_mean and pixel_std'):
        MaskedPixelHead(16, True, pixel_std=STD)
