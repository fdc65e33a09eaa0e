"""Ollama in a container: its own images; the model is fetched or created once the server is up."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from planner.engines.container import Container, backend_of
from planner.engines.launch import Launch
from planner.hardware.machine import Backend
from planner.plan import Plan
from planner.safe_text import modelfile_value

_IMAGE: Final = "ollama/ollama"


def container(plan: Plan, shell: Launch) -> Container:
    """Return the server's container; a Modelfile is mounted, and so is the file that it names."""
    inside = {name: f"/{name}" for name, _ in shell.files}
    models = {path: f"/models/{Path(path).name}" for path in shell.paths}
    lines = shell.command.splitlines()
    return Container(
        image=f"{_IMAGE}:rocm" if backend_of(plan) is Backend.ROCM else _IMAGE,
        words=(),
        port=11434,
        cache="/root/.ollama",
        mounts=(*((f"./{name}", target) for name, target in inside.items()), *models.items()),
        env=shell.env,
        files=tuple((name, _from_inside(content, models)) for name, content in shell.files),
        then=tuple(tuple(inside.get(word, word) for word in shlex.split(line)) for line in lines),
    )


def _from_inside(modelfile: str, models: Mapping[str, str]) -> str:
    """Return a Modelfile whose first line names the model's file, if it is made from one, as the container sees it."""
    _, newline, rest = modelfile.partition("\n")
    return next((f"FROM {modelfile_value(inside)}{newline}{rest}" for inside in models.values()), modelfile)
