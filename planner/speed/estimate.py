"""How fast a model runs: decode, prefill, time to first token, each with the interval that measurements fill.

Pure functions of a model's work, the stored bits of its weights and a situation; a few dozen terms, well
under a millisecond.
"""

from __future__ import annotations

from planner.fast_dataclass import dataclass
from planner.plan import Interval, SpeedEstimate
from planner.speed.coefficients import Fit, coefficients, features
from planner.speed.reasons import explain
from planner.speed.situation import Situation
from planner.speed.terms import Term, decode_terms, prefill_terms
from planner.speed.work import ModelWork, WeightBits

MTP_ACCEPTED = 0.7  # share of drafted tokens accepted in ordinary text; an assumption, shown as such


@dataclass(frozen=True, slots=True)
class Timing:
    """One time with its parts."""

    seconds: float
    parts: dict[str, float]  # seconds by part of the model of planner.speed.terms


def timing(fit: Fit, terms: list[Term]) -> Timing:
    """Add the terms up."""
    parts: dict[str, float] = {}
    for term, seconds in zip(terms, fit.seconds(terms), strict=True):
        parts[term.part] = parts.get(term.part, 0.0) + seconds
    return Timing(sum(parts.values()), parts)


def decode(
    w: ModelWork,
    bits: WeightBits,
    s: Situation,
    depth: float,
    *,
    batch: float = 1,
    prompt_per_token: float = 0,
) -> tuple[Interval, Timing]:
    """Tokens/s of one stream when `batch` run at once, each with `depth` tokens in its cache."""
    fit = coefficients().decode
    t = timing(fit, decode_terms(w, bits, s, depth, batch=batch, prompt_per_token=prompt_per_token))
    interval = fit.spread.interval(1 / t.seconds, features(fit, w, s, depth=depth, batch=batch))
    return _guessed(interval, s), t


def prefill(
    w: ModelWork, bits: WeightBits, s: Situation, prompt: float, depth: float = 0
) -> tuple[Interval, Timing]:
    """Tokens/s with which a prompt of `prompt` tokens is read on top of `depth` cached ones."""
    fit = coefficients().prefill
    t = timing(fit, prefill_terms(w, bits, s, prompt, depth))
    interval = fit.spread.interval(prompt / t.seconds, features(fit, w, s, depth=depth + prompt, batch=1))
    return _guessed(interval, s), t


def _guessed(interval: Interval, s: Situation) -> Interval:
    """Wider where bandwidth or rate of a device had to be guessed: cards of one size differ by a factor of two."""
    if all(d.exact for d in s.devices) and (s.devices or s.host.exact):
        return interval
    return Interval(interval.low / 2, interval.expected, interval.high * 2)


def speculative_gain(draft: int, accepted: float = MTP_ACCEPTED) -> float:
    """Tokens a step with `draft` drafted tokens, each accepted with the same chance, less the drafts' cost.

    The expected length is (1 - a^(d+1)) / (1 - a); a draft layer costs about 6 % of a step.
    """
    if draft <= 0:
        return 1.0
    tokens = (1 - accepted ** (draft + 1)) / (1 - accepted)
    return float(max(1.0, tokens / (1 + 0.06 * draft)))


def estimate(
    w: ModelWork,
    bits: WeightBits,
    s: Situation,
    *,
    depth: int,
    prompt: int = 1024,
    output: int = 512,
    users: int = 1,
    draft: int = 0,
) -> SpeedEstimate:
    """The whole answer for one situation.

    `depth`: tokens in the cache at which decode is meant; `prompt`, `output`: tokens of a request; `users`:
    streams at once; `draft`: tokens drafted a step by the model's own prediction layers (0: none).
    """
    prompt = max(1, prompt)
    ratio = prompt / max(1, output) if users > 1 else 0.0
    speed, step = decode(w, bits, s, depth, batch=users, prompt_per_token=ratio)
    gain = speculative_gain(draft)
    if gain > 1:
        speed = Interval(speed.low, speed.expected * gain, speed.high * gain * 1.15)
    reading, work = prefill(w, bits, s, prompt)
    # with several users a prompt waits for half of the others' prompts on average, and for one decode step
    wait = (users + 1) / 2 if users > 1 else 1.0
    first = Interval(
        prompt * wait / reading.high + 1 / speed.high,
        prompt * wait / reading.expected + 1 / speed.expected,
        prompt * wait / reading.low + 1 / speed.low,
    )
    total = None
    if users > 1:
        total = Interval(speed.low * users, speed.expected * users, speed.high * users)
    limited, faster = explain(w, bits, s, step.parts, work.parts, depth=depth, users=users, draft=draft)
    return SpeedEstimate(
        decode_tps=speed,
        prefill_tps=reading,
        ttft_s=first,
        total_output_tps=total,
        limited_by=limited,
        faster=faster,
        depth=depth,
        basis=_basis(s),
    )


def _basis(s: Situation) -> str:
    c = coefficients()
    if not s.devices:
        return f"fitted {c.date} on {c.decode.cards.get('cpu', 0)} measurements on processors"
    d = s.devices[0]
    if not d.exact:
        return f"bandwidth or compute of this GPU is not known and assumed; fitted {c.date}"
    n = c.decode.cards.get(d.card, 0)
    where = "this device"
    if not n:
        n, where = c.decode.generations.get(d.generation, 0), f"its generation ({d.generation})"
    if not n:
        n, where = c.decode.vendors.get(d.vendor, 0), f"other hardware of {d.vendor}"
    engine = c.decode.engines.get(s.engine, 0)
    return f"fitted {c.date} on {n:,} measurements on {where}, {engine:,} with {s.engine}"
