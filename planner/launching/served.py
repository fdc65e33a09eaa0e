"""One model of a set-up, with what starts it."""

from __future__ import annotations

from planner.engines.launch import Launch
from planner.fast_dataclass import dataclass
from planner.models.role import Role
from planner.plan import Plan


@dataclass(frozen=True, slots=True)
class Served:
    """A plan, its launch, and its part among the others."""

    plan: Plan  # its devices have available what is free when it starts, those before it being loaded
    launch: Launch
    role: Role = Role.CHAT
    stays: bool = True  # False: it takes turns with the others that don't
    context: int = 0  # tokens that clients may count on; 0: not said
    port: int | None = None
