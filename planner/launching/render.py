"""Rendering one Plan as what starts it: a command, or the files that a supervisor reads.

A new format is one new module with `render(plan, model, shell) -> Launch` and one line in FORMATS; a new
engine's command is one new module with `shell(plan, model) -> Launch` and one line in SHELLS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final

from planner.engines.launch import Launch
from planner.errors import InputError
from planner.models.model import Model
from planner.plan import Plan

# engine -> "module:function" of its command line
SHELLS: Final[Mapping[str, str]] = {
    "llama.cpp": "planner.engines.llama_cpp.command:llama_server",
    "ollama": "planner.engines.ollama.command:ollama",
    "vllm": "planner.engines.vllm.command:vllm_serve",
}
# format -> module with render(plan, model, shell)
FORMATS: Final[Mapping[str, str]] = {
    "compose": "planner.launching.compose",
    "systemd": "planner.launching.systemd",
    "kubernetes": "planner.launching.kubernetes",
    "ray": "planner.launching.ray",
    "sglang": "planner.engines.sglang.command",
}


def command_line(plan: Plan, model: Model) -> Launch:
    """Return the command of the plan's engine, with the environment and files that it needs."""
    target = SHELLS.get(plan.engine)
    if target is None:
        raise InputError(f"engine '{plan.engine}' has no command line")
    module, _, function = target.partition(":")
    shell: Callable[[Plan, Model], Launch] = getattr(import_module(module), function)
    return shell(plan, model)


def render(plan: Plan, model: Model, format: str = "shell") -> Launch:
    """Render a plan in one of the formats; InputError for one that is unknown or does not suit the plan."""
    shell = command_line(plan, model)
    name = format.strip().lower()
    if name == "shell":
        return shell
    if name not in FORMATS:
        raise InputError(f"--format '{format}' is not known; one of: shell, {', '.join(FORMATS)}")
    module: Any = import_module(FORMATS[name])
    rendered: Launch = module.render(plan, model, shell)
    return rendered
