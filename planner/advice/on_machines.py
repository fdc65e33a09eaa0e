"""Models on machines: what each does on each, planned exactly, and which is worth most where."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from planner.advice.plan.choose import plan_model, quant_loss
from planner.advice.plan.question import PlanQuestion
from planner.advice.plan.worth import is_usable, started_context, user_interval, worth
from planner.errors import PlannerError
from planner.fast_dataclass import dataclass
from planner.hardware.machine import Machine
from planner.models.catalogue.catalogue import Entry
from planner.models.load import from_entry
from planner.plan import Interval, Plan, Workload


@dataclass(frozen=True, slots=True)
class ModelOnMachine:
    """One model on one machine."""

    model: str
    """The model's id."""
    machine: str
    """The machine, as it was named."""
    plan: Plan | None
    """How it runs there; None where it can't be planned."""
    score: float | None
    """The model's score for the use case; None where no evidence says one."""
    worth: float | None
    """What ranks it: the score less what quantisation, speed and context cost; None where it doesn't run."""
    speed: Interval | None
    """Decode tokens a second that a user sees; None where it doesn't run."""
    context: int | None
    """Tokens that each user gets; None where it doesn't run."""
    problem: str | None
    """Why it does not do there what was asked; None where it does."""


@dataclass(frozen=True, slots=True)
class OnMachines:
    """Every model on every machine."""

    workload: Workload
    """What was asked of each."""
    models: tuple[str, ...]
    """The models' ids, in the order asked for."""
    machines: tuple[str, ...]
    """The machines, as they were named."""
    cells: tuple[ModelOnMachine, ...]
    """Machine by machine, the models in their order."""

    def on(self, machine: str) -> tuple[ModelOnMachine, ...]:
        """Return the cells of one machine, in the order of the models."""
        return tuple(cell for cell in self.cells if cell.machine == machine)

    def best_on(self, machine: str) -> ModelOnMachine | None:
        """Return the cell that is worth most on a machine; None where nothing does there what was asked."""
        return max(
            (cell for cell in self.on(machine) if cell.problem is None and cell.worth is not None),
            key=lambda cell: cell.worth or 0.0,
            default=None,
        )


def on_machines(
    entries: Sequence[Entry],
    machines: Sequence[tuple[str, Machine]],
    workload: Workload,
    engine: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> OnMachines:
    """Plan every model on every machine. `progress(done, all)` is called while it works."""
    cells: list[ModelOnMachine] = []
    for name, machine in machines:
        for entry in entries:
            if progress:
                progress(len(cells), len(machines) * len(entries))
            cells.append(_cell(entry, name, PlanQuestion(from_entry(entry), machine, workload, engine)))
    return OnMachines(
        workload, tuple(entry.id for entry in entries), tuple(name for name, _ in machines), tuple(cells)
    )


def _cell(entry: Entry, name: str, question: PlanQuestion) -> ModelOnMachine:
    workload = question.workload
    use_case = workload.use_case
    score = entry.scores.get(use_case.value) if entry.has_evidence(use_case.value) else None
    try:
        plan = plan_model(question)
    except PlannerError as error:
        return ModelOnMachine(entry.id, name, None, score, None, None, None, str(error))
    if not plan.fits:
        short = plan.shortage
        return ModelOnMachine(
            entry.id, name, plan, score, None, None, None, "does not fit" if short is None else short.text
        )
    loss = quant_loss(question.model, plan.quant, score, use_case)
    value = None if score is None else worth(plan, score, loss, workload).total
    speed = user_interval(plan, workload.users)
    problem = None
    if not is_usable(plan, workload):
        problem = "slower, or with less context, than this use needs"
    return ModelOnMachine(entry.id, name, plan, score, value, speed, started_context(plan), problem)
