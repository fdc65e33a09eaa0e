"""What detection finds: the host, and the devices of one vendor; each with notes and sources."""

from __future__ import annotations

from dataclasses import field

from planner.fast_dataclass import dataclass
from planner.hardware.machine import Accelerator, Cpu


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What was found about the host, with notes on what was not and the source of each figure."""

    ram_total: int
    ram_available: int
    cpu: Cpu
    os: str
    limits: tuple[str, ...]
    notes: tuple[str, ...]
    sources: dict[str, str]


@dataclass(slots=True)
class FoundDevices:
    """Devices of one vendor, with notes and sources."""

    accelerators: list[Accelerator] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
