"""Where the planner keeps what it fetched and measured: small JSON files in the user's own folders."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any


def cache_dir() -> Path:
    """Return the folder for what can be fetched again: $XDG_CACHE_HOME/planner or the like."""
    return _user_dir("XDG_CACHE_HOME", ".cache", "Library/Caches")


def state_dir() -> Path:
    """Return the folder for what was measured here: $XDG_STATE_HOME/planner or the like."""
    return _user_dir("XDG_STATE_HOME", ".local/state", "Library/Application Support")


def _user_dir(variable: str, linux: str, macos: str) -> Path:
    chosen = os.environ.get(variable)
    if chosen:
        return Path(chosen) / "planner"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "planner"
    return Path.home() / (macos if sys.platform == "darwin" else linux) / "planner"


def load_entry(kind: str, key: str) -> dict[str, Any] | None:
    """Return what was stored under a key; None where there is nothing, or nothing readable."""
    try:
        entry = json.loads(_entry(kind, key).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) and entry.get("key") == key else None


def store_entry(kind: str, key: str, entry: dict[str, Any]) -> None:
    """Store an entry under a key. A full or read-only disk loses the entry, not the answer."""
    path = _entry(kind, key)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump({**entry, "key": key}, file)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def _entry(kind: str, key: str) -> Path:
    return cache_dir() / kind / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
