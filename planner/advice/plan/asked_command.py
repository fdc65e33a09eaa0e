"""A command line as a question: the plan of exactly what it would start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from planner.advice.plan.choose import plan_model
from planner.advice.plan.question import PlanQuestion
from planner.engines.commands import Command, reader_of
from planner.engines.facts import EngineFacts, Weights
from planner.engines.register import engine_facts, get_engine, title_of
from planner.errors import InputError
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Machine
from planner.models.model import Model
from planner.models.named import known_by_name
from planner.plan import Plan, Workload, Written
from planner.reason import Reason, ReasonKind


@dataclass(frozen=True, slots=True)
class Loading:
    """How what a command names is loaded: the model, and the smaller one that drafts for it."""

    model: Callable[[str], Model]
    draft: Callable[[Mapping[str, Any]], Mapping[str, Any]]


# What llama.cpp and Ollama fetch where a repository is named without a quantisation (common/download.cpp, b11434).
_FIRST_CHOICES: Final = ("Q4_K_M", "Q8_0")


def plan_command(
    command: Command, machine: Machine, workload: Workload, load: Loading, quant: str | None = None
) -> Plan:
    """Plan what a command line would start, with the engine's own defaults where it says nothing.

    `quant` overrides what the command names. Raises InputError where the command names no model.
    """
    if command.model is None:
        raise InputError(
            f"{command.program} names no model; add it, or write planner plan MODEL with the options"
        )
    facts = engine_facts(command.engine)
    model = _loaded(command.model, load)
    machine = _left(machine, command.devices)
    rules = engine_facts(facts.starts_plans_of) if facts.starts_plans_of else facts
    settings = reader_of(command.engine).started(command, model, machine)
    plan = plan_model(
        PlanQuestion(
            model,
            machine,
            workload,
            engine=rules.name,
            quant=quant or model.quant or _format(model, rules, command),
            settings=load.draft(settings),
            written=Written(command.kept, command.line, command.env),
        )
    )
    plan = replace(plan, warnings=(*remarks(command), *plan.warnings))
    if rules is facts:
        return plan
    said = Reason(
        ReasonKind.RULES_OF_ANOTHER,
        f"{facts.title} has no memory rules here: planned by those of {title_of(rules.name)}.",
        {"engine": facts.name, "rules": rules.name},
    )
    return replace(plan, warnings=(said, *plan.warnings))


def plan_options(
    options: Command, question: PlanQuestion, draft: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> Plan:
    """Plan a model with options that were pasted after its name; what they leave open is chosen."""
    facts = engine_facts(options.engine)
    engine, settings = question.engine, options.settings
    if facts.starts_plans_of is not None:
        engine, settings = facts.starts_plans_of, reader_of(options.engine).for_rules(settings)
    elif engine is None and (options.kept or options.uncounted):
        engine = options.engine
    asked = replace(question, engine=engine, settings=draft(settings), written=Written(options.kept))
    plan = plan_model(asked)
    return replace(plan, warnings=(*remarks(options), *plan.warnings))


def remarks(command: Command) -> tuple[Reason, ...]:
    """Return what has to be said about flags: those that aren't counted, those that are read as others."""
    uncounted = (
        Reason(
            ReasonKind.FLAG_NOT_COUNTED,
            f"{each.what}: not counted ({', '.join(each.written)}).",
            {"what": each.what, "flags": " ".join(each.written)},
        )
        for each in command.uncounted
    )
    return (*uncounted, *(Reason(ReasonKind.FLAG_READ_AS, note) for note in command.notes))


def _format(model: Model, rules: EngineFacts, command: Command) -> str | None:
    """The quantisation of what the command names, where the name doesn't say it."""
    offered = get_engine(rules.name).quants(model)
    if rules.loads is not Weights.GGUF:
        return offered[0] if offered else None  # the checkpoint as it is
    tags = () if model.entry is None else model.entry.ollama
    named = next((tag.quant for tag in tags if tag.tag == command.model), None)
    return named or next((name for name in _FIRST_CHOICES if name in offered), None)


def _loaded(ref: str, load: Loading) -> Model:
    """The model that a command names; what is not on this machine, and can't be fetched, by its name."""
    try:
        return load.model(ref)
    except InputError:
        model = known_by_name(ref)
        if model is None:
            raise
        return model


def _left(machine: Machine, devices: tuple[int, ...] | None) -> Machine:
    """The machine with the GPUs that the command uses; numbers that it doesn't have are left out."""
    if devices is None:
        return machine
    host = machine.host
    gpus = tuple(host.accelerators[i] for i in devices if i < len(host.accelerators))
    if len(gpus) == len(host.accelerators):
        return machine
    return replace(machine, hosts=(replace(host, accelerators=gpus), *machine.hosts[1:]))
