"""All quantisations of one model on one machine, side by side."""

from __future__ import annotations

from planner.advice.plan.candidates import engines_for, quants_for
from planner.advice.plan.choose import choose, quant_loss
from planner.advice.plan.question import PlanQuestion
from planner.advice.plan.worth import started_context, user_interval
from planner.errors import PlannerError
from planner.fast_dataclass import dataclass, replace
from planner.plan import Interval, Placement


@dataclass(frozen=True, slots=True)
class QuantRow:
    """One quantisation of a model on a machine."""

    quant: str
    """Its name, as --quant takes it."""
    engine: str
    """The engine that was planned."""
    fits: bool
    """True where it runs."""
    placement: Placement
    """gpu, hybrid or cpu."""
    total: int
    """Bytes of everything."""
    weights: int
    """Bytes of the weights."""
    context: int
    """Tokens that each user gets."""
    loss: float
    """Points of the general score that it is expected to cost."""
    speed: Interval | None
    """Tokens a second that each user sees; None where it doesn't fit."""
    problem: str | None
    """Why it can't run here; None where it can."""


@dataclass(frozen=True, slots=True)
class QuantTable:
    """Quantisations side by side, as they are offered: the largest first."""

    model: str
    """The model's id."""
    machine: str
    """The machine's name."""
    quants: tuple[QuantRow, ...]
    """One row a quantisation and engine."""


def side_by_side(question: PlanQuestion) -> QuantTable:
    """Plan every quantisation that is published of a model, on the engines that are worth trying.

    Quantisations that an engine doesn't run there are left out. Raises InputError for an engine that isn't known.
    """
    rows = []
    seen: set[str] = set()
    for engine in engines_for(question):
        for quant in quants_for(question.model, engine):
            if quant in seen:
                continue
            row = _row(replace(question, engine=engine, quant=quant))
            if row is not None:
                seen.add(quant)
                rows.append(row)
    rows.sort(key=lambda row: -row.weights)
    return QuantTable(question.model.id, question.machine.name, tuple(rows))


def _row(question: PlanQuestion) -> QuantRow | None:
    try:
        choice = choose(question, ranking=True)
    except PlannerError:
        return None
    if choice is None:
        return None
    plan = choice.plan
    short = plan.shortage
    entry = question.model.entry
    score = None if entry is None else entry.scores.get(question.workload.use_case.value)
    return QuantRow(
        quant=plan.quant,
        engine=plan.engine,
        fits=plan.fits,
        placement=plan.placement,
        total=plan.memory.total,
        weights=sum(device.weights for device in plan.memory.devices),
        context=started_context(plan),
        loss=quant_loss(question.model, plan.quant, score, question.workload.use_case),
        speed=user_interval(plan, question.workload.users) if plan.fits else None,
        problem=None if plan.fits or short is None else short.clause or short.text,
    )
