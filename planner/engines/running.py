"""What a running server tells of itself; which pages it has, each engine knows (its server.py).

A server's answers are somebody else's text: they are read defensively, and what isn't as expected is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Protocol

from planner.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Running:
    """One model that a server runs; figures that the server doesn't tell are None. Sizes are bytes."""

    engine: str  # its name in the register
    build: str
    model: str  # as the server names it
    quant: str | None = None
    path: str | None = None  # of the GGUF, on the server's machine
    context: int | None = None  # tokens a sequence
    sequences: int | None = None  # slots
    total: int | None = None  # memory of the model on all devices
    vram: int | None = None  # of it on GPUs
    kv_tokens: int | None = None  # tokens that the whole KV cache holds
    settings: Mapping[str, Any] = field(default_factory=dict)  # the engine's own, as far as it tells them
    process_ram: int | None = None  # resident memory of a server on this machine
    process_vram: int | None = None  # GPU memory of its process
    notes: tuple[str, ...] = ()  # what it can't tell, and who does


class Pages(Protocol):
    """The pages of one server."""

    def text(self, page: str) -> str | None:
        """Return a page's text, None where the server has no such page."""
        ...

    def object(self, page: str) -> Mapping[str, Any] | None:
        """Return a page's JSON object, None where it is something else."""
        ...

    def process_memory(self) -> tuple[int | None, int | None]:
        """Return resident and GPU memory of the server's process, bytes; None where that can't be seen."""
        ...


def section(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return an object inside an object, empty where it is something else."""
    inner = value.get(key)
    return inner if isinstance(inner, dict) else {}


def text(value: Any) -> str | None:
    """Return a server's string, fit to be printed."""
    if not isinstance(value, str):
        return None
    return "".join(c if c.isprintable() else " " for c in value[:300]).strip() or None


def count(value: Any) -> int | None:
    """Return a whole number that isn't negative, also from decimal text."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 19:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 62:
        return None
    return value
