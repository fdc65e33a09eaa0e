"""One plan of a given engine and quantisation, with speed, command and what this machine measured.

This is where the floors meet: an engine decides placement and memory, planner.speed how fast it runs,
planner.launching what to type.
"""

from __future__ import annotations

from typing import Final

from planner.advice.plan.measured_speed import plan_speed
from planner.advice.plan.several_users import of_load
from planner.advice.plan.stated_context import (
    advised,
    is_open,
    planned_context,
    with_context,
    within_stated,
)
from planner.engines.register import engine_facts, get_engine
from planner.fast_dataclass import replace
from planner.plan import Plan, PlanRequest
from planner.reason import Reason, ReasonKind, Value
from planner.units import gib, nice_context


def bare_plan(engine: str, request: PlanRequest) -> Plan:
    """Return the engine's own plan, without speed and command."""
    return within_stated(get_engine(engine).plan(advised(request)), request)


def ranking_plan(engine: str, request: PlanRequest) -> tuple[Plan, bool]:
    """As `bare_plan`, good enough to rank and sooner where the engine can; True with it where it is the same."""
    plan, final = get_engine(engine).ranking_plan(advised(request))
    return within_stated(plan, request), final


# Seconds that a prompt may take that fills an open context: a few minutes.
PATIENCE: Final = 300.0
AT_LEAST: Final = 16384  # tokens: a shorter context saves nobody's time, a conversation fills it bit by bit


def readable(plan: Plan, *, ranking: bool = False) -> Plan:
    """Return the plan with an open context no longer than the machine reads in a few minutes.

    Never below what the use case can do with at all, or a page or two. `ranking`: good enough to rank.
    """
    request = plan.request
    tokens = planned_context(plan)
    if not plan.fits or not tokens or not is_open(request) or request.open_context or request.written.line:
        return plan

    need = request.context_need
    alone = replace(request.workload, prompt=tokens, users=1)
    filled = replace(plan, request=replace(request, workload=alone))
    seconds = plan_speed(filled).ttft_s.expected
    least = max(need.least, min(need.most, AT_LEAST))
    if seconds <= PATIENCE or tokens <= least:
        return plan
    bound = max(nice_context(int(tokens * PATIENCE / seconds), need.most), least)
    bounded = replace(request, open_context=bound)
    if ranking:
        return replace(plan, request=bounded, settings=with_context(plan, bound))
    shorter = bare_plan(plan.engine, bounded)
    return shorter if shorter.fits else plan


def complete(plan: Plan, *, ranking: bool = False) -> Plan:
    """Return the plan with its speed, command, source and the model's own notes.

    An open context is bounded by what the machine reads in a few minutes; `ranking`: well enough to rank.
    """
    from planner.launching.render import command_line

    plan = readable(plan, ranking=ranking)
    model, machine = plan.request.model, plan.request.machine
    notes = (Reason(ReasonKind.ABOUT_MODEL, note) for note in model.notes)
    plan = replace(plan, name=model.name, machine=machine.name, warnings=(*plan.warnings, *notes))
    if plan.fits:
        plan = replace(plan, speed=plan_speed(plan), why=(*plan.why, *of_load(plan)))
    command = command_line(plan, model)
    plan = replace(plan, command=command.command, env=dict(command.env), source=command.source)
    if not engine_facts(plan.engine).timed_by_tokens:
        plan = replace(plan, speed=None)
    if plan.fit is None:
        return plan
    fitted = engine_facts(plan.engine).fit_command(plan, model, plan.fit)
    return replace(plan, fit=replace(plan.fit, command=fitted))


def with_measurement(plan: Plan) -> Plan:
    """Return the plan, saying what `planner verify` measured for it on this machine, where it did."""
    from planner.verify.comparison import measured_here

    found = measured_here(plan.model, plan.quant, plan.engine)
    if found is None or not found.total:
        return plan
    verdict = "as predicted" if found.agrees else "not as predicted: see planner verify"
    text = f"measured here: {gib(found.total)} with {found.build}, {verdict}"
    figures: dict[str, Value] = {"total": found.total, "build": found.build, "agrees": int(found.agrees)}
    return replace(plan, why=(*plan.why, Reason(ReasonKind.MEASURED_HERE, text, figures)))


def shortage(plan: Plan) -> str:
    """Return why a plan does not fit, to stand after "does not fit: "."""
    short = plan.shortage
    return "not enough memory" if short is None else short.clause or short.text
