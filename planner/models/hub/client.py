"""One question to the hub: a page of its API or a small file, bounded, and in one line what it refuses.

HF_ENDPOINT and HF_HUB_OFFLINE are respected; the user's token is huggingface_hub's. What the hub answers is as
foreign as any other: whoever sets HF_ENDPOINT, or can write to a repository, chooses it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from planner.bounded_http import MAX_REDIRECTS, Answer, NoAnswerError, open_url
from planner.bounded_read import size_words
from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.outside_numbers import MAX_BYTES, whole

SECONDS: Final = 30.0  # for one question
MAX_PAGE: Final = 32 << 20  # bytes; the list of 20,000 files takes 8 MiB
MAX_FILES: Final = 20_000
_HUB: Final = "https://huggingface.co"


class UnreachableError(NoAnswerError):
    """Nothing answers at all: asking about another repository will not help."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a repository."""

    path: str
    """Its name in the repository."""
    size: int
    """Bytes; 0 where the hub doesn't say."""
    sha256: str
    """Its checksum; empty where the hub doesn't say."""


@dataclass(frozen=True, slots=True)
class Repository:
    """What the hub says about a repository."""

    files: tuple[HubFile, ...]
    licence: str  # the tag that its card states; empty where it states none


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of the hub's list of models."""

    id: str
    task: str  # the hub's "pipeline_tag"


def endpoint() -> str:
    """Return the hub's address: HF_ENDPOINT, or the public one."""
    return (os.environ.get("HF_ENDPOINT") or _HUB).rstrip("/")


def is_hub(site: str) -> bool:
    """True for "scheme://host" of the public hub or of the one that HF_ENDPOINT names."""
    return site in (_HUB, "https://hf.co", endpoint())


def offline() -> bool:
    """True where the user has told huggingface_hub to stay off the network."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def file_url(repo_id: str, path: str, revision: str = "main") -> str:
    """Return the address of a file in a repository."""
    return f"{endpoint()}/{repo_id}/resolve/{quote(revision, safe='')}/{quote(path)}"


def secret_headers() -> dict[str, str]:
    """Return the header that carries the user's token, for the hub's own host alone; none without a token."""
    from huggingface_hub import get_token

    token = get_token()
    if not token:
        return {}
    if not (token.isascii() and token.isprintable()):
        raise InputError("HF_TOKEN holds characters that no token has; set it again, or run 'hf auth login'")
    return {"Authorization": f"Bearer {token}"}


def repository(repo_id: str) -> Repository:
    """Return the files of a repository with sizes and checksums, and the licence that it states.

    A file whose name is not one printable line, or leads out of the repository, is left out: no engine and no
    script is told of it. Raises NoAnswerError where the hub can't be reached or fails, InputError otherwise.
    """
    return parse_repository(_page(f"/api/models/{repo_id}?blobs=true", repo_id, "list of files"), repo_id)


def parse_repository(raw: bytes, repo_id: str) -> Repository:
    """Return what the hub's answer says about a repository. Raises as `repository`."""
    page = _parsed(raw, repo_id, "list of files")
    siblings = page.get("siblings") if isinstance(page, dict) else None
    if not isinstance(page, dict) or not isinstance(siblings or [], list):
        raise NoAnswerError(f"{repo_id}: the hub's answer is no list of files")
    if len(siblings or []) > MAX_FILES:
        raise InputError(f"{repo_id} has more than {MAX_FILES} files; name one of them")
    card = page.get("cardData")
    licence = card.get("license") if isinstance(card, dict) else None
    return Repository(
        files=tuple(file for sibling in siblings or [] if (file := _hub_file(sibling)) is not None),
        licence=licence[:100] if isinstance(licence, str) and licence.isprintable() else "",
    )


def newest_models(owner: str, most: int) -> list[Listed]:
    """Return an organisation's newest models. Raises as `repository`."""
    query = urlencode({"author": owner, "sort": "createdAt", "direction": -1, "limit": most})
    return parse_models(_page(f"/api/models?{query}", owner, "list of models"), owner)[:most]


def parse_models(raw: bytes, owner: str) -> list[Listed]:
    """Return the rows of the hub's list of models. Raises as `repository`."""
    page = _parsed(raw, owner, "list of models")
    rows = page if isinstance(page, list) else []
    found = [(row.get("id"), row.get("pipeline_tag")) for row in rows if isinstance(row, dict)]
    return [
        Listed(ident, task if isinstance(task, str) else "")
        for ident, task in found
        if isinstance(ident, str) and ident.isprintable() and len(ident) < 200
    ]


def small_file(repo_id: str, path: str, revision: str, most: int) -> bytes:
    """Return a file of a repository that has at most `most` bytes. Raises as `repository`."""
    with _ask(file_url(repo_id, path, revision), repo_id, path) as answer:
        try:
            return answer.whole(most)
        except NoAnswerError:
            raise
        except InputError:
            raise InputError(f"{repo_id}: its {path} has more than {size_words(most)}") from None


def downloaded(repo_id: str, path: str, revision: str | None) -> Path | None:
    """Return a file that the user has downloaded with the hub's own tools, None where there is none."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo_id, path, revision=revision)
    return Path(found) if isinstance(found, str) else None


def is_file_name(path: object) -> bool:
    """True for the name of a file inside a repository: one printable line that leads nowhere else."""
    if not isinstance(path, str) or not 0 < len(path) < 500 or not path.isprintable():
        return False
    return not any(part in ("", ".", "..") for part in path.split("/"))


def _hub_file(sibling: Any) -> HubFile | None:
    path = sibling.get("rfilename") if isinstance(sibling, dict) else None
    if not isinstance(path, str) or not is_file_name(path):
        return None
    lfs = sibling.get("lfs")
    sha256 = lfs.get("sha256") if isinstance(lfs, dict) else None
    return HubFile(path, whole(sibling.get("size"), 0, MAX_BYTES) or 0, checksum(sha256))


def checksum(text: object) -> str:
    """Return a SHA-256 in hexadecimal, empty for anything else."""
    fits = isinstance(text, str) and len(text) == 64 and set(text) <= set("0123456789abcdef")
    return str(text) if fits else ""


def _page(path: str, repo_id: str, what: str) -> bytes:
    with _ask(endpoint() + path, repo_id, what) as answer:
        return answer.whole(MAX_PAGE)


def _parsed(raw: bytes, repo_id: str, what: str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise NoAnswerError(f"{repo_id}: the hub's answer for its {what} is not JSON") from None


def _ask(url: str, repo_id: str, what: str) -> Answer:
    """Ask with the user's token; return the open answer where it is one."""
    if offline():
        raise NoAnswerError(f"{repo_id}: its {what} is not in the cache, and HF_HUB_OFFLINE is set")
    try:
        answer = open_url(url, {}, secret_headers(), SECONDS, redirects=MAX_REDIRECTS)
    except NoAnswerError as error:
        raise UnreachableError(f"{repo_id}: {what}: the hub can't be reached: {error}") from None
    if answer.status == 200:
        return answer
    answer.close()
    raise _refusal(answer.status, answer.headers, repo_id, what)


def _refusal(status: int, headers: Mapping[str, str], repo_id: str, what: str) -> InputError:
    """Return what a status and the hub's own code (X-Error-Code) mean, as huggingface_hub reads them."""
    code = headers.get("X-Error-Code")
    if code == "GatedRepo":
        return InputError(f"{repo_id} is gated: accept its terms on its page, then run 'hf auth login'")
    if code == "EntryNotFound":
        return InputError(f"{repo_id} has no {what}")
    if code == "RevisionNotFound":
        return InputError(f"{repo_id}: no such revision")
    if code == "RepoNotFound" or status == 401:
        return InputError(
            f"{repo_id}: no such repository, or a private one ('hf auth login', or set HF_TOKEN)"
        )
    text = f"{repo_id}: the hub answered {status} for its {what}"
    if status in (403, 404):
        text += ": no such repository, or no access ('hf auth login', or set HF_TOKEN)"
    return NoAnswerError(text) if status == 429 or status >= 500 else InputError(text)
