"""Loaded models, the ones used last."""
import copy
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import DefaultScope

from .choices import Choice
from .views import VIEWS, Answer

KEPT = 3  # models in memory


class Models:
    """Models by name, loaded when they are first used.

    Not safe to use from several threads at once.

    Args:
        choices: What can be chosen. Their configs are read, and what those
            name is imported.

    Raises:
        FileNotFoundError: If there is no such config.
        ValueError: If two choices have one name.
    """

    def __init__(self, choices: Iterable[Choice]) -> None:
        self._choices: dict[str, tuple[Choice, Config]] = {}
        for choice in choices:
            if choice.name in self._choices:
                raise ValueError(f'model {choice.name!r} is given twice')
            cfg = Config.fromfile(choice.config)
            self._choices[choice.name] = choice, cfg
        self._loaded: OrderedDict[tuple[str, str], Any] = OrderedDict()

    def names(self, view: str) -> list[str]:
        """Models that a view can show."""
        return [
            name for name, (_, cfg) in self._choices.items()
            if VIEWS[view].fits(cfg)
        ]

    def show(self, view: str, name: str, rgb: np.ndarray,
             query: Mapping[str, str]) -> Answer:
        """Run a model on a picture.

        Args:
            view: A key of ``VIEWS``.
            name: Of the model.
            rgb: uint8 (H, W, 3).
            query: Parameters of the view.

        Raises:
            OSError: If the checkpoint cannot be read.
            ValueError: If the model is not for this view, its checkpoint does
                not fit, or a parameter is wrong.
        """
        if name not in self.names(view):
            raise ValueError(f'there is no model {name[:100]!r} for this')
        scope = self._choices[name][1].get('default_scope', 'mmengine')
        with DefaultScope.overwrite_default_scope(scope):
            return VIEWS[view].show(self._get(view, name), rgb, query)

    def _get(self, view: str, name: str) -> Any:
        """A view's model, loaded if it is not there."""
        key = view, name
        if key not in self._loaded:
            choice, cfg = self._choices[name]
            while len(self._loaded) >= KEPT:
                self._loaded.popitem(last=False)
            self._loaded[key] = VIEWS[view].load(
                copy.deepcopy(cfg), choice.checkpoint)
        self._loaded.move_to_end(key)
        return self._loaded[key]
