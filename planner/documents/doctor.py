"""`planner doctor --json`: what was detected on this machine, and which engines and models are on it."""

from __future__ import annotations

from planner.engines.installed import InstalledEngine, ModelStore
from planner.engines.local_files import PulledModel
from planner.fast_dataclass import dataclass
from planner.hardware.machine import Machine


@dataclass(frozen=True, slots=True)
class Doctor:
    """What was found on this machine, and where each figure comes from."""

    machine: Machine
    """What was detected, with the sources of its figures."""
    engines: tuple[InstalledEngine, ...]
    """Engines that are installed."""
    differences: tuple[str, ...]
    """What an installed engine does otherwise than the planner's rules."""
    models: tuple[PulledModel, ...]
    """Models that lie here already."""
    stores: tuple[ModelStore, ...]
    """Where models lie, and the room on the disk under it."""
    exported: str | None = None
    """The file to which a profile of this machine was written."""
