"""Which engines are installed, which models they have pulled, and the room where models lie.

Only `planner doctor` asks: it runs programs and walks folders, which costs time. Paths are told with ~ for the
home folder; nothing else about the user is read.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from planner.engines.local_files import PulledModel, size_of, version_in, walk, which
from planner.engines.register import all_facts
from planner.fast_dataclass import dataclass
from planner.hardware.host.system import System

MAX_MODELS: Final = 500
# What runs or keeps models beside the engines: (name, program, what makes it print its version, where else it lies)
_OTHERS: Final = (
    ("Docker", "docker", "--version"),
    ("Podman", "podman", "--version"),
)
_Lister = Callable[[System, str, str], Iterator[PulledModel]]


@dataclass(frozen=True, slots=True)
class InstalledEngine:
    """One program that was found, with its version as it says (None when it did not say)."""

    name: str
    """As its makers write it."""
    version: str | None
    """As it says; None where it doesn't."""
    source: str
    """Where it was found."""


@dataclass(frozen=True, slots=True)
class ModelStore:
    """A folder where an engine keeps models, and the room on its disk in bytes."""

    name: str
    """Whose folder it is."""
    folder: str
    """Its path, with ~ for the home folder."""
    free: int | None
    """Bytes free on its disk; None where that may not be seen."""
    total: int | None
    """Bytes of its disk."""


def installed_engines(system: System) -> list[InstalledEngine]:
    """The engines, LM Studio, Docker and Podman, as far as they are on the PATH."""
    found: list[InstalledEngine] = []
    for facts in all_facts():
        for program in facts.programs:
            path = which(system, program)
            if path is not None:
                version = facts.installed_version(system, path)
                found.append(InstalledEngine(facts.title, version, f"{program} on the PATH"))
                break
        else:
            if facts.application is not None and system.exists(facts.application):
                found.append(InstalledEngine(facts.title, None, "/Applications"))
    for name, program, argument in _OTHERS:
        path = which(system, program)
        if path is not None:
            version = version_in(system.run([path, argument]))
            found.append(InstalledEngine(name, version, f"{program} on the PATH"))
    return found


def followed_engines(system: System) -> dict[str, str]:
    """Return the installed engines whose rules are known by version, with the version; only these are asked."""
    found: dict[str, str] = {}
    for facts in all_facts():
        if facts.follows_versions:
            path = next((p for p in (which(system, name) for name in facts.programs) if p), None)
            version = facts.installed_version(system, path) if path else None
            if version:
                found[facts.name] = version
    return found


def differences(engines: list[InstalledEngine]) -> tuple[str, ...]:
    """What installed engines do otherwise than the planner's rules; one clause each, none where they agree."""
    return tuple(
        line
        for facts in all_facts()
        for engine in engines
        if engine.name == facts.title and engine.version
        for line in facts.differences(engine.version)
    )


def _folders(system: System) -> list[tuple[str, str, _Lister]]:
    """(store, folder, what lists it) of every place where models are kept, whether it is there or not."""
    home, env = system.home(), system.env
    places: list[tuple[str, str, _Lister]] = [
        (facts.title, folder, facts.models_in)
        for facts in all_facts()
        for folder in facts.model_folders(system)
    ]
    if home:
        cache = env.get("XDG_CACHE_HOME") or f"{home}/.cache"
        hub = env.get("HF_HUB_CACHE") or (env["HF_HOME"] + "/hub" if env.get("HF_HOME") else None)
        places.append(("Hugging Face", hub or f"{cache}/huggingface/hub", _hugging_face))
    return list({(store, folder): (store, folder, lister) for store, folder, lister in places}.values())


def model_stores(system: System, usage: Callable[[Path], Any] = shutil.disk_usage) -> list[ModelStore]:
    """The folders that exist, or the first one of each engine's where a download would go."""
    stores: list[ModelStore] = []
    for name, folder, _ in _folders(system):
        if not system.exists(folder):
            continue
        try:
            room = usage(system.path(folder))
            stores.append(ModelStore(name, tilde(system, folder), int(room.free), int(room.total)))
        except OSError:
            stores.append(ModelStore(name, tilde(system, folder), None, None))
    if not stores and system.home():
        home = str(system.home())
        try:
            room = usage(system.path(home))
            stores.append(ModelStore("home folder", "~", int(room.free), int(room.total)))
        except OSError:
            pass
    return stores


def tilde(system: System, path: str) -> str:
    """The path with ~ for the home folder, so that no user name is told."""
    home = system.home()
    return "~" + path[len(home) :] if home and (path + "/").startswith(home.rstrip("/") + "/") else path


def pulled_models(system: System) -> list[PulledModel]:
    """Models of every store, at most 500; damaged entries are passed over."""
    found: list[PulledModel] = []
    for store, folder, lister in _folders(system):
        for model in lister(system, store, folder):
            if len(found) >= MAX_MODELS:
                return found
            found.append(model)
    return list(dict.fromkeys(found))


def _hugging_face(system: System, store: str, folder: str) -> Iterator[PulledModel]:
    for name in system.entries(folder):
        if name.startswith("models--"):
            blobs = system.path(f"{folder}/{name}/blobs")
            sizes = [size_of(path) for path in walk(blobs, 1)]
            known = [s for s in sizes if s is not None]
            yield PulledModel(store, name.removeprefix("models--").replace("--", "/"), sum(known) or None)
