"""What starts several plans on one machine: each its own command, and files under names of their own."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from planner.engines.facts import EngineFacts
from planner.engines.launch import Launch, file_stem
from planner.engines.register import starting, title_of
from planner.errors import InputError
from planner.fast_dataclass import replace
from planner.launching.formats import SHARED, SHELL
from planner.launching.render import command_line
from planner.launching.served import Served
from planner.plan import Plan
from planner.safe_text import commands


def launch_of(plan: Plan) -> Launch:
    """Return the command of one plan among others, with the environment that it has there."""
    return replace(command_line(plan, plan.request.model), env=dict(plan.env))


def render_several(served: Sequence[Served], format: str = SHELL) -> tuple[Launch, ...]:
    """Return what starts them: one launch each, in their order, or one for all in a format that holds several.

    Raises InputError for a format that starts one model alone.
    """
    name = format.strip().lower()
    if name in SHARED:
        module: Any = import_module(SHARED[name])
        return (module.render_several(served),)
    starter = next((facts for facts in starting() if facts.name == name), None)
    if starter is not None:
        return tuple(_started_by(starter, one) for one in served)
    if name != SHELL:
        either = ", ".join((SHELL, *SHARED, *(facts.name for facts in starting())))
        raise InputError(f"--format {format} starts one model; for several there are {either}")
    taken: set[str] = set()
    found = []
    for one in served:
        launch = _named_apart(one.launch, file_stem(one.plan.request.model), taken)
        taken |= {name for name, _ in launch.files}
        found.append(launch)
    return tuple(found)


def _started_by(facts: EngineFacts, one: Served) -> Launch:
    """The command of an engine that starts another's plans, on the port of its own."""
    plan = one.plan
    if plan.engine != facts.starts_plans_of:
        planner = title_of(facts.starts_plans_of or "")
        raise InputError(
            f"{facts.title} starts plans made for {planner}; that of {plan.name} is for {plan.engine}"
        )
    launch = facts.command(plan, plan.request.model)
    port = [] if one.port is None else ["--port", str(one.port)]
    return replace(launch, command=f"{launch.command} {shlex.join(port)}".rstrip())


def _named_apart(launch: Launch, stem: str, taken: set[str]) -> Launch:
    """The launch with the files whose names are taken under another, in its commands too."""
    names = {name: f"{name}.{stem}" for name, _ in launch.files if name in taken}
    if not names:
        return launch
    lines = [shlex.join(names.get(word, word) for word in words) for words in commands(launch.command)]
    files = tuple((names.get(name, name), content) for name, content in launch.files)
    return replace(launch, command="\n".join(lines), files=files)
