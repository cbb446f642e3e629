"""Numbers that the page sends, checked."""
import re
from collections.abc import Mapping

Query = Mapping[str, str]

_NUMBERS = re.compile(r'\d{1,6}(,\d{1,6})*')
_MOST = 10_000  # characters of a list


def number(query: Query, name: str, low: float, high: float,
           default: float) -> float:
    """A number of a query.

    Args:
        query: The parameters of a request.
        name: Which one.
        low: It is not below this.
        high: It is not above this.
        default: If it is missing.

    Raises:
        ValueError: If it is no such number.
    """
    text = query.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = float('nan')
    if not low <= value <= high:
        raise ValueError(f'{name} is {text[:40]!r}; a number from {low:g} to '
                         f'{high:g} is expected')
    return value


def positions(query: Query, name: str) -> list[int] | None:
    """A list of positions like ``0,5,17``, or None if it is missing.

    Raises:
        ValueError: If it is of another form.
    """
    text = query.get(name)
    if text is None:
        return None
    if len(text) > _MOST or not _NUMBERS.fullmatch(text):
        raise ValueError(f'{name} is {text[:40]!r}; positions with commas '
                         'between them are expected')
    return [int(word) for word in text.split(',')]
