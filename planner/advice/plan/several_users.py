"""What a plan for several users was sized for, and what happens where all of them need everything at once."""

from __future__ import annotations

from typing import Final

from planner.advice.plan.stated_context import planned_context
from planner.demand import Load
from planner.engines.register import engine_facts
from planner.plan import Plan
from planner.reason import Reason, ReasonKind, Value
from planner.units import context_text

_FILLED: Final = {
    Load.LIGHT: "an eighth of its context filled",
    Load.TYPICAL: "a quarter of its context filled",
    Load.WORST: "all of its context filled",
}


def of_load(plan: Plan) -> tuple[Reason, ...]:
    """Say the load and its worst case; nothing for one user, or for a load that is the worst."""
    workload = plan.request.workload
    context = planned_context(plan)
    if workload.users < 2 or workload.load is Load.WORST or not context:
        return ()
    most = plan.max_concurrency
    load = f"Sized for a {workload.load} load: {workload.users} users, each with {_FILLED[workload.load]}."
    if most >= workload.users:
        text = f"{load} All {workload.users} could fill their {context_text(context)} at the same time."
    else:
        text = (
            f"{load} In the worst case, where everybody fills {context_text(context)}, there is room for"
            f" {int(most)} at the same time: {engine_facts(plan.engine).when_full} (--load worst plans for all)."
        )
    values: dict[str, Value] = {
        "load": workload.load.value,
        "users": workload.users,
        "full": round(most, 2),
        "context": context,
    }
    return (Reason(ReasonKind.LOAD, text, values),)
