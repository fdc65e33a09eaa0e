"""llama.cpp's settings as people write them -> values of the right type.

A command line gives words: "3,1" for tensor_split, "exps=CPU" for override_tensor, "on" for a switch. Values
that are of the right type already pass through.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from planner.errors import InputError

# written the other way round on llama.cpp's command line
_NEGATED: Final = {"no_kv_offload": "kv_offload", "no_op_offload": "op_offload", "no_mmap": "mmap"}
NEGATED: Final = frozenset(_NEGATED)
_ON: Final = frozenset({"on", "true", "yes", "1"})
_OFF: Final = frozenset({"off", "false", "no", "0"})


def typed(overrides: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with values of the types that `defaults` has.

    Raises InputError for a name that is not there and for a value that cannot be one of its type.
    """
    settings: dict[str, Any] = {}
    for written, given in overrides.items():
        name, value = written, given
        if written in _NEGATED:
            name, value = _NEGATED[written], not _switch(written, given)
        if name not in defaults:
            raise InputError(f"llama.cpp has no setting '{name}'; it has {', '.join(sorted(defaults))}")
        settings[name] = _convert(name, value, defaults[name])
    return settings


def _convert(name: str, value: Any, default: Any) -> Any:
    if name == "flash_attn":
        return ("on" if value else "off") if isinstance(value, int) else value
    if name == "tensor_split":
        return _numbers(name, value)
    if name == "override_tensor":
        return _pairs(name, value)
    if name == "spec_draft_model":
        if isinstance(value, str | int | float):
            raise InputError(f"spec_draft_model '{value}' has to be loaded first, as planner.plan does")
        return value
    if isinstance(default, bool):
        return _switch(name, value)
    if isinstance(default, int) or default is None:
        if isinstance(value, bool) or not isinstance(value, int | None):
            raise InputError(f"{name} is '{value}', it must be a whole number")
        return value
    if not isinstance(value, str):
        raise InputError(f"{name} is '{value}', it must be a word such as {default}")
    return value.lower()


def _switch(name: str, value: Any) -> bool:
    word = str(value).lower()
    if word in _ON:
        return True
    if word in _OFF:
        return False
    raise InputError(f"{name} is '{value}', it must be on or off")


def _numbers(name: str, value: Any) -> tuple[float, ...]:
    parts = value.replace("/", ",").split(",") if isinstance(value, str) else value
    try:
        numbers = tuple(float(p) for p in (parts if isinstance(parts, list | tuple) else (parts,)))
    except (TypeError, ValueError):
        numbers = ()
    if not numbers or any(not math.isfinite(n) or n < 0 for n in numbers):
        raise InputError(f"{name} is '{value}', it must be shares such as 3,1")
    return numbers


def _pairs(name: str, value: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(value, tuple | list):
        return tuple((str(pattern), str(buffer)) for pattern, buffer in value)
    pairs = []
    for part in str(value).split(","):
        pattern, separator, buffer = part.partition("=")
        if not separator or not pattern or not buffer:
            raise InputError(f"{name} is '{value}', it must be PATTERN=BUFFER such as exps=CPU")
        pairs.append((pattern, buffer))
    return tuple(pairs)
