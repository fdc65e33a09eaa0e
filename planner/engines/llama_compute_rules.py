"""What compute buffers come to: the result that the graph's measuring hands on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ComputeBuffers:
    """Bytes of each device's compute buffer and of the host's."""

    devices: tuple[int, ...]
    host: int
