"""What was fetched, kept as small JSON files in the user's cache; a damaged entry is no entry."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any, Final

from planner.bounded_read import read_text
from planner.own_files import cache_dir, write_whole

MAX_ENTRY: Final = 32 << 20  # bytes; the header of the largest model takes 3 MB


def load_entry(kind: str, key: str) -> dict[str, Any] | None:
    """Return what was stored under a key; None where there is nothing, or nothing readable."""
    path = _entry(kind, key)
    try:
        entry = json.loads(read_text(path, MAX_ENTRY)) if path is not None else None
    except (OSError, ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) and entry.get("key") == key else None


def store_entry(kind: str, key: str, entry: dict[str, Any]) -> None:
    """Store an entry under a key. A full or read-only disk, or no home, loses the entry, not the answer."""
    path = _entry(kind, key)
    if path is not None:
        with contextlib.suppress(OSError):
            write_whole(path, json.dumps({**entry, "key": key}))


def _entry(kind: str, key: str) -> Path | None:
    folder = cache_dir()
    name = hashlib.sha256(key.encode("utf-8", "backslashreplace")).hexdigest()[:32]
    return None if folder is None else folder / kind / f"{name}.json"
