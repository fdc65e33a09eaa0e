"""llama-server in a container: the images of ggml-org (docs/docker.md, b11434)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from planner.engines.container import Container, backend_of
from planner.engines.launch import Launch, first_command
from planner.hardware.machine import Backend
from planner.models.model import Model
from planner.plan import Plan

_IMAGE: Final = "ghcr.io/ggml-org/llama.cpp"
_TAGS: Final[Mapping[Backend, str]] = {Backend.CPU: "server", Backend.ROCM: "server-rocm"}
_CUDA: Final = "server-cuda"


def container(plan: Plan, model: Model, shell: Launch) -> Container:
    """Return llama-server's container; a file is mounted with its folder, where a split one's other parts lie."""
    words = first_command(shell)[1:]  # the image's entrypoint is llama-server
    mounts: tuple[tuple[str, str], ...] = ()
    if model.path is not None and model.path in words:
        file = Path(model.path)
        words[words.index(model.path)] = f"/models/{file.name}"
        mounts = ((str(file.resolve().parent), "/models"),)
    if "--host" not in words:
        words += ["--host", "0.0.0.0"]  # inside the container; the published port decides who reaches it
    return Container(
        image=f"{_IMAGE}:{_TAGS.get(backend_of(plan), _CUDA)}",
        words=tuple(words),
        port=8080,
        cache="/root/.cache",
        mounts=mounts,
        env=shell.env,
    )
