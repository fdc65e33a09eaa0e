"""How fast a model runs: decode, prefill, time to first token, each with the interval that measurements fill.

Pure functions of a model's work, the stored bits of its weights and a situation; a few dozen terms, well
under a millisecond.
"""

from __future__ import annotations

from typing import Final

from planner.fast_dataclass import dataclass
from planner.plan import Interval, SpeedEstimate
from planner.speed.coefficients import Fit, coefficients, features, group_of
from planner.speed.decode_terms import decode_terms
from planner.speed.draft_gains import measured_gain
from planner.speed.first_token import FirstToken, first_token
from planner.speed.job import Job, Load, Traffic
from planner.speed.prefill_terms import prefill_terms
from planner.speed.reasons import explain
from planner.speed.situation import Situation
from planner.speed.terms import Term

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
    job: Job, depth: float, load: Load | None = None, *, fit: Fit | None = None
) -> tuple[Interval, Timing]:
    """Tokens/s of one stream under a load, each stream with `depth` tokens in its cache.

    `fit`: other coefficients than those shipped.
    """
    fit = fit or coefficients().decode
    load = load or Load()
    t = timing(fit, decode_terms(job, depth, load))
    known = features(fit, job, depth=depth, batch=load.streams)
    speed = _guessed(fit.spread.interval(1 / t.seconds, known), job.situation)
    return (_launched(speed, job) if job.situation.eager else speed), t


def prefill(job: Job, prompt: float, depth: float = 0, *, fit: Fit | None = None) -> tuple[Interval, Timing]:
    """Tokens/s with which a prompt of `prompt` tokens is read on top of `depth` cached ones.

    `fit`: other coefficients than those shipped.
    """
    fit = fit or coefficients().prefill
    t = timing(fit, prefill_terms(job, prompt, depth))
    known = features(fit, job, depth=depth + prompt, batch=1)
    return _guessed(fit.spread.interval(prompt / t.seconds, known), job.situation), t


def _guessed(interval: Interval, s: Situation) -> Interval:
    """Wider where bandwidth or rate of a device had to be guessed: cards of one size differ by a factor of two."""
    if all(d.exact for d in s.devices):
        return interval
    return Interval(interval.low / 2, interval.expected, interval.high * 2)


# Seconds that the host takes to run and launch one operation of a layer in eager mode, on a fast, an ordinary and a
# slow core, an assumption with one measurement inside (gpt-oss-120b on GB10: 59 tokens/s with graphs, 26 without);
# operations of a layer: norms, projections, rope, cache write, attention, activation, and the choice of experts.
_LAUNCH: Final = (10e-6, 20e-6, 40e-6)
_OPERATIONS, _OF_EXPERTS = 20, 10


def _launched(speed: Interval, job: Job) -> Interval:
    """No step is shorter than the host takes to launch it, however fast the device is."""
    work = job.work
    operations = _OPERATIONS * work.n_layer + _OF_EXPERTS * work.n_moe
    fast, middle, slow = (1 / (operations * each) for each in _LAUNCH)
    return Interval(min(speed.low, slow), min(speed.expected, middle), min(speed.high, fast))


def speculative_gain(draft: int, accepted: float = MTP_ACCEPTED) -> float:
    """Tokens a step with `draft` drafted tokens, each accepted with the same chance, less the drafts' cost.

    The expected length is (1 - a^(d+1)) / (1 - a); a draft layer costs about 6 % of a step.
    """
    if draft <= 0:
        return 1.0
    tokens = (1 - accepted ** (draft + 1)) / (1 - accepted)
    return float(max(1.0, tokens / (1 + 0.06 * draft)))


def estimate(job: Job, traffic: Traffic) -> SpeedEstimate:
    """The whole answer for one situation, under a steady load where there are several users."""
    running = traffic.running
    prompt = max(1, traffic.prompt)
    speed, step = decode(job, traffic.depth, Load(running, prompt, traffic.output))
    gain = speculative_gain(traffic.drafted)
    if gain > 1:
        speed = Interval(speed.low, speed.expected * gain, speed.high * gain * 1.15)
    if job.situation.predicts and job.situation.devices and traffic.users == 1:
        device = job.situation.devices[0]
        seen = measured_gain(device.vendor, device.memory, experts=job.work.is_moe)
        low, expected, high = (
            each * by
            for each, by in zip(
                (speed.low, speed.expected, speed.high),
                (min(seen.low, 1.0), seen.expected, seen.high),
                strict=True,
            )
        )
        speed = Interval(low, expected, high)
    reading, _ = prefill(job, prompt)
    best, usual, worst = (
        first_token(traffic, prompt=prompt / r, step=1 / s)
        for r, s in zip(
            (reading.high, reading.expected, reading.low),
            (speed.high, speed.expected, speed.low),
            strict=True,
        )
    )
    several = traffic.users > 1
    limited, faster = explain(job, traffic, step.parts)
    return SpeedEstimate(
        decode_tps=speed,
        prefill_tps=reading,
        ttft_s=Interval(best.median, usual.median, worst.median),
        ttft_p95_s=Interval(best.late, usual.late, worst.late) if several else None,
        ttft_at_once_s=Interval(best.at_once, usual.at_once, worst.at_once) if several else None,
        total_output_tps=together(traffic, speed, (best, usual, worst)) if several else None,
        limited_by=limited,
        faster=faster,
        depth=traffic.depth,
        basis=_basis(job, traffic),
    )


def together(traffic: Traffic, speed: Interval, first: tuple[FirstToken, FirstToken, FirstToken]) -> Interval:
    """Tokens/s of all streams: each writes its answer, then waits for the first token of its next one.

    `first`: beside the highest, the expected and the lowest speed.
    """
    output = max(1.0, float(traffic.output))

    def all_of(each: float, wait: float) -> float:
        return traffic.users * output / (output / each + wait)

    best, usual, worst = (f.median for f in first)
    return Interval(all_of(speed.low, worst), all_of(speed.expected, usual), all_of(speed.high, best))


def _basis(job: Job, traffic: Traffic) -> str:
    c, s = coefficients(), job.situation
    many = traffic.users > 1
    alike = c.decode.groups.get(group_of(job, many=many), 0)
    load = "with several streams" if many else "with one stream"
    tail = f"; {alike or 'none'} of this model there under {s.engine} {load}"
    if not s.devices:
        return f"fitted {c.date} on {c.decode.cards.get('cpu', 0)} measurements on processors"
    d = s.devices[0]
    if not d.exact:
        return f"bandwidth or compute of this GPU is not known and assumed; fitted {c.date}"
    n = c.decode.cards.get(d.card, 0)
    where = "this device"
    if not n:
        tail = ""
        n, where = c.decode.generations.get(d.generation, 0), f"its generation ({d.generation})"
    if not n:
        n, where = c.decode.vendors.get(d.vendor, 0), f"other hardware of {d.vendor}"
    engine = c.decode.engines.get(s.engine, 0)
    return f"fitted {c.date} on {n:,} measurements on {where}, {engine:,} with {s.engine}{tail}"
