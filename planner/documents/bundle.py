"""`planner bundle --json`, and the manifest.json of a bundle: what is in it, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from planner.advice.bundle import Item, checksums, fetch_script
from planner.bounded_read import read_text
from planner.documents.write import document
from planner.engines.register import engine_facts
from planner.fast_dataclass import dataclass
from planner.plan import Plan

if TYPE_CHECKING:
    from planner.models.hub.client import HubFile

_MAX_MANIFEST: Final = 4 << 20  # bytes


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
    problems: tuple[str, ...] = ()
    """What the hub was asked and didn't answer."""
    scripts: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    """Name -> content of every file of the bundle but its manifest."""

    @property
    def files(self) -> dict[str, str]:
        """Name -> content of every file to write."""
        manifest = json.dumps(document(self), indent=2, ensure_ascii=False)
        return {"manifest.json": f"{manifest}\n", **self.scripts}


def is_bundle(folder: Path) -> bool:
    """True for a folder that a bundle was written into."""
    try:
        found = json.loads(read_text(folder / "manifest.json", _MAX_MANIFEST))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {"models", "engines"} <= found.keys()


def bundle_of(items: Sequence[Item], problems: Sequence[str] = ()) -> Bundle:
    """Return what is in a bundle, and why, with its scripts."""
    engines = [engine_facts(name) for name in dict.fromkeys(i.plan.engine for i in items)]
    sums = checksums(items)
    scripts = {"fetch.sh": fetch_script(items), **{f"start-{i.name}.sh": i.start for i in items}}
    return Bundle(
        models=tuple(_bundled(i) for i in items),
        engines=tuple(
            BundledEngine(e.name, e.title, e.install.url, e.install.what)
            for e in engines
            if e.install is not None
        ),
        size=sum(i.size for i in items) or None,
        on_the_target=("planner check", *(f"sh start-{i.name}.sh" for i in items)),
        problems=tuple(problems),
        scripts={**scripts, "SHA256SUMS": sums} if sums else scripts,
    )


def _bundled(item: Item) -> BundledModel:
    download = item.download
    return BundledModel(
        model=item.model,
        folder=download.folder if download else "ollama-models",
        repository=download.repo if download else None,
        include=download.include if download else (),
        ollama_tag=item.tag,
        files=download.files if download else (),
        size=item.size or None,
        licence=item.licence,
        licence_link=item.licence_link or None,
        start=f"start-{item.name}.sh",
        plan=item.plan,
        notes=item.notes,
    )
