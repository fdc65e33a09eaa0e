"""llama-server in a container: the images of ggml-org (docs/docker.md, b11434)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from planner.engines.container import Container, backend_of
from planner.engines.launch import Launch, first_command
from planner.engines.llama_cpp.command import PORT
from planner.errors import InputError
from planner.hardware.machine import Backend
from planner.plan import Plan

_IMAGE: Final = "ghcr.io/ggml-org/llama.cpp"
_TAGS: Final[Mapping[Backend, str]] = {
    Backend.CPU: "server",
    Backend.CUDA: "server-cuda",
    Backend.ROCM: "server-rocm",
    Backend.VULKAN: "server-vulkan",
    Backend.SYCL: "server-intel",
}


def container(plan: Plan, shell: Launch) -> Container:
    """Return llama-server's container; files are mounted with their folders, where a split one's other parts lie."""
    backend = backend_of(plan)
    if backend not in _TAGS:
        raise InputError(
            f"llama.cpp has no image for {backend.value}: a container sees no such GPU; use --format shell"
            f"{' or launchd' if backend is Backend.METAL else ''}"
        )
    words = first_command(shell)[1:]  # the image's entrypoint is llama-server
    folders: dict[str, str] = {}  # on the host -> inside
    for path in shell.paths:
        file = Path(path)
        inside = folders.setdefault(
            str(file.resolve().parent), f"/models{len(folders) + 1}" if folders else "/models"
        )
        words[words.index(path)] = f"{inside}/{file.name}"
    if "--host" not in words:
        words += ["--host", "0.0.0.0"]  # inside the container; the published port decides who reaches it
    return Container(
        image=f"{_IMAGE}:{_TAGS[backend]}",
        words=tuple(words),
        port=PORT,
        cache="/root/.cache",
        mounts=tuple(folders.items()),
        env=shell.env,
    )
