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
class Load:
    """What runs at once while one stream decodes."""

    streams: float = 1.0
    prompt: float = 0.0  # tokens of a request that joins; 0: none does
    output: float = 0.0  # tokens of its answer

    @property
    def prompt_share(self) -> float:
        """Prompt tokens that are read for each token generated, as requests come and go."""
        return self.prompt / max(1.0, self.output) if self.streams > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is asked of a job."""

    depth: int  # tokens in the cache at which decode is meant
    prompt: int = 1024  # tokens of a request
    output: int = 512  # tokens of its answer
    users: int = 1  # streams at once
    places: float | None = None  # sequences that memory and the engine let run at once; None: all users'
    drafted: int = 0  # tokens that the model's own prediction layers draft a step

    @property
    def running(self) -> float:
        """Streams that decode at once; the others wait."""
        return float(self.users) if self.places is None else max(1.0, min(self.users, self.places))
