"""Glimpse: vision models that learn from part of an image.

    >>> import projects
    >>> projects.list_models('upernet')
    >>> model = projects.get_model(NAME, pretrained=True)
    >>> projects.register_names()  # for the toolboxes' inferencers

Importing this package imports nothing else: these names are looked up when
they are used.
"""
import importlib

_PLACES = {
    'get_model': 'projects.zoo.models',
    'list_models': 'projects.zoo.index',
    'register_names': 'projects.zoo.models',
}
__all__ = list(_PLACES)


def __getattr__(name: str):
    """Find a name of the package at its first use."""
    if name not in _PLACES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(_PLACES[name]), name)
