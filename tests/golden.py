"""Golden numbers of the official implementations, and how to compare.

The files in ``tests/data/golden`` and the rules implemented here are
described in ``tests/data/README.md``.
"""
import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

GOLDEN = Path(__file__).parent / 'data' / 'golden'


class Fixture:
    """A sidecar with its arrays.

    Attributes:
        info: The sidecar.
        arrays: Arrays by name; empty for listings.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.info = json.loads((GOLDEN / f'{name}.json').read_text())
        arrays = GOLDEN / f'{name}.npz'
        self.arrays = dict(np.load(arrays)) if arrays.exists() else {}

    def state_dict(self) -> dict[str, Tensor]:
        """Weights of the official model by the fan-in rule, float32."""
        info = self.info
        weights = {
            key:
            fan_in_weight(key, shape, info['salt'],
                          info['multipliers'].get(key, 1.))
            for key, shape in info['state_dict'].items()
            if key not in info['untouched_keys'] and not key.endswith(
                ('_index', 'num_batches_tracked'))
        }
        for key, values in info.get('weight_check', {}).items():
            np.testing.assert_allclose(
                weights[key].flatten()[:len(values)], values, rtol=1e-6)
        return weights

    def input(self, name: str) -> Tensor:
        """An input by its recipe, float32."""
        recipe = self.info['inputs'][name]
        if recipe['kind'] == 'stored':
            return torch.from_numpy(self.arrays[recipe['array']])
        random = np.random.RandomState(recipe['seed'])
        shape = recipe['shape']
        if recipe['kind'] == 'normal':
            return torch.from_numpy(random.standard_normal(shape)).float()
        assert recipe['kind'] == 'blocks255', recipe['kind']
        channels, height, width = shape
        block = recipe['block']
        cells = random.randint(
            0, 256, (channels, -(-height // block), -(-width // block)))
        image = cells.repeat(block, 1).repeat(block, 2)[:, :height, :width]
        image = torch.from_numpy(image).float()
        if 'pad_to' in recipe:
            padded = image.new_full((channels, *recipe['pad_to'][-2:]),
                                    float(recipe['pad_value']))
            padded[:, :height, :width] = image
            image = padded
        return image

    def cotangent(self, name: str) -> Tensor:
        """Random cotangent of an output, float32."""
        seed = zlib.crc32(f'{self.info["salt"]}cotangent:{name}'.encode())
        shape = self.info['outputs'][name]['shape']
        random = np.random.RandomState(seed)
        return torch.from_numpy(random.standard_normal(shape)).float()

    def check(self, name: str, value: Tensor) -> None:
        """Compare an output with the stored one at its tolerance."""
        self._compare(name, self.info['outputs'][name], value)

    def check_gradients(self, gradients: Mapping[str, Tensor]) -> None:
        """Compare all gradient norms, and the stored slices.

        Args:
            gradients: Gradient of each parameter by official name.
        """
        info = self.info['gradients']
        norms = [float(gradients[name].norm()) for name in info['names']]
        np.testing.assert_allclose(
            norms,
            self.arrays[info['norms_array']],
            rtol=info['rtol'],
            atol=info['atol'])
        for name, entry in info['slices'].items():
            self._compare(f'gradient of {name}', entry, gradients[name])

    def check_untouched(self, name: str, value: Tensor) -> None:
        """Compare a table that the official constructor fills."""
        entry = {'atol': 1e-6, 'rtol': 0, **self.info['untouched_check'][name]}
        self._compare(name, entry, value)

    def _compare(self, name: str, entry: Mapping, value: Tensor) -> None:
        if 'shape' in entry:
            shape = tuple(entry['shape'])
            assert tuple(value.shape) == shape or value.ndim == 0, (
                f'{name}: shape {tuple(value.shape)}, expected {shape}')
        ours = value.detach().numpy().reshape(-1)
        if entry['stored'] == 'strided':
            ours = ours[entry.get('offset', 0)::entry['stride']]
        stored = self.arrays[entry['array']].reshape(-1)
        if entry.get('exact'):
            np.testing.assert_array_equal(ours, stored, err_msg=name)
        else:
            np.testing.assert_allclose(
                ours,
                stored,
                rtol=entry['rtol'],
                atol=entry['atol'],
                err_msg=name)


def fan_in_weight(key: str,
                  shape: list[int],
                  salt: str = '',
                  multiplier: float = 1.) -> Tensor:
    """Fan-in rule v1: the weight that belongs to an official name."""
    seed = zlib.crc32((salt + key).encode('utf-8'))
    n = np.random.RandomState(seed).standard_normal(shape)
    last = key.rsplit('.', 1)[-1]
    if len(shape) >= 2:
        if any(word in last for word in ('pos_embed', 'token', 'bias_table')):
            value = 0.2 * n
        else:
            value = n / np.sqrt(np.prod(shape[1:]))
    elif last == 'running_var':
        value = 1 + 0.1 * np.abs(n)
    elif last == 'weight' or 'gamma' in last:
        value = 1 + 0.1 * n
    else:
        value = 0.1 * n
    return torch.from_numpy((value * multiplier).astype(np.float32))


def hash_uniform(key: str, count: int) -> np.ndarray:
    """Uniform numbers in [0, 1) of the specification's verification kit."""
    mask = np.uint64(0xFFFFFFFF)
    h = np.arange(count, dtype=np.uint64) * np.uint64(2654435761)
    h = (h + np.uint64(zlib.crc32(key.encode()))) & mask
    for shift, factor in ((16, 2246822519), (13, 3266489917)):
        h ^= h >> np.uint64(shift)
        h = (h * np.uint64(factor)) & mask
    h ^= h >> np.uint64(16)
    return h / 2.**32


def hash_weight(key: str, shape: list[int]) -> Tensor:
    """Weight of the verification kit for a bare official name, float64."""
    r = 2 * hash_uniform(key, int(np.prod(shape))).reshape(shape) - 1
    last = key.rsplit('.', 1)[-1]
    if last in ('pos_embed', 'decoder_pos_embed', 'mask_token'):
        value = 0.5 * r
    elif last in ('relative_position_bias_table', 'rel_pos_h', 'rel_pos_w'):
        value = 0.2 * r
    elif last == 'running_var' or last.startswith('gamma_') or (
            len(shape) == 1 and last == 'weight'):
        value = 1 + 0.1 * r
    elif len(shape) == 1:
        value = 0.1 * r
    else:
        value = r * np.sqrt(3 * shape[0] / np.prod(shape))
    return torch.from_numpy(value)


def hash_input(shape: tuple[int, ...]) -> Tensor:
    """Input of the verification kit, float64."""
    r = 2 * hash_uniform('input', int(np.prod(shape))) - 1
    return torch.from_numpy(2 * r).reshape(shape)


def assert_summary(value: Tensor,
                   expected: tuple[float, ...],
                   atol: float = 1e-6) -> None:
    """Compare mean, std and entries 0, n//3, n//2, -1 of a tensor."""
    flat = value.detach().double().flatten()
    n = len(flat)
    ours = [flat.mean(), flat.std(correction=0),
            flat[0], flat[n // 3], flat[n // 2], flat[-1]]  # yapf: disable
    np.testing.assert_allclose([float(x) for x in ours],
                               expected,
                               rtol=0,
                               atol=atol)
