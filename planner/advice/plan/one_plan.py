"""One plan of a given engine and quantisation, with speed, command and what this machine measured.

This is where the floors meet: an engine decides placement and memory, planner.speed how fast it runs,
planner.launching what to type.
"""

from __future__ import annotations

from planner.advice.plan.stated_context import advised, within_stated
from planner.engines.register import engine_facts, get_engine
from planner.fast_dataclass import replace
from planner.plan import Plan, PlanRequest
from planner.reason import Reason, ReasonKind, Value
from planner.units import gib


def bare_plan(engine: str, request: PlanRequest) -> Plan:
    """Return the engine's own plan, without speed and command."""
    return within_stated(get_engine(engine).plan(advised(request)), request)


def ranking_plan(engine: str, request: PlanRequest) -> tuple[Plan, bool]:
    """As `bare_plan`, good enough to rank and sooner where the engine can; True with it where it is the same."""
    plan, final = get_engine(engine).ranking_plan(advised(request))
    return within_stated(plan, request), final


def complete(plan: Plan) -> Plan:
    """Return the plan with its speed, command, source and the model's own notes."""
    from planner.launching.render import command_line
    from planner.speed import estimate_plan

    model, machine = plan.request.model, plan.request.machine
    notes = (Reason(ReasonKind.ABOUT_MODEL, note) for note in model.notes)
    plan = replace(plan, name=model.name, machine=machine.name, warnings=(*plan.warnings, *notes))
    if plan.fits:
        plan = replace(plan, speed=estimate_plan(plan))
    command = command_line(plan, model)
    plan = replace(plan, command=command.command, env=dict(command.env), source=command.source)
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
