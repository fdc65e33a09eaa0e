"""Ollama in a container: its own images; the model is fetched or created once the server is up."""

from __future__ import annotations

import shlex
from typing import Final

from planner.engines.container import Container, backend_of
from planner.engines.launch import Launch
from planner.hardware.machine import Backend
from planner.plan import Plan

_IMAGE: Final = "ollama/ollama"


def container(plan: Plan, shell: Launch) -> Container:
    """Return the server's container, with the Modelfile mounted where there is one."""
    inside = {name: f"/{name}" for name, _ in shell.files}
    lines = shell.command.splitlines()
    return Container(
        image=f"{_IMAGE}:rocm" if backend_of(plan) is Backend.ROCM else _IMAGE,
        words=(),
        port=11434,
        cache="/root/.ollama",
        mounts=tuple((f"./{name}", target) for name, target in inside.items()),
        env=shell.env,
        then=tuple(tuple(inside.get(word, word) for word in shlex.split(line)) for line in lines),
    )
