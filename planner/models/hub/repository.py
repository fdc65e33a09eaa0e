"""The Hugging Face hub: configurations and file lists, metadata only, cached, usable without a network.

huggingface_hub resolves names, finds the user's token and keeps its own cache, so that a model that the
user has already downloaded is known offline too. HF_ENDPOINT and HF_HUB_OFFLINE are respected.
"""

from __future__ import annotations

import json
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from planner.errors import InputError, cause_of
from planner.models.gguf.header import GgufHeader
from planner.models.hub.cache import cache_dir, load_entry, store_entry
from planner.models.hub.gguf_files import GgufFile, group_files
from planner.models.hub.gguf_header import Progress, offline, read_remote_gguf
from planner.models.hub.range_request import NoAnswerError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MAX_CONFIG: Final = 4 << 20  # bytes; real ones stay below 200 kB
MAX_FILES: Final = 20_000
_REPO: Final = re.compile(r"^[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}\Z")
_ENDPOINT: Final = "https://huggingface.co"


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
    api = _api()
    _check_repo(repo_id)
    try:
        path = _cached_file(repo_id, "config.json", revision) if offline() else None
        if path is None:
            _check_size(api, repo_id, revision)
            path = api.hf_hub_download(repo_id, "config.json", revision=revision)
    except Exception as error:
        path = _cached_file(repo_id, "config.json", revision)
        if path is None or not _is_network(error):
            raise _explained(repo_id, "config.json", error) from None
    return read_config(Path(path))


def read_config(path: Path) -> dict[str, Any]:
    """Read a config.json, or the one in a folder; InputError for whatever is no JSON object."""
    file = path / "config.json" if path.is_dir() else path
    try:
        if file.stat().st_size > MAX_CONFIG:
            raise InputError(f"{file}: larger than {MAX_CONFIG >> 20} MiB: not a model's configuration")
        config = json.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        if path.is_dir():
            raise InputError(f"{path} has no config.json; name a model's folder or a .gguf file") from None
        raise InputError(f"{file}: no such file") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{file}: not JSON") from None
    if not isinstance(config, dict):
        raise InputError(
            f"{file}: a JSON {type(config).__name__}, not an object: not a model's configuration"
        )
    return config


def list_gguf(repo_id: str) -> tuple[GgufFile, ...]:
    """Return the GGUF models and projectors of a repository; from the cache where there is no network.

    Raises InputError: no such repository, no access, or no network and nothing in the cache.
    """
    _check_repo(repo_id)
    key = f"{_endpoint()}/{repo_id}"
    try:
        listing = _listing(repo_id)
        store_entry("listing", key, {"files": listing})
    except NoAnswerError:
        entry = load_entry("listing", key)
        if entry is None:
            raise
        try:
            listing = [(str(path), int(size)) for path, size in entry["files"]]
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"{repo_id}: the cached list of files is damaged; delete {cache_dir()}"
            ) from None
    return group_files(listing)


def read_hub_gguf(repo_id: str, path: str, progress: Progress | None = None) -> GgufHeader:
    """Read the header of a GGUF file in a repository, with the user's token where there is one."""
    from huggingface_hub import get_token, hf_hub_url

    _check_repo(repo_id)
    token = get_token()
    return read_remote_gguf(
        hf_hub_url(repo_id, path, endpoint=_endpoint()),
        {"Authorization": f"Bearer {token}"} if token else {},
        progress,
    )


def _from_address(text: str) -> HubRef | None:
    split = urlsplit(text)
    if f"{split.scheme}://{split.netloc}" not in (_ENDPOINT, "https://hf.co", _endpoint()):
        return None
    parts = [unquote(p) for p in split.path.strip("/").split("/")]
    if len(parts) < 2 or not _REPO.match("/".join(parts[:2])):
        return None
    repo = "/".join(parts[:2])
    if len(parts) > 4 and parts[2] in ("blob", "resolve") and parts[3] == "main":
        return HubRef(repo, path="/".join(parts[4:]))
    return HubRef(repo) if len(parts) == 2 or parts[2] == "tree" else None


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or _ENDPOINT).rstrip("/")


def _api() -> HfApi:
    from huggingface_hub import HfApi
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    logging.getLogger("huggingface_hub").setLevel(
        logging.ERROR
    )  # hints about tokens are no part of an answer
    return HfApi(endpoint=_endpoint(), library_name="open-weight-planner")


def _check_repo(repo_id: str) -> None:
    if not _REPO.match(repo_id):
        raise InputError(
            f"{repo_id[:120]!r} is not a repository's name; write for example openai/gpt-oss-20b"
        )


def _listing(repo_id: str) -> list[tuple[str, int]]:
    if offline():
        raise NoAnswerError(f"{repo_id}: its list of files is not in the cache, and HF_HUB_OFFLINE is set")
    try:  # one request; list_repo_tree would ask for over 20 s where there is no network
        siblings = _api().model_info(repo_id, files_metadata=True, timeout=20).siblings or []
    except Exception as error:
        raise _explained(repo_id, "list of files", error) from None
    if len(siblings) > MAX_FILES:
        raise InputError(f"{repo_id} has more than {MAX_FILES} files; name one of them")
    return [(s.rfilename, s.size or 0) for s in siblings]


def _check_size(api: HfApi, repo_id: str, revision: str | None) -> None:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(repo_id, "config.json", revision=revision, endpoint=_endpoint())
    size = get_hf_file_metadata(url, token=api.token, timeout=20).size
    if size is not None and size > MAX_CONFIG:
        raise InputError(f"{repo_id}: its config.json has {size} bytes: not a model's configuration")


def _cached_file(repo_id: str, name: str, revision: str | None) -> str | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo_id, name, revision=revision)
    return found if isinstance(found, str) else None


def _is_network(error: Exception) -> bool:
    return isinstance(_explained("", "", error), NoAnswerError)


def _explained(repo_id: str, what: str, error: Exception) -> InputError:
    """Turn huggingface_hub's many errors into one line; NoAnswerError where the cache may still do."""
    from huggingface_hub import errors

    if isinstance(error, InputError):
        return error
    if isinstance(error, errors.GatedRepoError):
        return InputError(f"{repo_id} is gated: accept its terms on its page, then run 'hf auth login'")
    if isinstance(error, errors.RepositoryNotFoundError):
        return InputError(
            f"{repo_id}: no such repository, or a private one ('hf auth login', or set HF_TOKEN)"
        )
    if isinstance(error, errors.LocalEntryNotFoundError):
        return NoAnswerError(f"{repo_id}: {what} is not in the cache and the hub can't be reached")
    if isinstance(error, errors.EntryNotFoundError | errors.NotASafetensorsRepoError):
        return InputError(f"{repo_id} has no {what}")
    if isinstance(error, errors.RevisionNotFoundError):
        return InputError(f"{repo_id}: no such revision")
    if isinstance(error, errors.HfHubHTTPError):
        status = getattr(error.response, "status_code", 0)
        text = f"{repo_id}: the hub answered {status or 'with an error'} for its {what}"
        if status in (401, 403, 404):
            text += ": no such repository, or no access ('hf auth login', or set HF_TOKEN)"
        return NoAnswerError(text) if status == 429 or status >= 500 else InputError(text)
    if isinstance(error, errors.SafetensorsParsingError):
        return InputError(f"{repo_id}: damaged safetensors header")
    return NoAnswerError(
        f"{repo_id}: {what}: the hub can't be reached ({cause_of(error)[:160]}); check the network"
    )
