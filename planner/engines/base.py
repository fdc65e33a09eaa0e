"""What the rules of every engine answer. What an engine says about itself stands in its facts."""

from __future__ import annotations

from typing import Protocol

from planner.fast_dataclass import dataclass
from planner.hardware.machine import Machine
from planner.models.model import Model
from planner.plan import MemoryEstimate, Plan, PlanRequest
from planner.reason import Reason


@dataclass(frozen=True, slots=True)
class DraftModel:
    """A smaller model that drafts for another one."""

    model: Model
    quant: str
    source: str  # a path, or a Hugging Face repository and a quantisation


class Engine(Protocol):
    """One engine's rules: pure functions of what is asked. An engine derives from this class."""

    name: str
    settings: frozenset[str]  # names that a request's settings may have

    def supports(self, model: Model, quant: str, machine: Machine) -> Reason | None:
        """None where the engine can run this; else the reason why not, its text one clause."""
        ...

    def machine_refusal(self, machine: Machine) -> Reason | None:
        """None where the engine can use this machine at all, whatever the model; else the reason why not."""
        return None

    def quants(self, model: Model) -> tuple[str, ...]:
        """Names of the quantisations that this engine runs for this model, largest first."""
        ...

    def estimate(self, request: PlanRequest) -> MemoryEstimate:
        """Memory per device, in bytes, with exactly these settings; what they leave out has the engine's default.

        Raises RefusedError where the engine would refuse them, UnsupportedError where no rule is known,
        InputError for a setting that it doesn't have.
        """
        ...

    def plan(self, request: PlanRequest) -> Plan:
        """The best placement and settings; `speed` and `command` are left for the floors above.

        `fits` is False, with the shortage first in `why`, where nothing fits. Raises like `estimate`.
        """
        ...

    def longest_context(self, request: PlanRequest) -> int:
        """Longest context, in tokens a sequence, for the workload's users; 0 where nothing fits."""
        ...

    def ranking_plan(self, request: PlanRequest) -> tuple[Plan, bool]:
        """A plan that is good enough to rank, sooner than `plan` where the engine can.

        The second value is True where it is what `plan` returns. Raises like `estimate`.
        """
        return self.plan(request), True
