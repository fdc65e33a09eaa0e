"""Job and Traffic: a model where it runs, and what is asked of it."""

from __future__ import annotations

from planner.fast_dataclass import dataclass
from planner.speed.model_work import ModelWork, WeightBits
from planner.speed.situation import Situation


@dataclass(frozen=True, slots=True)
class Job:
    """One model's work with its stored bits in one situation."""

    work: ModelWork
    bits: WeightBits
    situation: Situation


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is asked of a job."""

    depth: int  # tokens in the cache at which decode is meant
    prompt: int = 1024  # tokens of a request
    output: int = 512  # tokens of its answer
    users: int = 1  # streams at once
    drafted: int = 0  # tokens that the model's own prediction layers draft a step
