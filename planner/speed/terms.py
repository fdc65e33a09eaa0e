"""Terms: the seconds that each part of the work costs at the hardware's peak, with the names of the effects.

A time is the sum over terms of `seconds × exp(sum of effect × value)`. The effects are fitted in
benchmarks/fit_speed.py from the same terms, so that what was fitted is what is evaluated. Effects are named
`part` (all), `part@vendor`, `part@generation+backend`, `part@card`, `part#engine`, `part:quant kind`: each
narrower one is a correction to the wider, zero where nothing was measured.
"""

from __future__ import annotations

from typing import NamedTuple

from planner.speed.model_work import ModelWork
from planner.speed.situation import Situation

LAYER = 1e-5  # seconds: the unit in which launch overheads a layer are expressed


class Term(NamedTuple):
    """One part of a time."""

    part: str
    seconds: float
    effects: tuple[tuple[str, float], ...]


def device_effects(part: str, s: Situation, *, card: bool = True) -> list[tuple[str, float]]:
    """Effects of a part from all devices down to the card, and the engine's."""
    d = s.devices[0]
    out = [
        (part, 1.0),
        (f"{part}@{d.vendor}", 1.0),
        (f"{part}@{d.memory}", 1.0),
        (f"{part}@{d.generation}", 1.0),
        (f"{part}@{d.generation}+{d.backend}", 1.0),
    ]
    if d.vendor != "apple":
        out.append((f"{part}@{d.vendor}+{d.backend}", 1.0))
    if card:
        out.append((f"{part}@@{d.card}", 1.0))
        out.append((f"{part}@@{d.card}+{d.backend}", 1.0))
    if not s.reference:
        out.append((f"{part}#{s.family}", 1.0))
        out.append((f"{part}#{s.family}@{d.generation}", 1.0))
    if s.variant:
        out.append((f"{part}+{s.variant}", 1.0))
    return out


def era(s: Situation) -> float:
    """Years from mid-2026 to the engine's build, as far as the trend goes."""
    return max(-2.75, min(0.4, s.year - 2026.5))


def attention_effects(part: str, s: Situation) -> list[tuple[str, float]]:
    """Effects of attention's kernels, which differ by backend and without flash attention."""
    out = device_effects(part, s, card=False)
    if s.flash_attention is False:
        d = s.devices[0]
        out += [(f"{part}-fa", 1.0), (f"{part}-fa@{d.vendor}+{d.backend}", 1.0)]
    return out


def ring_bytes(w: ModelWork, n: int, tokens: float) -> float:
    """Bytes that each of `n` devices sends while two results a layer are added up over a ring, 16 bits each."""
    return 2.0 * w.n_layer * tokens * w.hidden * 2.0 * 2.0 * (n - 1) / n
