"""Numbers from outside: caches, users' files, servers, drivers. Finite, whole, within bounds, or None.

JSON and TOML hold Infinity, NaN, integers of any length and truth values that pass as 1; text holds digits that
int() refuses (²) or takes seconds for. Nothing here raises.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

MAX_BYTES: Final = 1 << 50  # bytes of any one thing: a device, a file, a tensor (1 PiB)
MAX_COUNT: Final = 1 << 40  # of anything that is counted: tokens, elements of a row
_DIGITS: Final = frozenset("0123456789")


def whole(value: Any, low: int = 0, high: int = MAX_COUNT) -> int | None:
    """Return a whole number from `low` to `high`; None for anything else, truth values and text included."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if low <= value <= high else None
    if isinstance(value, float) and math.isfinite(value) and value.is_integer() and low <= value <= high:
        return int(value)
    return None


def size(value: Any) -> int | None:
    """Return a number of bytes above zero, None for anything else."""
    return whole(value, 1, MAX_BYTES)


def real(value: Any, low: float, high: float) -> float | None:
    """Return a finite number from `low` to `high`; None for anything else, truth values and text included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    # An integer of any length compares with a float; only then may it become one.
    return float(value) if low <= value <= high else None


def digits(text: str, high: int = MAX_COUNT) -> int | None:
    """Return the number that ASCII digits say, at most `high`; None for any other text, "²" or "+1"."""
    if not text or len(text) > 20 or not _DIGITS.issuperset(text):
        return None
    value = int(text)
    return value if value <= high else None


def elements(shape: Iterable[Any], high: int = MAX_BYTES) -> int | None:
    """Return how many elements a shape has; None where an extent is no whole number or all are too many."""
    product = 1
    for extent in shape:
        checked = whole(extent, 0, high)
        if checked is None:
            return None
        product *= checked
        if product > high:
            return None
    return product
