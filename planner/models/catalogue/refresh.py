"""Asks the hub what is new about catalogued models: files, sizes, checksums, licences, new models.

What it answers is kept in the user's cache and shown beside the shipped facts; nothing needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final

from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.models.catalogue.catalogue import Entry, load_catalogue
from planner.models.hub.cache import load_entry, store_entry
from planner.models.hub.client import (
    HubFile,
    UnreachableError,
    checksum,
    is_file_name,
    newest_models,
    offline,
    repository,
)
from planner.outside_numbers import MAX_BYTES, whole
from planner.safe_text import one_line

KIND: Final = "catalogue"
_WORKERS: Final = 6
_NEWEST: Final = 12  # of each vendor


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What the hub said about one model."""

    id: str
    asked: str  # ISO time
    licence: str
    repositories: dict[str, tuple[HubFile, ...]]

    def sizes(self, repo: str) -> dict[str, int]:
        """Return bytes by quantisation of a GGUF repository; of another, the weights' sum."""
        from planner.models.hub.gguf_files import group_files

        files = self.repositories.get(repo, ())
        ggufs = group_files((f.path, f.size) for f in files)
        if ggufs:
            return {g.quant: g.size for g in ggufs if not g.mmproj and g.size}
        weights = sum(f.size for f in files if f.path.endswith(".safetensors"))
        return {"weights": weights} if weights else {}


@dataclass(frozen=True, slots=True)
class LicenceChange:
    """A licence that the card and the hub name differently."""

    card: str
    """As the shipped card names it."""
    hub: str
    """As the hub names it."""


@dataclass(slots=True)
class Report:
    """What came of a refresh."""

    answered: int = 0
    """Models about which the hub answered."""
    failed: dict[str, str] = field(default_factory=dict)
    """Hugging Face id -> why there was no answer."""
    licence_changes: dict[str, LicenceChange] = field(default_factory=dict)
    """Hugging Face id -> the licences that differ."""
    new: list[str] = field(default_factory=list)
    """Recent models of the same vendors that have no card."""

    def lines(self) -> list[str]:
        """Return what a person should know, one line each."""
        lines = list(self.failed.values())  # each names its repository
        lines += [
            f"{i}: the hub states the licence {change.hub}, the card {change.card}"
            for i, change in self.licence_changes.items()
        ]
        lines += [f"new, without a card: {i}" for i in self.new]
        return lines

    def summary(self) -> str:
        """Return one line."""
        return f"{self.answered} models refreshed, {len(self.failed)} without an answer, {len(self.new)} new."


def refreshed(ident: str) -> Refreshed | None:
    """Return what was last asked about a model; None where nothing was, or it cannot be read."""
    stored = load_entry(KIND, ident)
    if stored is None:
        return None
    return from_entry(ident, stored)


def from_entry(ident: str, stored: Mapping[str, Any]) -> Refreshed | None:
    """Return what an entry of the cache says about a model; None where it is damaged."""
    try:
        repositories = {
            one_line(repo, 200): tuple(_kept(*fields) for fields in files)
            for repo, files in stored["repositories"].items()
        }
        asked, licence = one_line(stored["asked"], 40), one_line(stored["licence"], 100)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return Refreshed(ident, asked, licence, repositories)


def _kept(path: Any, size: Any, sha256: Any) -> HubFile:
    """A file of the cache, which may be damaged: checked as the hub's own answer is."""
    checked = whole(size, 0, MAX_BYTES)
    if checked is None or not is_file_name(path):
        raise ValueError("no file of a repository")
    return HubFile(path, checked, checksum(sha256))


def refresh_models(
    ids: Sequence[str], on_progress: Callable[[int, int], None] | None = None, *, look_for_new: bool = True
) -> Report:
    """Ask the hub about catalogued models and keep the answers.

    A model that gets no answer keeps what was known, and is named in the report. Raises InputError where the
    hub cannot be reached at all or HF_HUB_OFFLINE is set.
    """
    if offline():
        raise InputError("HF_HUB_OFFLINE is set: nothing can be asked; unset it, or use what is shipped")
    catalogue = load_catalogue()
    entries = [e for i in ids if (e := catalogue.lookup(i)) is not None]
    report = Report()
    if not entries:
        return report
    # One model first: without network each of hundreds would wait for its own time-out.
    first = _ask(entries[0])
    if isinstance(first, UnreachableError):
        raise first
    with ThreadPoolExecutor(_WORKERS) as pool:
        for done, (entry, result) in enumerate(
            zip(entries, chain([first], pool.map(_ask, entries[1:])), strict=True), 1
        ):
            if isinstance(result, Refreshed):
                report.answered += 1
                if result.licence and not _same_licence(entry.licence, result.licence):
                    report.licence_changes[entry.id] = LicenceChange(entry.licence, result.licence)
            else:
                report.failed[entry.id] = str(result)
            if on_progress:
                on_progress(done, len(entries))
    if look_for_new and report.answered:
        report.new = _new_models(entries)
    return report


def _ask(entry: Entry) -> Refreshed | InputError:
    wanted = [f.repo for f in entry.files if f.repo == entry.id or f.format == "gguf"]
    repositories: dict[str, tuple[HubFile, ...]] = {}
    licence = ""
    for repo in wanted:
        try:
            said = repository(repo)
        except InputError as error:
            if repo == entry.id:
                return error
            continue  # a mirror that is gone or moved: the rest still counts
        if repo == entry.id:
            licence = said.licence
        repositories[repo] = said.files
    asked = datetime.now(UTC).isoformat(timespec="seconds")
    store_entry(
        KIND,
        entry.id,
        {
            "asked": asked,
            "licence": licence,
            "repositories": {r: [[f.path, f.size, f.sha256] for f in fs] for r, fs in repositories.items()},
        },
    )
    return Refreshed(entry.id, asked, licence, repositories)


def _same_licence(ours: str, theirs: str) -> bool:
    """True where the hub's tag does not contradict the card ("other" and the like say nothing)."""
    tag = theirs.lower()
    exact = {"apache-2.0": "Apache-2.0", "mit": "MIT", "cc-by-nc-4.0": "CC-BY-NC-4.0"}
    if tag in exact:
        return ours == exact[tag]
    return ours not in exact.values() or tag in ("other", "unknown")


def _new_models(entries: Sequence[Entry]) -> list[str]:
    """Return recent text models of the same organisations that the catalogue does not know."""
    catalogue = load_catalogue()
    found: list[str] = []
    for owner in sorted({e.id.split("/")[0] for e in entries}):
        try:
            newest = newest_models(owner, _NEWEST)
        except InputError:
            continue  # one organisation less: the report is about the models asked for
        for model in newest:
            if model.task in ("text-generation", "image-text-to-text", "any-to-any") and (
                catalogue.lookup(model.id) is None
            ):
                found.append(model.id)
    return found
