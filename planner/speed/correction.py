"""What was measured on this machine, as a factor on what is estimated for it."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, sqrt
from statistics import median
from typing import Final

from planner.fast_dataclass import dataclass, replace
from planner.plan import Interval, SpeedEstimate

_OWN: Final = (
    0.25  # spread of machines of one kind around their estimate, log scale: half of a home's interval
)
_OTHERS: Final = 0.12  # spread of models around a machine's own factor
_MOST: Final = 1.5  # log: a factor beyond 4.5 is another model or another setting, not this machine


@dataclass(frozen=True, slots=True)
class Factor:
    """Measured over estimated speed on this machine under one engine and backend."""

    value: float
    """What estimates are multiplied by."""
    low: float
    """Where the factor of another model lies at least, in 80 % of cases."""
    high: float
    """And at most."""
    count: int
    """Measurements that it rests on."""


def factor_of(ratios: Sequence[float]) -> Factor | None:
    """The factor behind measured/estimated ratios: their median, drawn towards 1 the fewer they are.

    None where there are none that a machine's own speed explains.
    """
    logs = [log(r) for r in ratios if r > 0 and abs(log(r)) <= _MOST]
    if not logs:
        return None
    middle = median(logs)
    noise = _OTHERS / sqrt(len(logs))
    value = middle * _OWN**2 / (_OWN**2 + noise**2)
    spread = 1.28 * sqrt(noise**2 + _OTHERS**2)
    return Factor(exp(value), exp(value - spread), exp(value + spread), len(logs))


def corrected(speed: SpeedEstimate, decode: Factor | None, prefill: Factor | None) -> SpeedEstimate:
    """The estimate with the factors of this machine; as it was without any."""
    if decode is None and prefill is None:
        return speed
    first = prefill or decode
    both = [f"{f.value:.2f} on {what}" for what, f in (("decode", decode), ("prefill", prefill)) if f]
    count = sum(f.count for f in (decode, prefill) if f)
    return replace(
        speed,
        decode_tps=_scaled(speed.decode_tps, decode),
        prefill_tps=_scaled(speed.prefill_tps, prefill),
        total_output_tps=speed.total_output_tps and _scaled(speed.total_output_tps, decode),
        ttft_s=_slower(speed.ttft_s, first),
        ttft_p95_s=speed.ttft_p95_s and _slower(speed.ttft_p95_s, first),
        ttft_at_once_s=speed.ttft_at_once_s and _slower(speed.ttft_at_once_s, first),
        basis=f"measured here: factor {', '.join(both)} ({count} measurements); before that {speed.basis}",
    )


def _scaled(interval: Interval, factor: Factor | None) -> Interval:
    """Times the factor, no wider than the estimate was: the machine's share of its width is known now."""
    if factor is None:
        return interval
    middle = interval.expected * factor.value
    low = max(factor.low / factor.value, interval.low / interval.expected)
    high = min(factor.high / factor.value, interval.high / interval.expected)
    return Interval(middle * low, middle, middle * high)


def _slower(seconds: Interval, factor: Factor | None) -> Interval:
    if factor is None:
        return seconds
    speed = _scaled(Interval(1 / seconds.high, 1 / seconds.expected, 1 / seconds.low), factor)
    return Interval(1 / speed.high, 1 / speed.expected, 1 / speed.low)
