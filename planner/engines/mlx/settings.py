"""MlxSettings: the options of mlx_lm.server and mlx_lm.generate that decide memory, and mlx-lm's defaults (0.32.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.units import parse_context

DEFAULT_STEP: Final = 2048  # tokens of a prompt that are read at a time: generate.py generate_step


@dataclass(frozen=True, slots=True)
class MlxSettings:
    """Options with underscores; lengths in tokens, sizes in bytes."""

    context: int | None = (
        None  # tokens of prompt and answer together; mlx-lm has no such option, it grows as it goes
    )
    prefill_step_size: int = DEFAULT_STEP
    max_kv_size: int | None = None
    kv_bits: int | None = None
    kv_group_size: int = 64
    quantized_kv_start: int = 5000  # generate.py DEFAULT_QUANTIZED_KV_START
    decode_concurrency: int = 32  # server.py
    prompt_concurrency: int = 8
    prompt_cache_size: int = 10
    prompt_cache_bytes: int | None = None
    draft_model: Any = None
    num_draft_tokens: int = 3


_FIELDS: Final = tuple(f.name for f in fields(MlxSettings))
SETTINGS: Final = frozenset(_FIELDS)
_KV_BITS: Final = (2, 3, 4, 5, 6, 8)
_GROUPS: Final = (32, 64, 128)


def settings_from(given: Mapping[str, Any]) -> MlxSettings:
    """Return the settings that a person gave; InputError for a name or a value that mlx-lm doesn't have."""
    known: dict[str, Any] = {}
    for name, value in given.items():
        field = name.replace("-", "_").removeprefix("__")
        if field not in SETTINGS:
            raise InputError(
                f"mlx-lm has no setting '{name}' that the planner knows; see mlx_lm.server --help"
            )
        known[field] = _checked(field, value)
    return MlxSettings(**known)


def _checked(field: str, value: Any) -> Any:
    if value is None or field == "draft_model":
        return value
    if field == "context" and isinstance(value, str):
        return parse_context(value, field="context")
    least = 0 if field in ("quantized_kv_start", "prompt_cache_size", "prompt_cache_bytes") else 1
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{field} must be a whole number from {least} up, not {value!r}")
    choices = {"kv_bits": _KV_BITS, "kv_group_size": _GROUPS}.get(field)
    if choices is not None and value not in choices:
        raise InputError(f"{field} must be one of {', '.join(map(str, choices))}, not {value!r}")
    return value
