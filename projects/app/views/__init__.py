"""What the page can do with a model and a picture, a module for each."""
from collections.abc import Mapping
from typing import Any, Protocol, cast

import numpy as np
from mmengine.config import Config

from . import attend, detect, reconstruct
from .answer import Answer


class View(Protocol):
    """What a module of this package is."""

    @staticmethod
    def fits(cfg: Config) -> bool:
        """Whether it can show the model of a config."""

    @staticmethod
    def load(cfg: Config, checkpoint: str | None) -> Any:
        """The model with its weights, or with random ones."""

    @staticmethod
    def show(model: Any, rgb: np.ndarray, query: Mapping[str, str]) -> Answer:
        """Run the model on a picture, uint8 RGB (H, W, 3)."""


VIEWS = cast(Mapping[str, View],
             dict(reconstruct=reconstruct, detect=detect, attend=attend))

__all__ = ['VIEWS', 'Answer', 'View']
