"""Rendering one Plan as what starts it: a command, or the files that a supervisor reads.

The command itself is the engine's own (planner.engines.facts), formats stand in planner.launching.formats.
"""

from __future__ import annotations

import shlex
from importlib import import_module
from typing import Any

from planner.engines.facts import EngineFacts
from planner.engines.launch import Launch, first_command
from planner.engines.register import engine_facts, starting, title_of
from planner.errors import InputError
from planner.fast_dataclass import replace
from planner.launching.formats import FORMATS, SHELL, launch_formats
from planner.models.model import Model
from planner.plan import Plan


def planned_by(engine: str | None, format: str) -> tuple[str | None, str]:
    """Return the engine that plans and the format, where an engine may be named that starts another's plans.

    As an engine and as a format that one means the same. Raises InputError where it is asked for both with a
    supervisor's format.
    """
    kind = format.strip().lower()
    for facts in starting():
        if engine is not None and engine.strip().lower() in (facts.name, *facts.aliases):
            if kind not in (SHELL, facts.name):
                raise InputError(f"{facts.title} is rendered as a command only; leave out --format {format}")
            return facts.starts_plans_of, facts.name
        if engine is None and kind == facts.name:
            return facts.starts_plans_of, kind
    return engine, kind


def starter(plan: Plan, format: str) -> EngineFacts:
    """Return the engine that a plan is started with in this format."""
    return next((facts for facts in starting() if facts.name == format), engine_facts(plan.engine))


def command_line(plan: Plan, model: Model) -> Launch:
    """Return the command of the plan's engine, with the environment and files that it needs."""
    return _with_kept(engine_facts(plan.engine).command(plan, model), plan)


def _with_kept(launch: Launch, plan: Plan) -> Launch:
    """The command that was asked about, or the plan's own with the words that no setting stands for."""
    written = plan.request.written
    if written.line:
        return replace(launch, command=written.line, env=dict(written.env))
    if not written.kept:
        return launch
    return replace(launch, command=f"{launch.command} {shlex.join(written.kept)}")


def address(launch: Launch, facts: EngineFacts) -> str | None:
    """Return where a launch's server answers on the machine that it runs on; None where that isn't known."""
    words = first_command(launch)
    said = words.index("--port") + 1 if "--port" in words else len(words)
    port = words[said] if said < len(words) else facts.port
    return None if port is None else f"http://127.0.0.1:{port}"


def render(plan: Plan, model: Model, format: str = SHELL) -> Launch:
    """Render a plan in one of the formats; InputError for one that is unknown or does not suit the plan."""
    name = format.strip().lower()
    if name == SHELL:
        return command_line(plan, model)
    if name in FORMATS:
        module: Any = import_module(FORMATS[name])
        rendered: Launch = module.render(plan, model, command_line(plan, model))
        return rendered
    for facts in starting():
        if facts.name == name:
            if plan.engine != facts.starts_plans_of:
                planner = title_of(facts.starts_plans_of or "")
                raise InputError(
                    f"--format {name} renders plans made for {planner}, this one is for {plan.engine}"
                )
            return _with_kept(facts.command(plan, model), plan)
    raise InputError(f"--format '{format}' is not known; one of: {', '.join(launch_formats())}")
