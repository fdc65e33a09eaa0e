"""Container: what runs an engine's server in an image, whichever supervisor starts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from planner.fast_dataclass import dataclass
from planner.hardware.machine import Backend
from planner.plan import Placement, Plan


@dataclass(frozen=True, slots=True)
class Container:
    """A server in its image. Nothing is escaped for the supervisor: words are the process's own."""

    image: str
    words: tuple[str, ...]  # after the image's entrypoint
    port: int
    cache: str  # the folder in which downloaded models are kept
    mounts: tuple[tuple[str, str], ...] = ()  # (path on the host, path inside), read only
    env: Mapping[str, str] = field(default_factory=dict)
    fetches_from_hub: bool = False  # a token lets it fetch gated models
    shares_memory: bool = False  # its processes exchange tensors through /dev/shm
    health: str | None = None  # the page that answers once it serves
    then: tuple[tuple[str, ...], ...] = ()  # commands to run inside once it is up
    files: tuple[tuple[str, str], ...] = ()  # (name, content) of files to write beside, that are mounted


def backend_of(plan: Plan) -> Backend:
    """Return what drives the plan's GPUs; the CPU's where it uses none of those that are there."""
    return Backend.CPU if plan.placement is Placement.CPU else plan.backend
