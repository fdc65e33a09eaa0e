"""vLLM in a container: the project's own images, of the release whose rules the planner carries."""

from __future__ import annotations

from typing import Final

from planner.engines.container import Container, backend_of
from planner.engines.launch import Launch, first_command
from planner.engines.vllm.releases import RULES_VERSION
from planner.hardware.machine import Backend
from planner.models.model import Model
from planner.plan import Plan

_IMAGE: Final = f"vllm/vllm-openai:v{RULES_VERSION}"
_ROCM: Final = f"vllm/vllm-openai-rocm:v{RULES_VERSION}"


def container(plan: Plan, model: Model, shell: Launch) -> Container:
    """Return the server's container; a folder is mounted as /model."""
    words = first_command(shell)[2:]  # the image's entrypoint is `vllm serve`
    mounts: tuple[tuple[str, str], ...] = ()
    if model.path is not None and words and words[0] == model.path:
        words[0] = "/model"
        mounts = ((model.path, "/model"),)
    return Container(
        image=_ROCM if backend_of(plan) is Backend.ROCM else _IMAGE,
        words=tuple(words),
        port=8000,
        cache="/root/.cache/huggingface",
        mounts=mounts,
        env=shell.env,
        fetches_from_hub=True,
        shares_memory=True,
        health="/health",
    )
