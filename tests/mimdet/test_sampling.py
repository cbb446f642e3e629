"""Sampling: counts, padding last, lattices, what is random and what not."""
import pytest
import torch

from projects.mimdet.sampling import TokenSampling, lattice_noise, valid_tokens


def sample(ratio, grid, sizes=None, kind='random', training=True, batch=2):
    rule = TokenSampling(ratio, ratio, kind)
    return rule(batch, grid, training, 'cpu', sizes).keep_BK


def test_valid_tokens():
    valid = valid_tokens([(1, 17), (48, 64)], (3, 4),
                         'cpu').unflatten(1, (3, 4))
    assert valid[0].nonzero().tolist() == [[0, 0], [0, 1]]
    assert valid[1].all()


@pytest.mark.parametrize('kind', TokenSampling.KINDS)
@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('ratio', [0.125, 0.25, 0.5, 0.75, 0.9, 1.])
def test_padding_is_never_sampled_before_image_tokens(ratio, training, kind):
    """For any sizes: padding only once all image tokens are taken."""
    random = torch.Generator().manual_seed(int(1000 * ratio))
    for _ in range(20):
        grid = tuple(torch.randint(2, 12, (2, ), generator=random).tolist())
        sizes = [
            tuple(
                int(torch.randint(1, 16 * side + 1, (1, ), generator=random))
                for side in grid) for _ in range(3)
        ]
        keep_BK = sample(ratio, grid, sizes, kind, training, batch=3) \
            if grid[0] * grid[1] * ratio >= 1 else None
        if keep_BK is None:
            continue
        valid_BL = valid_tokens(sizes, grid, 'cpu')
        assert keep_BK.shape[1] == int(grid[0] * grid[1] * ratio)
        for positions, valid in zip(keep_BK, valid_BL):
            assert positions.unique().numel() == positions.numel()
            taken = int(valid[positions].sum())
            assert taken == min(int(valid.sum()), positions.numel())


def test_lattices():
    checkerboard = sample(0.5, (4, 6), kind='checkerboard')[0]
    assert all((p // 6 + p % 6) % 2 == 0 for p in checkerboard.tolist())
    columns = sample(0.5, (4, 6), kind='column')[0]
    assert all(p % 6 % 2 == 0 for p in columns.tolist())
    assert lattice_noise('column', (3, 5), 'cpu').unique().numel() == 15


def test_training_draws_for_each_image_anew():
    first, second = (sample(0.5, (8, 8), training=True) for _ in range(2))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, second)


def test_testing_repeats_itself_in_any_batch():
    rule = TokenSampling(0.5, 0.25, 'random')
    state = torch.get_rng_state()
    alone = rule(1, (8, 8), False, 'cpu').keep_BK
    batch = rule(3, (8, 8), False, 'cpu').keep_BK
    assert alone.shape == (1, 16)
    assert torch.equal(batch, alone.expand(3, -1))
    other = rule(1, (8, 8), False, 'cpu', seed=1).keep_BK
    assert set(alone[0].tolist()) != set(other[0].tolist())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize('ratio', [0, -0.5, 1.01, 50])
def test_ratio_outside_its_range(ratio):
    with pytest.raises(ValueError, match=r'backbone.sample_ratio is .*0, 1'):
        TokenSampling(ratio, 1., 'random')
    with pytest.raises(ValueError, match='backbone.test_sample_ratio is'):
        TokenSampling(1., ratio, 'random')


def test_ratio_that_samples_nothing():
    with pytest.raises(
            ValueError, match='sample_ratio 0.1 samples none of the 4 .* 2x2'):
        sample(0.1, (2, 2))


def test_unknown_sampling():
    with pytest.raises(ValueError, match="backbone.sampling is 'grid'"):
        TokenSampling(0.5, 1., 'grid')
