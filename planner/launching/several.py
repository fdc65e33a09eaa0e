"""What starts several plans on one machine: each its own command, and files under names of their own."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from planner.engines.launch import Launch, file_stem
from planner.errors import InputError
from planner.fast_dataclass import replace
from planner.launching.formats import SHELL
from planner.launching.render import command_line
from planner.plan import Plan
from planner.safe_text import commands

FORMATS = (SHELL,)


def render_several(plans: Sequence[Plan], format: str = SHELL) -> tuple[Launch, ...]:
    """Return what starts each of the plans, in their order. Raises InputError for a format that has no place for it."""
    if format.strip().lower() != SHELL:
        raise InputError(
            f"--format {format} starts one model; for several leave it out ({', '.join(FORMATS)})"
        )
    taken: set[str] = set()
    found = []
    for plan in plans:
        launch = replace(command_line(plan, plan.request.model), env=dict(plan.env))
        launch = _named_apart(launch, file_stem(plan.request.model), taken)
        taken |= {name for name, _ in launch.files}
        found.append(launch)
    return tuple(found)


def _named_apart(launch: Launch, stem: str, taken: set[str]) -> Launch:
    """The launch with the files whose names are taken under another, in its commands too."""
    names = {name: f"{name}.{stem}" for name, _ in launch.files if name in taken}
    if not names:
        return launch
    lines = [shlex.join(names.get(word, word) for word in words) for words in commands(launch.command)]
    files = tuple((names.get(name, name), content) for name, content in launch.files)
    return replace(launch, command="\n".join(lines), files=files)
