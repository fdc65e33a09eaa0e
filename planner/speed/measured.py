"""Published measurements nearest to a plan: read once from measured.json, written by benchmarks/measured_speeds.py."""

from __future__ import annotations

import json
from functools import cache
from math import log2
from pathlib import Path
from typing import Final

from planner.fast_dataclass import dataclass
from planner.speed.job import Job
from planner.speed.situation import Device

PATH: Final = Path(__file__).with_name("measured.json")
_SHOWN: Final = 2
_ALIKE: Final = 1.0  # log2: another model reads at most twice as much a token, or half


@dataclass(frozen=True, slots=True)
class MeasuredSpeed:
    """What several runs of one model on one kind of card measured, alike in depth and streams."""

    model: str
    """As the catalogue names it."""
    shape: str
    """Layers, width, experts and size: fine-tunes of one model share them."""
    card: str
    """Its generation, bandwidth and rate: what profiles of one chip share, whatever their memory."""
    cards: int
    """How many of them."""
    engine: str
    """What ran it."""
    quant: str
    """As the source names it."""
    bits: float
    """Mean stored bits of a weight that is read."""
    active: float
    """Weights that a token reads, 10^9."""
    streams: int
    """Sequences at once; of several streams the speed is one stream's."""
    depth: int
    """Tokens in the cache, the median of the runs."""
    runs: int
    """How many."""
    median: float
    """Tokens a second of one stream."""
    low: float
    """The slowest run."""
    high: float
    """The fastest run."""
    year: int
    """Of the newest engine's build among them."""


def card_of(device: Device) -> str:
    """What profiles of one chip share."""
    return f"{device.generation} {device.bandwidth / 1e9:.0f} {device.rate / 1e12:.0f}"


def active_billions(job: Job) -> float:
    """Weights that one token reads, 10^9."""
    w = job.work
    return (w.linear + w.head + w.active_experts) / 1e9


def nearest(job: Job, *, depth: float, streams: int) -> tuple[MeasuredSpeed, ...]:
    """Measurements on this card, nearest first: of this model, else of one that reads about as much a token.

    Empty where there are none, for what lies partly in RAM, and on processors.
    """
    s = job.situation
    if not s.devices or min(s.gpu_dense, s.gpu_experts, s.gpu_kv) < 1:
        return ()
    shape, active = job.work.shape, active_billions(job)
    bits = job.bits.expert if job.work.experts > job.work.linear else job.bits.dense

    def distance(one: MeasuredSpeed) -> float:
        deep = log2((one.depth + 2048) / (depth + 2048))
        return (
            4.0 * (one.engine != s.engine)
            + 4.0 * (one.cards != len(s.devices))
            + 3.0 * abs(log2(one.streams / streams))
            + 2.0 * abs(log2(one.bits / bits))
            + abs(deep)
            + 2.0 * abs(log2(one.active / active))
        )

    here = [one for one in _all() if one.card == card_of(s.devices[0])]
    found = [one for one in here if one.shape == shape] or [
        one for one in here if abs(log2(one.active / active)) <= _ALIKE and (one.streams > 1) == (streams > 1)
    ]
    return tuple(sorted(found, key=distance)[:_SHOWN])


@cache
def _all() -> tuple[MeasuredSpeed, ...]:
    return tuple(MeasuredSpeed(*row) for row in json.loads(PATH.read_bytes())["rows"])
