"""Engine settings on the command line: any option that is not the planner's own is the engine's.

`planner plan MODEL --n-cpu-moe 12 -ctk q8_0` passes n_cpu_moe and cache_type_k on under the engine's own
names; the engine refuses what it doesn't know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from planner.errors import InputError

CONTEXT_SETTINGS: Final[dict[str, Any]] = {"allow_extra_args": True, "ignore_unknown_options": True}

_TRUE: Final = {"true", "yes"}
_FALSE: Final = {"false", "no"}


def spell_out(arguments: Sequence[str]) -> list[str]:
    """Turn the engines' own short options (-ctk, -ngl, -tp …) into long ones.

    With one dash the command line would read "-ctk" as "-c tk".
    """
    return [
        f"-{word}" if _is_short(word) and _name_of(word) in _option_names() else word for word in arguments
    ]


def _is_short(word: str) -> bool:
    """True for one dash and several letters."""
    return word[:1] == "-" and word[1:2] != "-" and 1 < len(_name_of(word)) <= 5


def _name_of(word: str) -> str:
    return word.lstrip("-").partition("=")[0].replace("-", "_")


def _option_names() -> Mapping[str, str]:
    """Every engine's own spelling of options -> the names of its settings."""
    from planner.api import engine_options

    return engine_options()


def parse_settings(arguments: Sequence[str]) -> dict[str, Any]:
    """Return settings from what the command line had left over.

    An option followed by no value is a switch (True). Raises InputError for a word that is no option.
    """
    settings: dict[str, Any] = {}
    rest = list(arguments)
    spelled = _option_names() if rest else {}
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word in {"-", "--"}:
            raise InputError(f"'{word}' was not expected here; engine settings are written as --name value")
        name, joined, value = word.partition("=")
        key = _name_of(name)
        key = spelled.get(key, key)
        if not joined:
            value = rest.pop(0) if rest and _is_value(rest[0]) else "true"
        if key in settings:
            raise InputError(f"{name} is given twice")
        settings[key] = _typed(value)
    return settings


def _is_value(word: str) -> bool:
    if not word.startswith("-"):
        return True
    return word[1:].replace(".", "", 1).isdigit()


def _typed(text: str) -> Any:
    lower = text.lower()
    if lower in _TRUE:
        return True
    if lower in _FALSE:
        return False
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
