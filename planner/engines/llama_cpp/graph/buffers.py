"""What a graph is computed in."""

from __future__ import annotations

from planner.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ComputeBuffers:
    """Bytes of each device's compute buffer and of the host's."""

    devices: tuple[int, ...]
    host: int
