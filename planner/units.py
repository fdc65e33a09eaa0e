"""Bytes, contexts and rates: parse what people type, print what people read.

GB is 10^9 bytes and GiB is 2^30; a printed label always says which. Parsing and printing never depend
on the locale.
"""

from __future__ import annotations

import re
from typing import Final

from planner.errors import FieldError, InputError

KIB: Final = 1 << 10
MIB: Final = 1 << 20
GIB: Final = 1 << 30
TIB: Final = 1 << 40
GB: Final = 10**9

# A bare "24G" or "24" means GiB: that is how vendors size memory (a "24 GB" card has 24 GiB of chips).
_SIZE_FACTORS: Final = {
    "": GIB,
    "b": 1,
    "k": KIB,
    "kb": 1000,
    "kib": KIB,
    "m": MIB,
    "mb": 10**6,
    "mib": MIB,
    "g": GIB,
    "gb": GB,
    "gib": GIB,
    "t": TIB,
    "tb": 10**12,
    "tib": TIB,
}
_NUMBER: Final = re.compile(r"^\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*([A-Za-z]*)\s*$")
_CONTEXT_FACTORS: Final = {"": 1, "k": 1024, "m": 1024 * 1024}
MAX_BYTES: Final = 1 << 60
MAX_CONTEXT: Final = 1 << 31


def parse_size(text: str, what: str = "size", *, field: str | None = None) -> int:
    """Return the bytes of a size such as ``24GiB``, ``24G`` (GiB), ``24000MiB`` or ``24GB`` (10^9).

    Raises InputError for anything that is not a positive, finite amount of memory; FieldError where it is the
    value of a field.
    """
    match = _NUMBER.match(text)
    factor = _SIZE_FACTORS.get(match.group(2).lower()) if match else None
    if match is None or factor is None:
        raise _refused(what, field, f"'{text}' is not a size; write for example 24GiB, 24G or 24000MiB")
    value = float(match.group(1)) * factor
    if value < 1:
        raise _refused(what, field, f"'{text}' must be more than zero; write for example 24GiB")
    if value > MAX_BYTES:
        raise _refused(what, field, f"'{text}' is more memory than any machine has; write for example 24GiB")
    return int(value)


def parse_memory(text: str, what: str = "memory", *, field: str | None = None) -> int:
    """Return the bytes of a memory's size; GB and TB are 2^30 and 2^40 here, as vendors of memory mean them.

    A card of "24GB" and a kit of "64GB" hold GiB. Raises as parse_size.
    """
    match = _NUMBER.match(text)
    binary = {"gb": "GiB", "tb": "TiB", "mb": "MiB"}.get(match.group(2).lower()) if match else None
    return parse_size(f"{match.group(1)}{binary}" if match and binary else text, what, field=field)


def parse_context(text: str, what: str = "context", *, field: str | None = None) -> int:
    """Return the tokens of a context such as ``32k`` (= 32768), ``1M`` or ``4096``.

    Raises InputError for anything that is not a positive whole number of tokens; FieldError where it is the
    value of a field.
    """
    match = _NUMBER.match(text)
    factor = _CONTEXT_FACTORS.get(match.group(2).lower()) if match else None
    if match is None or factor is None:
        raise _refused(what, field, f"'{text}' is not a number of tokens; write for example 32k or 32768")
    value = float(match.group(1)) * factor
    if value < 1 or value != int(value):
        raise _refused(what, field, f"'{text}' must be a whole number of tokens above zero, for example 32k")
    if value > MAX_CONTEXT:
        raise _refused(what, field, f"'{text}' is longer than any model's context; write for example 128k")
    return int(value)


def _refused(what: str, field: str | None, problem: str) -> InputError:
    return InputError(f"{what} {problem}") if field is None else FieldError(field, problem)


def gib(size: int, digits: int = 1) -> str:
    """Print bytes as GiB, for example ``12.9 GiB``."""
    return f"{size / GIB:.{digits}f} GiB"


def mib(size: int) -> str:
    """Print bytes as whole MiB with a thousands separator, for example ``8,148 MiB``."""
    return f"{size / MIB:,.0f} MiB"


def size_text(size: int) -> str:
    """Print bytes in the unit a reader expects: MiB below 1 GiB, GiB above, TiB from 1 TiB."""
    if size < GIB:
        return mib(size)
    if size < TIB:
        return gib(size)
    return f"{size / TIB:.2f} TiB"


def context_text(tokens: int) -> str:
    """Print a context: ``32k`` where it is a whole number of 1024 tokens, else plain tokens."""
    if tokens >= 1 << 20 and tokens % (1 << 20) == 0:
        return f"{tokens >> 20}M"
    if tokens >= KIB and tokens % KIB == 0:
        return f"{tokens // KIB}k"
    return f"{tokens:,}"


def nice_context(tokens: int, trained: int) -> int:
    """Largest round context not above `tokens`: the trained one, or a power of two (or 1.5 times one)."""
    if tokens >= trained:
        return trained
    best = 0
    for exponent in range(10, 24):
        for value in (1 << exponent, 3 << (exponent - 1)):
            if value <= tokens:
                best = max(best, value)
    return best


def context_about(tokens: int) -> str:
    """Print a longest context rounded down to what people say: 131072 -> 128k, 43520 -> 42k."""
    if tokens >= 1 << 20:
        return f"{tokens / (1 << 20):.3g}M"
    return f"{tokens // KIB}k" if tokens >= KIB else str(tokens)


def rate_text(value: float) -> str:
    """Print a rate with as many digits as it deserves: 0.42, 7.3, 58, 1,240."""
    if value < 1:
        return f"{value:.2f}"
    if value < 10:
        return f"{value:.1f}"
    if value < 1000:
        return f"{value:.0f}"
    return f"{round(value, -1):,.0f}"


def money_text(value: float | None, currency: str) -> str:
    """Print an amount: whole from 100 on, with two decimals below; a point and a comma in every locale."""
    if value is None:
        return "no price"
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"
    return f"{text} {currency}".rstrip()


def round_up(value: int, multiple: int) -> int:
    """Round a non-negative integer up to a multiple."""
    return -(-value // multiple) * multiple
