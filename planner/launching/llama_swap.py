"""llama-swap: one address for several models, whose servers it starts and stops as they are asked for.

Read in mostlygeek/llama-swap at 0bdb3720 (2026-08-22): config-schema.json, internal/config/matrix.go (which models
may run at the same time; the cheapest to lose goes first), internal/config/commands.go (a command is split as a
POSIX shell would; `${…}` is a macro).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from planner.engines.launch import Launch, file_stem
from planner.engines.register import engine_facts
from planner.errors import InputError
from planner.launching.served import Served
from planner.launching.yaml_text import to_yaml
from planner.models.model import Model
from planner.models.role import Role
from planner.plan import Plan
from planner.safe_text import commands
from planner.units import GIB

FILE: Final = "llama-swap.yaml"
ADDRESS: Final = "127.0.0.1:8080"
_LEAST_WAIT: Final = 120  # seconds until a server must answer: llama-swap's own
_SLOWEST_READ: Final = 100e6  # bytes a second of a slow disk, from which a model is loaded


def render(plan: Plan, model: Model, shell: Launch) -> Launch:
    """Return the configuration for one model."""
    return render_several([Served(plan, shell)])


def render_several(served: Sequence[Served]) -> Launch:
    """Return the configuration for several, and the commands that prepare and start it.

    Raises InputError for an engine that keeps its models itself, and for a path that would be read as a macro.
    """
    names = _names(served)
    steps: list[str] = []
    models: dict[str, Any] = {}
    for name, one in zip(names, served, strict=True):
        facts = engine_facts(one.plan.engine)
        if facts.daemon:
            raise InputError(
                f"{facts.title} loads and unloads its models itself; leave out --format llama-swap"
            )
        *before, server = commands(one.launch.command)
        steps += [shlex.join(words) for words in before]
        models[name] = _model(one, server)
    document: dict[str, Any] = {
        "healthCheckTimeout": max(_LEAST_WAIT, *(_seconds_to_load(one.plan) for one in served)),
        "models": models,
        "matrix": _matrix(names, served),
    }
    if staying := [name for name, one in zip(names, served, strict=True) if one.stays]:
        document["hooks"] = {"on_startup": {"preload": staying}}
    command = shlex.join(["llama-swap", "--config", FILE, "--listen", ADDRESS])
    return Launch("\n".join([*steps, command]), files=((FILE, to_yaml(document, _comment(served))),))


def _comment(served: Sequence[Served]) -> str:
    return "What planner counted with; other settings take other memory." + (
        ""
        if all(one.stays for one in served)
        else "\nWhat has no room at the same time takes turns (matrix)."
    )


def _names(served: Sequence[Served]) -> list[str]:
    """Return a name for each model, by which clients ask for it."""
    names: list[str] = []
    for one in served:
        stem = name = file_stem(one.plan.request.model)
        count = 1
        while name in names:
            count += 1
            name = f"{stem}-{count}"
        names.append(name)
    return names


def _model(one: Served, server: Sequence[str]) -> dict[str, Any]:
    plan = one.plan
    found: dict[str, Any] = {
        "cmd": _on_any_port(server),
        "name": f"{plan.name or plan.model} {plan.quant}"[:128],
    }
    if one.launch.env:
        found["env"] = [f"{name}={value}" for name, value in one.launch.env.items()]
    capabilities: dict[str, Any] = {"in": ["text"], "out": ["text"]}
    if one.role is Role.RERANKER:
        capabilities["reranker"] = True
    if one.role is Role.SPEECH:
        capabilities["in"] = ["audio"]
    if one.context:
        capabilities["context"] = one.context
    found["capabilities"] = capabilities
    return found


def _on_any_port(server: Sequence[str]) -> str:
    """Return the command with llama-swap's own port in place of its own."""
    words = list(server)
    if any("${" in word or not word.isprintable() for word in words):
        raise InputError(
            "llama-swap reads ${…} as a macro and lines that begin with # as comments: rename the file or folder"
        )
    if "--port" in words:
        at = words.index("--port")
        del words[at : at + 2]
    return f"{shlex.join(words)} --port ${{PORT}}"


def _matrix(names: Sequence[str], served: Sequence[Served]) -> Mapping[str, Any]:
    """Return which models may run at the same time: all that stay, with one of those that take turns."""
    short = [f"m{place}" for place in range(1, len(names) + 1)]
    staying = [key for key, one in zip(short, served, strict=True) if one.stays]
    turns = [key for key, one in zip(short, served, strict=True) if not one.stays]
    parts = [
        *staying,
        *([f"({' | '.join(turns)})" if len(turns) > 1 and staying else " | ".join(turns)] if turns else []),
    ]
    return {
        "vars": dict(zip(short, names, strict=True)),
        # What takes longest to load again is lost last.
        "evict_costs": {
            key: max(1, round(_weights(one.plan) / GIB)) for key, one in zip(short, served, strict=True)
        },
        "sets": {"together": " & ".join(parts)},
    }


def _weights(plan: Plan) -> int:
    return sum(device.weights for device in plan.memory.devices)


def _seconds_to_load(plan: Plan) -> int:
    return int(_weights(plan) / _SLOWEST_READ)
