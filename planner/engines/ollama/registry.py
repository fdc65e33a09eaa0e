"""Ollama's own registry, for a machine without network: what to fetch where there is one, and serve from a folder."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

_STORE: Final = 'OLLAMA_MODELS="$PWD/ollama-models"'  # the manifest of a bundle names this folder
_ADDRESS: Final = "OLLAMA_HOST=127.0.0.1:11599"  # beside a server that may run already


def own_tag(source: str | None) -> str | None:
    """Return the registry's tag that a plan's source is, None for a file or a repository of the hub."""
    if source and "/" not in source and not source.endswith(".gguf"):
        return source
    return None


def fetch_lines(tag: str) -> Sequence[str]:
    """Return the lines of a shell script that fetch a tag into the bundle's folder."""
    return [
        f"{_STORE} {_ADDRESS} ollama serve & SERVER=$!",
        "sleep 3",
        f"{_ADDRESS} ollama pull {shlex.quote(tag)}",
        'kill "$SERVER"',
    ]


def serve_lines() -> Sequence[str]:
    """Return the lines of a shell script that serve what the bundle's folder holds."""
    return [f"export {_STORE}", "ollama serve &", "sleep 2"]
