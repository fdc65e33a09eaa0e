"""The licence that was asked for, held against that of a model somebody named."""

from __future__ import annotations

from planner.errors import RefusedError
from planner.models.model import Model
from planner.plan import Licence, Workload


def hold_to_licence(model: Model, workload: Workload) -> None:
    """Raise RefusedError for a model whose licence isn't of the class that the workload asks for, or isn't known."""
    wanted = workload.license
    if wanted is Licence.ANY:
        return
    from planner.models.catalogue.licences import admits

    if model.entry is None:
        raise RefusedError(f"the licence of {model.name} is not known, and --license {wanted} was asked for")
    if not admits(wanted, model.entry.licence_class):
        raise RefusedError(
            f"{model.entry.short_name}: its licence, {model.entry.licence}, is {model.entry.licence_class}, and"
            f" --license {wanted} was asked for; planner models --license {wanted} lists what is"
        )
