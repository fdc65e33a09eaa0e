"""Which engines are installed, which models they have pulled, and the room where models lie.

Only `planner doctor` asks: it runs programs and walks folders, which costs time. Paths are told with ~ for the
home folder; nothing else about the user is read.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from planner.hardware.host.system import System

MAX_MODELS: Final = 500
_MAX_MANIFEST: Final = 1 << 20
_VERSION: Final = re.compile(r"\d+(?:\.\d+)+[\w.+-]*|\bb?\d{3,}\b")


@dataclass(frozen=True, slots=True)
class InstalledEngine:
    """One program that was found, with its version as it says (None when it did not say)."""

    name: str
    version: str | None
    source: str


@dataclass(frozen=True, slots=True)
class PulledModel:
    """A model that lies on this computer. Size in bytes."""

    store: str  # Ollama | LM Studio | llama.cpp | Hugging Face
    name: str
    size: int | None


@dataclass(frozen=True, slots=True)
class ModelStore:
    """A folder where an engine keeps models, and the room on its disk in bytes."""

    name: str
    folder: str
    free: int | None
    total: int | None


# engine -> (program, arguments that make it print its version)
_PROGRAMS: Final = (
    ("Ollama", "ollama", ("--version",)),
    ("llama.cpp", "llama-server", ("--version",)),
    ("llama.cpp", "llama-cli", ("--version",)),
    ("LM Studio", "lms", ("version",)),
    ("Docker", "docker", ("--version",)),
    ("Podman", "podman", ("--version",)),
)


def which(system: System, program: str) -> str | None:
    """The absolute path of a program on the PATH of the system, or None."""
    names = [program, f"{program}.exe"] if system.platform == "win32" else [program]
    for folder in system.env.get("PATH", "").split(";" if system.platform == "win32" else ":"):
        for name in names:
            if folder and system.exists(f"{folder}/{name}"):
                return f"{folder}/{name}"
    return None


def installed_engines(system: System) -> list[InstalledEngine]:
    """Ollama, llama.cpp, vLLM, LM Studio, Docker and Podman, as far as they are on the PATH."""
    found: dict[str, InstalledEngine] = {}
    for name, program, arguments in _PROGRAMS:
        path = None if name in found else which(system, program)
        if path is not None:
            found[name] = InstalledEngine(
                name, _version(system.run([path, *arguments])), f"{program} on the PATH"
            )
    vllm = which(system, "vllm")
    if vllm is not None:
        found["vLLM"] = InstalledEngine("vLLM", _vllm_version(system, vllm), "vllm on the PATH")
    if "LM Studio" not in found and system.exists("/Applications/LM Studio.app"):
        found["LM Studio"] = InstalledEngine("LM Studio", None, "/Applications")
    return list(found.values())


def installed_vllm(system: System) -> str | None:
    """The version of the vLLM on the PATH, else of this Python's own; None where neither is there or says so.

    Reads metadata alone: no program is run and nothing is imported.
    """
    program = which(system, "vllm")
    found = None if program is None else _vllm_version(system, program)
    if found is None and system.root == Path("/"):
        from importlib import metadata

        try:
            found = metadata.version("vllm")
        except metadata.PackageNotFoundError:
            return None
    return found


def _version(text: str | None) -> str | None:
    for line in (text or "").splitlines():
        # "Warning: could not connect to a running instance" comes before Ollama's own version.
        match = _VERSION.search(line) if "version" in line.lower() else None
        if match:
            return match.group(0).rstrip(".,")
    return None


def _vllm_version(system: System, program: str) -> str | None:
    """vLLM's version from the metadata beside its program: asking it costs seconds of imports."""
    library = program.rsplit("/bin/", 1)[0] + "/lib"
    for python in system.entries(library):
        for name in system.entries(f"{library}/{python}/site-packages"):
            match = re.fullmatch(r"vllm-(.+)\.dist-info", name)
            if match:
                return match.group(1)
    return None


def _folders(system: System) -> list[tuple[str, str]]:
    """(store, folder) of every place where an engine keeps models, whether it is there or not."""
    home, env = system.home(), system.env
    places: list[tuple[str, str]] = []
    if env.get("OLLAMA_MODELS"):
        places.append(("Ollama", env["OLLAMA_MODELS"]))
    elif home:
        places.append(("Ollama", f"{home}/.ollama/models"))
    places.append(("Ollama", "/usr/share/ollama/.ollama/models"))
    if home:
        cache = env.get("XDG_CACHE_HOME") or f"{home}/.cache"
        if system.platform == "darwin":
            places.append(("llama.cpp", env.get("LLAMA_CACHE") or f"{home}/Library/Caches/llama.cpp"))
        else:
            places.append(("llama.cpp", env.get("LLAMA_CACHE") or f"{cache}/llama.cpp"))
        places += [("LM Studio", f"{home}/.lmstudio/models"), ("LM Studio", f"{cache}/lm-studio/models")]
        hub = env.get("HF_HUB_CACHE") or (env["HF_HOME"] + "/hub" if env.get("HF_HOME") else None)
        places.append(("Hugging Face", hub or f"{cache}/huggingface/hub"))
    return list(dict.fromkeys(places))


def model_stores(system: System, usage: Callable[[Path], Any] = shutil.disk_usage) -> list[ModelStore]:
    """The folders that exist, or the first one of each engine's where a download would go."""
    stores: list[ModelStore] = []
    for name, folder in _folders(system):
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
    for store, folder in _folders(system):
        lister = {"Ollama": _ollama, "Hugging Face": _hugging_face}.get(store, _gguf_files)
        for model in lister(system, store, folder):
            if len(found) >= MAX_MODELS:
                return found
            found.append(model)
    return list(dict.fromkeys(found))


def _ollama(system: System, store: str, folder: str) -> Iterator[PulledModel]:
    # manifests/HOST/NAMESPACE/NAME/TAG, each a JSON document that lists layers with their sizes
    base = system.path(f"{folder}/manifests")
    for path in _walk(base, 4):
        parts = path.relative_to(base).parts
        if len(parts) != 4:
            continue
        name = f"{parts[2]}:{parts[3]}" if parts[1] == "library" else f"{parts[1]}/{parts[2]}:{parts[3]}"
        yield PulledModel(store, name, _manifest_size(path))


def _manifest_size(path: Path) -> int | None:
    try:
        if path.stat().st_size > _MAX_MANIFEST:
            return None
        layers = json.loads(path.read_text(encoding="utf-8"))["layers"]
        sizes = [layer["size"] for layer in layers]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return sum(sizes) if all(isinstance(s, int) and s >= 0 for s in sizes) else None


def _gguf_files(system: System, store: str, folder: str) -> Iterator[PulledModel]:
    base = system.path(folder)
    for path in _walk(base, 4):
        if path.suffix.lower() == ".gguf":
            yield PulledModel(store, path.relative_to(base).as_posix(), _size(path))


def _hugging_face(system: System, store: str, folder: str) -> Iterator[PulledModel]:
    for name in system.entries(folder):
        if name.startswith("models--"):
            blobs = system.path(f"{folder}/{name}/blobs")
            sizes = [_size(path) for path in _walk(blobs, 1)]
            known = [s for s in sizes if s is not None]
            yield PulledModel(store, name.removeprefix("models--").replace("--", "/"), sum(known) or None)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _walk(base: Path, depth: int) -> Iterator[Path]:
    """Files below a folder, sorted, down to a depth; folders that may not be read are passed over."""
    try:
        entries = sorted(base.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            folder = entry.is_dir() and not entry.is_symlink()
        except OSError:
            continue
        if folder and depth > 1:
            yield from _walk(entry, depth - 1)
        elif not folder:
            yield entry
