"""What other models hold of a machine, and what that leaves to one more."""

from __future__ import annotations

from collections.abc import Sequence

from planner.advice.together.ports import with_ports
from planner.advice.together.usage import held_by
from planner.advice.together.wish import Wish
from planner.engines.register import engine_facts
from planner.errors import UnfitError
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Machine
from planner.hardware.remaining import remaining
from planner.plan import Plan


@dataclass(frozen=True, slots=True)
class There:
    """Models that run on a machine, and the machine with what they leave."""

    plans: tuple[Plan, ...]
    ports: tuple[int, ...]
    left: Machine

    def beside(self, plan: Plan) -> Plan:
        """Return a plan for what is left with its server on a port that none of the others has."""
        return with_ports([plan], self.ports)[0][0]


def there(wishes: Sequence[Wish], machine: Machine) -> There:
    """Plan the models that are there, in their order, each as it would be alone on what those before it leave.

    Raises UnfitError for one that has no room; else as `plan_model` does.
    """
    left = machine
    plans: list[Plan] = []
    for wish in wishes:
        plan = wish.planned(left)
        modest = engine_facts(plan.engine).modest(plan) if plan.fits else {}
        if modest:
            plan = replace(wish, settings={**wish.settings, **modest}).planned(left)
        if not plan.fits:
            beside = " beside the others" if plans else ""
            raise UnfitError(f"{plan.name} does not fit here{beside} (planner plan explains)", plan.model)
        plans.append(plan)
        left = remaining(left, held_by(plan))
    placed = with_ports(plans)
    return There(
        tuple(plan for plan, _ in placed), tuple(port for _, port in placed if port is not None), left
    )
