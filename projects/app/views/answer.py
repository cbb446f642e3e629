"""What a view answers."""
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Answer:
    """Pictures and numbers for the page.

    Attributes:
        pictures: uint8 RGB (H, W, 3) by name, in the order of the page.
        facts: Plain values that the page uses.
        note: A sentence for the user.
    """
    pictures: Mapping[str, np.ndarray]
    note: str
    facts: Mapping[str, Any] = field(default_factory=dict)
