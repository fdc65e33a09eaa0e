"""`planner check --json`: the machine and what runs best on it; on a cluster, which model where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.fast_dataclass import dataclass

if TYPE_CHECKING:
    from planner.advice.recommend.cards import Card
    from planner.documents.fleet import FleetPlaces
    from planner.hardware.machine import Machine
    from planner.plan import Plan


@dataclass(frozen=True, slots=True)
class Check:
    """What runs on a machine, or on a cluster."""

    machine: Machine
    """What the plans are for."""
    plans: tuple[Plan, ...]
    """Best first; on a cluster one a replica."""
    notes: tuple[str, ...]
    """What the reader should know beside them."""
    why: tuple[str, ...] = ()
    """The steps behind the first place."""
    cards: tuple[Card, ...] = ()
    """The best, a fast and a light one of the plans; none on a cluster."""
    fleet: FleetPlaces | None = None
    """Which model where; None but on a cluster."""
    beside: tuple[Plan, ...] = ()
    """The models that are there already, and beside which the others have to fit."""
