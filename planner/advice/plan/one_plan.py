"""One plan of a given engine and quantisation, with speed, command and what this machine measured.

This is where the floors meet: an engine decides placement and memory, planner.speed how fast it runs,
planner.launching what to type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.advice.plan.stated_context import advised_shape, within_stated
from planner.engines.base import NO_OVERRIDES, Stored, get_engine
from planner.fast_dataclass import replace
from planner.hardware.machine import Machine
from planner.models.model import Model
from planner.plan import Plan, Workload
from planner.units import gib


def bare_plan(
    model: Model,
    engine: str,
    quant: str,
    machine: Machine,
    workload: Workload,
    overrides: Mapping[str, Any] = NO_OVERRIDES,
) -> Plan:
    """Return the engine's own plan, without speed and command."""
    stored = None
    if model.tensors is not None or model.file_bytes is not None:
        stored = Stored(file_bytes=model.file_bytes, tensors=model.tensors)
    arch = advised_shape(model, workload, overrides)
    plan = get_engine(engine).plan(model.id, arch, quant, machine, workload, overrides, stored=stored)
    return within_stated(plan, model, workload)


def draft_plan(
    model: Model, engine: str, quant: str, machine: Machine, workload: Workload, overrides: Mapping[str, Any]
) -> tuple[Plan, bool]:
    """As `bare_plan`, sooner where the engine can; True with it where it is no draft but the plan itself."""
    drafts = getattr(get_engine(engine), "draft", None)
    if drafts is None or model.tensors is not None or model.file_bytes is not None:
        return bare_plan(model, engine, quant, machine, workload, overrides), True
    arch = advised_shape(model, workload, overrides)
    plan, final = drafts(model.id, arch, quant, machine, workload, overrides)
    return within_stated(plan, model, workload), final


def complete(plan: Plan, model: Model, machine: Machine, workload: Workload) -> Plan:
    """Return the plan with its speed, command, source and the model's own notes."""
    from planner.launching.render import command_line
    from planner.speed import estimate_plan

    plan = replace(plan, name=model.name, machine=machine.name, warnings=(*plan.warnings, *model.notes))
    if plan.fits:
        plan = replace(plan, speed=estimate_plan(plan, model.architecture, machine, workload))
    command = command_line(plan, model)
    plan = replace(plan, command=command.command, env=dict(command.env), source=command.source)
    if plan.fit is None:
        return plan
    from planner.engines.llama_cpp.command import fit_command

    return replace(plan, fit=replace(plan.fit, command=fit_command(plan, model, plan.fit)))


def with_measurement(plan: Plan) -> Plan:
    """Return the plan, saying what `planner verify` measured for it on this machine, where it did."""
    from planner.verify.comparison import measured_here

    found = measured_here(plan.model, plan.quant, plan.engine)
    if found is None or not found.total:
        return plan
    verdict = "as predicted" if found.agrees else "not as predicted: see planner verify"
    return replace(plan, why=(*plan.why, f"measured here: {gib(found.total)} with {found.build}, {verdict}"))


def shortage(plan: Plan) -> str:
    """Return why a plan does not fit, to stand after "does not fit: "."""
    reason = plan.why[0].rstrip(".") if plan.why else "not enough memory"
    return reason.removeprefix("Does not fit: ").removeprefix("doesn't fit: ")
