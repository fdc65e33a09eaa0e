"""Plans whose printed commands are held against an engine's start-up checks: catalogue x quantisations x machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from planner.engines.register import get_engine
from planner.errors import PlannerError
from planner.fast_dataclass import dataclass
from planner.hardware.profiles.load import load_profile
from planner.models.catalogue.catalogue import load_catalogue
from planner.models.load import from_entry
from planner.plan import Plan, PlanRequest, Workload


@dataclass(frozen=True, slots=True)
class Grid:
    """Where plans of one engine are made."""

    engine: str
    """Its name."""
    machines: Sequence[str]
    """Profiles."""
    workloads: Sequence[Workload]
    """How they are used."""


def fitting_plans(grid: Grid, every: int = 1, start: int = 0) -> Iterator[tuple[str, Plan]]:
    """Yield (name, plan) of every `every`-th case in which a plan fits, counted from `start`."""
    engine = get_engine(grid.engine)
    machines = [(spec, load_profile(spec)) for spec in grid.machines]
    number = start
    for entry in load_catalogue().entries():
        try:
            model = from_entry(entry)
            quants = engine.quants(model)
        except PlannerError:
            continue
        for quant in quants:
            for spec, machine in machines:
                for at, workload in enumerate(grid.workloads):
                    number += 1
                    if number % every:
                        continue
                    try:
                        plan = engine.plan(PlanRequest(model, quant, machine, workload))
                    except PlannerError:
                        continue
                    if plan.fits:
                        yield f"{entry.id} {quant} on {spec}, workload {at}", plan
