"""Ollama's store: manifests that name layers, which are files by their checksum."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from planner.bounded_read import read_text
from planner.engines.local_files import PulledModel, walk
from planner.hardware.host.system import System
from planner.outside_numbers import MAX_BYTES, whole

_MAX_MANIFEST: Final = 1 << 20


def folders(system: System) -> list[str]:
    """Where models are kept, whether the folder is there or not; the service's own user has its own."""
    home, env = system.home(), system.env
    own = [env["OLLAMA_MODELS"]] if env.get("OLLAMA_MODELS") else [f"{home}/.ollama/models"] if home else []
    return [*own, "/usr/share/ollama/.ollama/models"]


def models(system: System, store: str, folder: str) -> Iterator[PulledModel]:
    """Models of a store; damaged manifests have no size."""
    # manifests/HOST/NAMESPACE/NAME/TAG, each a JSON document that lists layers with their sizes
    base = system.path(f"{folder}/manifests")
    for path in walk(base, 4):
        parts = path.relative_to(base).parts
        if len(parts) != 4:
            continue
        name = f"{parts[2]}:{parts[3]}" if parts[1] == "library" else f"{parts[1]}/{parts[2]}:{parts[3]}"
        yield PulledModel(store, name, _manifest_size(path))


def _manifest_size(path: Path) -> int | None:
    try:
        layers = json.loads(read_text(path, _MAX_MANIFEST))["layers"]
        sizes = [whole(layer["size"], 0, MAX_BYTES) for layer in layers]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None
