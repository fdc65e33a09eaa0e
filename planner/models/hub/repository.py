"""The Hugging Face hub: configurations and file lists, metadata only, cached, usable without a network.

A configuration that the user has downloaded with huggingface_hub is known offline too.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from planner.bounded_http import NoAnswerError
from planner.bounded_read import read_bytes
from planner.errors import InputError, cause_of
from planner.fast_dataclass import dataclass
from planner.models.gguf.header import GgufHeader
from planner.models.hub.cache import load_entry, store_entry
from planner.models.hub.client import (
    downloaded,
    endpoint,
    file_url,
    is_file_name,
    is_hub,
    repository,
    secret_headers,
    small_file,
)
from planner.models.hub.gguf_files import GgufFile, group_files
from planner.models.hub.gguf_header import Progress, read_remote_gguf
from planner.outside_numbers import MAX_BYTES, whole
from planner.own_files import cache_dir
from planner.safe_text import shown

CONFIG: Final = "config.json"
MAX_CONFIG: Final = 4 << 20  # bytes; real ones stay below 200 kB
_REPO: Final = re.compile(r"^[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class HubRef:
    """A model on the hub as a person names it."""

    repo_id: str  # "unsloth/gpt-oss-20b-GGUF"
    quant: str | None = None  # "Q4_K_M"
    path: str | None = None  # a file in the repository


def parse_hub_ref(text: str) -> HubRef | None:
    """Understand ``hf:owner/name[:QUANT]``, ``owner/name[:QUANT]``, and the hub's web addresses.

    Returns None for text of another form (a path, a catalogue name, another host's address).
    """
    if text.startswith(("https://", "http://")):
        return _from_address(text)
    body = text.removeprefix("hf:")
    if body == text and text.lower().endswith(".gguf"):
        return None
    repo, _, rest = body.partition(":")
    owner, _, name = repo.partition("/")
    name, _, path = name.partition("/")
    repo = f"{owner}/{name}"
    if not _REPO.match(repo) or (path and body == text):
        return None
    return HubRef(repo, rest or None, path or None)


def fetch_config(repo_id: str, revision: str | None = None) -> dict[str, Any]:
    """Return a repository's config.json.

    Raises InputError: no such repository or file, no access, no network and nothing in the cache, or a file
    that is no JSON object.
    """
    _check_repo(repo_id)
    where, key = f"{repo_id}/{CONFIG}", f"{endpoint()}/{repo_id}@{revision or 'main'}"
    try:
        config = parse_config(small_file(repo_id, CONFIG, revision or "main", MAX_CONFIG), where)
    except NoAnswerError:
        entry = load_entry("config", key)
        if entry is not None:
            return parse_config(json.dumps(entry.get("config")).encode(), where)
        path = downloaded(repo_id, CONFIG, revision)
        if path is None:
            raise
        return read_config(path)
    store_entry("config", key, {"config": config})
    return config


def read_config(path: Path) -> dict[str, Any]:
    """Read a config.json, or the one in a folder; InputError for whatever is no JSON object."""
    folder = path.is_dir()
    file = path / CONFIG if folder else path
    try:
        raw = read_bytes(file, MAX_CONFIG)
    except FileNotFoundError:
        if folder:
            raise InputError(f"{path} has no {CONFIG}; name a model's folder or a .gguf file") from None
        raise InputError(f"{file}: no such file") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read as a model's configuration: {cause_of(error)}") from None
    return parse_config(raw, str(file))


def parse_config(raw: bytes, where: str) -> dict[str, Any]:
    """Return the configuration that a config.json holds; InputError (naming `where`) for no JSON object."""
    try:
        config = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise InputError(f"{where}: not JSON") from None
    if not isinstance(config, dict):
        raise InputError(
            f"{where}: a JSON {type(config).__name__}, not an object: not a model's configuration"
        )
    return config


def list_gguf(repo_id: str) -> tuple[GgufFile, ...]:
    """Return the GGUF models and projectors of a repository; from the cache where there is no network.

    Raises InputError: no such repository, no access, or no network and nothing in the cache.
    """
    _check_repo(repo_id)
    key = f"{endpoint()}/{repo_id}"
    try:
        listing = [(file.path, file.size) for file in repository(repo_id).files]
        store_entry("listing", key, {"files": listing})
    except NoAnswerError:
        entry = load_entry("listing", key)
        if entry is None:
            raise
        listing = _checked_listing(repo_id, entry.get("files"))
    return group_files(listing)


def _checked_listing(repo_id: str, files: Any) -> list[tuple[str, int]]:
    try:
        pairs = [(path, whole(size, 0, MAX_BYTES)) for path, size in files]
    except (TypeError, ValueError):
        pairs = [("", None)]
    if any(size is None or not is_file_name(path) for path, size in pairs):
        raise InputError(f"{repo_id}: the cached list of files is damaged; delete {cache_dir()}")
    return [(path, size) for path, size in pairs if size is not None]


def read_hub_gguf(repo_id: str, path: str, progress: Progress | None = None) -> GgufHeader:
    """Read the header of a GGUF file in a repository, with the user's token where there is one."""
    _check_repo(repo_id)
    if not is_file_name(path):
        raise InputError(f"{shown(path)} is no file's name in a repository")
    return read_remote_gguf(file_url(repo_id, path), secret_headers(), progress)


def _from_address(text: str) -> HubRef | None:
    try:
        split = urlsplit(text)
    except ValueError:
        return None
    if not is_hub(f"{split.scheme}://{split.netloc}"):
        return None
    parts = [unquote(p) for p in split.path.strip("/").split("/")]
    if len(parts) < 2 or not _REPO.match("/".join(parts[:2])):
        return None
    repo = "/".join(parts[:2])
    if len(parts) > 4 and parts[2] in ("blob", "resolve") and parts[3] == "main":
        return HubRef(repo, path="/".join(parts[4:]))
    return HubRef(repo) if len(parts) == 2 or parts[2] == "tree" else None


def _check_repo(repo_id: str) -> None:
    if not _REPO.match(repo_id):
        raise InputError(f"{shown(repo_id)} is not a repository's name; write for example openai/gpt-oss-20b")
