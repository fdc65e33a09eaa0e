"""`planner bundle --json`, and the manifest.json of a bundle: what is in it, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from planner.advice.bundle import ENGINES, Item
from planner.fast_dataclass import dataclass
from planner.plan import Plan

if TYPE_CHECKING:
    from planner.models.hub.client import HubFile


@dataclass(frozen=True, slots=True)
class BundledModel:
    """One model of a bundle."""

    model: str
    """Hugging Face id."""
    folder: str
    """Where it lies below the bundle's own folder."""
    repository: str | None
    """From which repository of the hub it is fetched; None for a model of Ollama's own registry."""
    include: tuple[str, ...]
    """Patterns of the names of its files."""
    ollama_tag: str | None
    """Under which name Ollama fetches it; None for a model of the hub."""
    files: tuple[HubFile, ...]
    """What the patterns meant when the hub was asked; none where it wasn't."""
    size: int | None
    """Bytes to fetch; None where they aren't known."""
    licence: str
    """The licence's name."""
    licence_link: str | None
    """Where its text is."""
    start: str
    """The script that starts it on the target."""
    plan: Plan
    """How it will run there."""
    notes: tuple[str, ...]
    """What to beware of."""


@dataclass(frozen=True, slots=True)
class BundledEngine:
    """An engine to take along."""

    engine: str
    """Its name in plans."""
    name: str
    """As its maker writes it."""
    source: str
    """Where it is to be had."""
    fetch: str
    """What of it to fetch."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What to fetch for a machine without network."""

    models: tuple[BundledModel, ...]
    """Each with its files and its script."""
    engines: tuple[BundledEngine, ...]
    """Each that one of the models needs."""
    size: int | None
    """Bytes of all models together; None where none is known."""
    on_the_target: tuple[str, ...]
    """What to type there."""


def manifest(items: Sequence[Item]) -> Bundle:
    """Return what is in the bundle and why."""
    engines = dict.fromkeys(i.plan.engine for i in items)
    return Bundle(
        models=tuple(_bundled(i) for i in items),
        engines=tuple(BundledEngine(e, *ENGINES[e]) for e in engines if e in ENGINES),
        size=sum(i.size for i in items) or None,
        on_the_target=("planner check", *(f"sh start-{i.name}.sh" for i in items)),
    )


def _bundled(item: Item) -> BundledModel:
    download = item.download
    return BundledModel(
        model=item.model,
        folder=download.folder if download else "ollama-models",
        repository=download.repo if download else None,
        include=download.include if download else (),
        ollama_tag=item.ollama_tag,
        files=download.files if download else (),
        size=item.size or None,
        licence=item.licence,
        licence_link=item.licence_link or None,
        start=f"start-{item.name}.sh",
        plan=item.plan,
        notes=item.notes,
    )
