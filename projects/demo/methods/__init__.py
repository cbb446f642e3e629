"""Methods to demonstrate, one module each, found by name.

A module has

- ``PARTS``: what it needs of the embedded data, as ``make_shapes.py --parts``
  takes it. With ``'cls'`` among them, ``--data`` brings the user's images.
- ``plan(demo)``: writes down trainings, steps and rows with the verbs of
  :class:`projects.demo.plan.Demo`.
"""
import importlib
import pkgutil
from typing import Protocol, cast

from ..plan import Demo


class Method(Protocol):
    """What a module of this package is."""
    PARTS: tuple[str, ...]

    @staticmethod
    def plan(demo: Demo) -> None:
        """Write the demonstration down."""


def names() -> list[str]:
    """All methods."""
    return [module.name for module in pkgutil.iter_modules(__path__)]


def load(name: str) -> Method:
    """The method of a name."""
    return cast(Method, importlib.import_module(f'{__name__}.{name}'))
