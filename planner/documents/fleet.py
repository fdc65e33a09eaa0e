"""Which model where on a cluster, as `planner check --cluster --json` prints it beside the plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.fast_dataclass import dataclass

if TYPE_CHECKING:
    from planner.advice.fleet import Fleet


@dataclass(frozen=True, slots=True)
class FleetGpu:
    """One GPU of a replica."""

    host: str
    """The node that it is in."""
    index: int
    """Its index there."""


@dataclass(frozen=True, slots=True)
class Replica:
    """One replica: which of the plans, on which GPUs."""

    plan: int
    """Its position among the document's plans, from 0."""
    gpus: tuple[FleetGpu, ...]
    """In the order of the engine's ranks."""


@dataclass(frozen=True, slots=True)
class Unserved:
    """A model without a place, or with fewer replicas than it needs."""

    model: str
    """Hugging Face id."""
    reason: str
    """Why."""


@dataclass(frozen=True, slots=True)
class FreeGpus:
    """GPUs that nothing runs on."""

    host: str
    """The node that they are in."""
    gpu: str
    """Their name."""
    count: int
    """How many they are."""


@dataclass(frozen=True, slots=True)
class FleetPlaces:
    """Which model where on a cluster."""

    placed: tuple[Replica, ...]
    """What runs."""
    unplaced: tuple[Unserved, ...]
    """What finds no place."""
    short: tuple[Unserved, ...]
    """What runs with fewer replicas than were asked for or are needed."""
    left: tuple[FreeGpus, ...]
    """What stays free."""

    @property
    def complete(self) -> bool:
        """True where everything that was asked for has its place."""
        return bool(self.placed) and not self.unplaced and not self.short


def places_of(fleet: Fleet) -> FleetPlaces:
    """Return the places of a fleet; its plans stand beside them."""
    return FleetPlaces(
        placed=tuple(
            Replica(i, tuple(FleetGpu(host, index) for host, index in placed.gpus))
            for i, placed in enumerate(fleet.placed)
        ),
        unplaced=tuple(Unserved(model, reason) for model, reason in fleet.unplaced),
        short=tuple(Unserved(model, reason) for model, reason in fleet.short),
        left=tuple(FreeGpus(host, gpu, count) for host, gpu, count in fleet.left),
    )
