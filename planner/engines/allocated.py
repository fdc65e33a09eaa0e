"""What a real engine says that it would allocate, whichever engine it is."""

from __future__ import annotations

from planner.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Allocated:
    """The memory of one device, or of the host. Sizes in bytes."""

    device: str  # as the engine names it; "host" for all that lies in host memory
    own_memory: bool  # False: the host's
    weights: int
    caches: int  # KV cache and recurrent state
    compute: int  # buffers for intermediate results


@dataclass(frozen=True, slots=True)
class Allocation:
    """What an engine said, and which build it is; devices in its order, the host last."""

    build: str
    devices: tuple[Allocated, ...]
