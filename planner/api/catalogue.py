"""Models: any that people name, and what the catalogue knows of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Final

from planner.api.arguments import text_of, the_engine, the_machine, the_model, the_workload
from planner.errors import FieldError

if TYPE_CHECKING:
    from planner.advice.plan.comparison import Comparison
    from planner.documents.models import CheckedModels, Models
    from planner.documents.show import ModelPage
    from planner.hardware.machine import Machine
    from planner.models.catalogue.catalogue import Entry
    from planner.models.catalogue.refresh import Report
    from planner.models.model import Model
    from planner.plan import Workload

MOST_COMPARED: Final = 6
Progress = Callable[[int, int], None]  # how many are done, of how many


def load_model(ref: str | PathLike[str], *, progress: Callable[[str], None] | None = None) -> Model:
    """Return the model that a reference names.

    A catalogue name or alias ("gpt-oss-20b", "qwen3:30b-a3b"), a Hugging Face id, a path to a .gguf file or
    to a folder with a config.json. `progress` is told in words what is fetched where that takes time. Raises
    InputError with one line.

        >>> planner.load_model("gpt-oss-20b").architecture.n_layer
        24
    """
    return the_model(ref, progress)


def list_models(search: str = "", *, license: str = "any") -> Models:
    """Return the models of the catalogue whose name, maker, licence and abilities hold all the words, best first.

    `license` is "permissive", "commercial" or "any". Raises InputError for another.

        >>> [entry.short_name for entry in planner.list_models("gpt-oss").models]
        ['gpt-oss-120b', 'gpt-oss-20b', 'gpt-oss-safeguard-120b', 'gpt-oss-safeguard-20b']
    """
    from planner.documents.models import Models

    found = _found(search, license)
    return Models(tuple(sorted(found, key=lambda e: (-(e.scores.get("general") or 0.0), e.id))))


def check_models(
    search: str = "", *, license: str = "any", progress: Progress | None = None
) -> CheckedModels:
    """Check the cards of models: counted parameters and computed file sizes against the published ones."""
    from planner.advice.recommend.catalogue_check import check_card
    from planner.documents.models import CheckedModels
    from planner.models.catalogue.catalogue import card_of

    found, checks = _found(search, license), []
    for done, entry in enumerate(found, 1):
        checks.append(check_card(card_of(entry)))
        if progress:
            progress(done, len(found))
    return CheckedModels(tuple(checks))


def refresh_models(search: str = "", *, license: str = "any", progress: Progress | None = None) -> Report:
    """Ask the hub for files, sizes and licences of models, and keep the answers in the user's cache.

    Raises InputError where the hub can't be reached.
    """
    from planner.models.catalogue.refresh import refresh_models as refresh

    return refresh([entry.id for entry in _found(search, license)], on_progress=progress)


def models_near(name: str) -> tuple[str, ...]:
    """Return names of the catalogue near a mistyped one, the nearest first."""
    from planner.models.catalogue.catalogue import load_catalogue

    return tuple(load_catalogue().near(text_of(name, "name")))


def is_known(name: str) -> bool:
    """Return True for a name that the catalogue knows: short, alias, Ollama tag or Hugging Face id, in any case."""
    from planner.models.catalogue.catalogue import lookup

    return lookup(text_of(name, "name")) is not None


def model_names(*, ids: bool = False) -> tuple[str, ...]:
    """Return the names of all models of the catalogue as people say them, or their Hugging Face ids."""
    from planner.models.catalogue.catalogue import load_catalogue

    return tuple(e.id if ids else e.short_name for e in load_catalogue().all_entries())


def show(name: str) -> ModelPage:
    """Return all that is known of a model of the catalogue: licence, shape, files, scores and their sources.

    Raises InputError for a name that it doesn't know, with those that are near.

        >>> planner.show("gpt-oss-20b").entry.licence
        'Apache-2.0'
    """
    from planner.documents.show import model_page
    from planner.models.catalogue.catalogue import find_entry

    return model_page(find_entry(text_of(name, "model")))


def compare(
    models: Sequence[str],
    machine: Machine | str | None = None,
    workload: Workload | None = None,
    *,
    engine: str | None = None,
) -> Comparison:
    """Put two to six models of the catalogue side by side; with a machine, plan each of them on it.

    Raises InputError for another number of them, or a name that the catalogue doesn't know.

        >>> [column.smallest_useful.quant for column in planner.compare(["gpt-oss-20b", "qwen3-32b"]).columns]
        ['MXFP4', 'Q4_K_M']
    """
    from planner.advice.plan.comparison import compare as compare_entries
    from planner.models.catalogue.catalogue import find_entry

    names = list(models) if isinstance(models, list | tuple) else [models]
    if not 2 <= len(names) <= MOST_COMPARED:
        raise FieldError("models", f"must be 2 to {MOST_COMPARED} to be compared, not {len(names)}")
    entries = [find_entry(text_of(name, "model")) for name in names]
    where = None if machine is None else the_machine(machine)
    return compare_entries(entries, where, the_workload(workload), engine=the_engine(engine))


def _found(search: str, license: str) -> list[Entry]:
    from planner.models.catalogue.catalogue import load_catalogue
    from planner.models.catalogue.licences import ADMITS, admits

    words, wanted = text_of(search, "search"), text_of(license, "license").strip().lower()
    if wanted not in ADMITS:
        raise FieldError("license", f"{license!r} is not known; one of: {', '.join(ADMITS)}")
    catalogue = load_catalogue()
    found = catalogue.search(words) if words.strip() else catalogue.all_entries()
    return [entry for entry in found if admits(wanted, entry.licence_class)]
