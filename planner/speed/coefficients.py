"""The fitted coefficients: read once from coefficients.json, written by benchmarks/fit_speed.py."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from math import exp, sqrt
from pathlib import Path
from typing import Any, Final

from planner.fast_dataclass import dataclass
from planner.plan import Interval
from planner.speed.job import Job
from planner.speed.terms import Term

_CAPPED: Final = ("laptop", "max-q", "spark-n1x")  # devices that each maker gives a power limit of its own
PATH: Final = Path(__file__).with_name("coefficients.json")


@dataclass(frozen=True, slots=True)
class Spread:
    """How far measurements lie from the expectation: log-scale, by what is known of a case."""

    weights: Mapping[str, float]  # of the features below, for the log of the spread
    low: float  # standardised residual below which a tenth of the measurements lie
    high: float

    def interval(self, expected: float, features: Mapping[str, float]) -> Interval:
        """The interval around an expected speed that should hold 80 % of measurements."""
        weights = self.weights
        log_scale = sum(weights.get(k, 0.0) * v for k, v in features.items())
        scale = exp(max(-4.0, min(0.3, log_scale)))
        return Interval(
            expected * exp(max(-2.0, self.low * scale)), expected, expected * exp(min(2.0, self.high * scale))
        )


@dataclass(frozen=True, slots=True)
class Fit:
    """Effects of one quantity (decode or prefill), with what they rest on."""

    effects: Mapping[str, float]
    spread: Spread
    count: int
    cards: Mapping[str, int]
    generations: Mapping[str, int]
    vendors: Mapping[str, int]
    engines: Mapping[str, int]
    groups: Mapping[str, int]  # a model on a card under an engine, by group_of

    def seconds(self, terms: Sequence[Term]) -> list[float]:
        """Seconds of each term."""
        effects = self.effects
        return [
            t.seconds * exp(sum(effects.get(name, 0.0) * value for name, value in t.effects)) for t in terms
        ]


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Everything that was fitted, and when."""

    date: str
    decode: Fit
    prefill: Fit


def _fit(raw: Mapping[str, Any]) -> Fit:
    known, spread = raw["known"], raw["spread"]
    return Fit(
        effects=raw["effects"],
        spread=Spread(spread["weights"], spread["low"], spread["high"]),
        count=raw["count"],
        cards=known["cards"],
        generations=known["generations"],
        vendors=known["vendors"],
        engines=known["engines"],
        groups=known["groups"],
    )


@cache
def coefficients() -> Coefficients:
    """The shipped coefficients."""
    raw = json.loads(PATH.read_bytes())
    return Coefficients(raw["date"], _fit(raw["decode"]), _fit(raw["prefill"]))


def group_of(job: Job, *, many: bool) -> str:
    """The name under which measurements of this shape of model on this device under this engine are counted."""
    w, s = job.work, job.situation
    where = s.devices[0].card if s.devices else "cpu"
    return f"{w.shape}@{where}#{s.engine}{'*' if many else ''}"


def features(fit: Fit, job: Job, *, depth: float, batch: float) -> dict[str, float]:
    """What the spread of a case depends on: how much is known of its hardware and engine, and its kind."""
    w, s = job.work, job.situation
    out = {"1": 1.0}
    if s.devices:
        d = s.devices[0]
        cards = fit.cards.get(f"{d.card}+{d.backend}", 0) + 0.3 * fit.cards.get(d.card, 0)
        out["card"] = 1 / sqrt(1 + cards)
        out["generation"] = 1 / sqrt(1 + fit.generations.get(f"{d.generation}+{d.backend}", 0))
        out["no card"] = float(cards == 0)
        if cards == 0:
            out["no generation"] = float(fit.generations.get(f"{d.generation}+{d.backend}", 0) == 0)
            out["no vendor"] = float(fit.vendors.get(d.vendor, 0) == 0)
        out["several"] = float(len(s.devices) > 1)
        out["capped"] = float(any(word in d.card for word in _CAPPED))
        out["partial"] = float(s.gpu_dense < 1 or (w.experts > 0 and s.gpu_experts < 1) or s.gpu_kv < 1)
        out["host"] = float(out["partial"] > 0 and not s.host.exact)
    else:
        out["cpu"] = 1.0
        out["host"] = float(not s.host.exact)
    known = fit.engines.get(s.engine, 0)
    out["engine"] = 1 / sqrt(1 + known)
    # what the same model did on another's card of this name says less of a machine whose limits are unknown
    alike = 0 if s.home else fit.groups.get(group_of(job, many=batch > 1), 0)
    out["group"] = 1 / sqrt(1 + alike)
    out["home"] = float(s.home)
    out["serving"] = float(batch > 1)
    out["crowd"] = float(batch > 64)
    out["moe"] = float(w.is_moe)
    out["recurrent"] = float(w.n_recurrent > 0)
    out["deep"] = float(depth > 8192)
    out["old"] = max(0.0, 2026.0 - s.year)
    out["small"] = float(w.parameters < 2e9)
    if s.method not in {"bench", "average"}:
        out[f"method {s.method}"] = 1.0
    return out
