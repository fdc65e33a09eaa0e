"""What is asked of one model on one machine, before engine and quantisation are chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from planner.fast_dataclass import dataclass
from planner.hardware.machine import Machine
from planner.models.model import Model
from planner.plan import NOTHING_WRITTEN, PlanRequest, Workload, Written


@dataclass(frozen=True, slots=True)
class PlanQuestion:
    """A question whose engine and quantisation may be left open: None is the planner's choice."""

    model: Model
    machine: Machine
    workload: Workload = field(default_factory=Workload)
    engine: str | None = None
    quant: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)  # the engine's own, by its names
    written: Written = NOTHING_WRITTEN

    def request(self, quant: str) -> PlanRequest:
        """Return what an engine is asked about one quantisation."""
        return PlanRequest(self.model, quant, self.machine, self.workload, self.settings, self.written)
