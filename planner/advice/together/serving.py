"""A question about a model that makes no text, asked as its engine serves it."""

from __future__ import annotations

from planner.advice.plan.candidates import engines_for, quants_for
from planner.advice.plan.question import PlanQuestion
from planner.engines.register import engine_facts, get_engine
from planner.fast_dataclass import replace
from planner.models.role import Role
from planner.plan import Written


def as_served(question: PlanQuestion, role: Role) -> PlanQuestion:
    """Return the question with the engine that serves it in this role, and what that is started with.

    A model that writes is asked about as it is. Settings that are given stay as they are.
    """
    if role.writes or question.written.line:
        return question
    engine = _engine(question)
    context = question.workload.context or question.model.usable_context
    serving = engine_facts(engine).serving(role, question.model, context)
    known = question.written.kept
    return replace(
        question,
        engine=engine,
        settings={**serving.settings, **question.settings},
        written=Written((*known, *(() if set(serving.words) <= set(known) else serving.words))),
    )


def _engine(question: PlanQuestion) -> str:
    """The first engine that runs the model at all; the first of all where none does, to say why."""
    names = engines_for(question)
    for name in names:
        quants = (question.quant,) if question.quant else quants_for(question.model, name)[:1]
        if any(get_engine(name).supports(question.model, q, question.machine) is None for q in quants):
            return name
    return names[0]
