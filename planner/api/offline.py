"""A bundle: what a machine without network needs."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Final

from planner.api.arguments import (
    instance_of,
    text_of,
    text_or_none,
    the_engine,
    the_machine,
    the_models,
    the_workload,
)
from planner.errors import FieldError, InputError, UnfitError
from planner.own_files import write_files

if TYPE_CHECKING:
    from planner.documents.bundle import Bundle
    from planner.hardware.machine import Machine
    from planner.models.model import Model
    from planner.plan import Workload

MOST_BUNDLED: Final = 20


def bundle(
    models: Model | str | Sequence[Model | str],
    machine: Machine | str | None = None,
    workload: Workload | None = None,
    *,
    engine: str | None = None,
    quant: str | None = None,
    ask: bool = False,
) -> Bundle:
    """Return what to fetch for a machine without network: manifest, scripts, checksums; `write_bundle` writes them.

    With `ask`, the hub is asked for exact files, sizes and checksums; what it doesn't answer stands in the
    bundle's `problems`. Nothing large is fetched. Raises UnfitError for a model that does not fit, and InputError
    where nothing is known to fetch a model from.

        >>> sorted(planner.bundle("gpt-oss-20b", "rtx-4090").files)
        ['fetch.sh', 'manifest.json', 'start-gpt-oss-20b.sh']
    """
    from planner.advice.bundle import make_item
    from planner.advice.plan.choose import plan_model
    from planner.advice.plan.one_plan import shortage
    from planner.advice.plan.question import PlanQuestion
    from planner.documents.bundle import bundle_of
    from planner.models.catalogue.refresh import refreshed

    several = models if isinstance(models, list | tuple) else [models]
    if len(several) > MOST_BUNDLED:
        raise FieldError("models", f"of a bundle are {MOST_BUNDLED} at most, not {len(several)}")
    where, wanted, by, mix = (
        the_machine(machine),
        the_workload(workload),
        the_engine(engine),
        text_or_none(quant, "quant"),
    )
    loaded = the_models(several)
    problems = _asked([m.id for m in loaded if m.entry is not None]) if ask else ()
    items = []
    for model in loaded:
        plan = plan_model(PlanQuestion(model, where, wanted, engine=by, quant=mix))
        if not plan.fits:
            raise UnfitError(f"{model.name} does not fit on {where.name}: {shortage(plan)}", model.id)
        items.append(make_item(model, plan, refreshed(model.id)))
    return bundle_of(items, problems)


def _asked(ids: Sequence[str]) -> tuple[str, ...]:
    """Ask the hub, and return what it didn't answer; what is shipped has to do then."""
    from planner.models.catalogue.refresh import refresh_models

    try:
        report = refresh_models(ids, look_for_new=False)
    except InputError as error:
        return (str(error),)
    return tuple(report.failed.values())  # each names its repository


def write_bundle(bundle: Bundle, folder: str | PathLike[str]) -> None:
    """Write a bundle's files into a folder; one that holds a bundle already is written again.

    Raises InputError where the folder can't be written, or holds other files of these names.
    """
    from planner.documents.bundle import Bundle, is_bundle

    files = instance_of(bundle, Bundle, "bundle").files
    place = Path(text_of(fspath(folder), "folder"))
    write_files(place, files, replace=is_bundle(place))
