"""What an adapter says about one measured case, and how far off that is."""

from __future__ import annotations

from dataclasses import dataclass, field

FLOOR = 64 << 20  # errors are relative to the measured figure, or to this where that is smaller
# Parts that are no bytes: their error is relative to the measured figure alone.
COUNTS = frozenset({"kv_cache_tokens", "max_concurrency", "fit_choice"})

Pairs = dict[str, list[tuple[float, float]]]  # part -> (predicted, measured) for each device


class Unsupported(Exception):
    """The case can't be computed; the message says why."""


@dataclass(slots=True)
class CaseResult:
    """One case compared."""

    id: str
    engine: str
    kind: str
    model: str
    status: str  # ok | refused | unsupported | missed
    reason: str | None = None
    parts: dict[str, dict[str, float]] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """The case as the JSON document shows it."""
        return {
            "id": self.id,
            "engine": self.engine,
            "kind": self.kind,
            "model": self.model,
            "status": self.status,
            "reason": self.reason,
            "parts": self.parts,
        }


def worst(part: str, pairs: list[tuple[float, float]]) -> dict[str, float]:
    """The pair with the largest absolute relative error."""

    def error(pair: tuple[float, float]) -> float:
        predicted, measured = pair
        base = measured if part in COUNTS else max(measured, FLOOR)
        return (predicted - measured) / (base or 1)

    predicted, measured = max(pairs, key=lambda p: abs(error(p)))
    return {"predicted": predicted, "measured": measured, "error": error((predicted, measured))}
