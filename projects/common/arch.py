"""Architectures by name or spelled out."""
import difflib
from collections.abc import Mapping


def resolve_arch(arch: str | dict, archs: Mapping[str, dict]) -> dict:
    """Resolve an architecture by name, or check one that is spelled out.

    Args:
        arch: A key of ``archs`` or a dict with the same fields.
        archs: The architectures of a backbone, one called ``'base'``.

    Raises:
        ValueError: If the name is unknown or a field is missing.
    """
    if isinstance(arch, dict):
        missing = archs['base'].keys() - arch.keys()
        if missing:
            raise ValueError(f'arch lacks {sorted(missing)}; it needs '
                             f'{list(archs["base"])}')
        return dict(arch)
    if arch not in archs:
        near = difflib.get_close_matches(str(arch), archs, n=1, cutoff=0)
        raise ValueError(f'unknown arch {arch!r}; did you mean {near[0]!r}? '
                         f'Choose from {list(archs)}')
    return archs[arch]
