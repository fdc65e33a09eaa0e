"""One HTTP answer, read as far as it is needed: ranges, redirects, ETags, clear errors, bounded time.

The standard library's client, so that neither the version of huggingface_hub nor the HTTP library below it
matters; proxies come from the environment. A token is never sent on to another host than the one asked.
"""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Final
from urllib.parse import urljoin, urlsplit

from planner.errors import InputError

MAX_REDIRECTS: Final = 6
TIMEOUT: Final = 20.0  # seconds without a byte
DEADLINE: Final = 120.0  # seconds for one file's header


class NoAnswerError(InputError):
    """The server can't be reached: what is in the cache may still do."""


@dataclass(slots=True)
class Answer:
    """An open answer: read it in pieces, then close it."""

    url: str  # after redirects
    status: int  # 200, 206 or 304
    etag: str | None
    position: int  # where in the file the body's next byte lies; the reader moves it
    total: int | None  # size of the whole file, where the server says it
    body: Any = field(repr=False)
    deadline: float = 0.0

    def read(self, most: int) -> bytes:
        """Read up to `most` bytes, at least one unless the body has ended."""
        if time.monotonic() > self.deadline:
            raise NoAnswerError(f"{self.url}: too slow: gave up after {DEADLINE:.0f} s")
        try:
            chunk: bytes = self.body.read1(most)
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswerError(f"{self.url}: the connection broke: {_reason(error)}") from None
        return chunk

    def close(self) -> None:
        """Close the connection, whatever is left of the body."""
        self.body.close()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None


def get(url: str, start: int, end: int, headers: Mapping[str, str], deadline: float | None = None) -> Answer:
    """Ask for bytes start..end (inclusive) of a URL.

    Returns an open Answer: 206 with the range, 200 with the whole file from its start where the server knows
    no ranges, 304 where `headers` held an If-None-Match that still matches. Raises NoAnswerError where there
    is no network or no server, InputError where the server refuses.
    """
    limit = time.monotonic() + DEADLINE if deadline is None else deadline
    sent = {**headers, "Range": f"bytes={start}-{end}", "Accept-Encoding": "identity"}
    asked = url
    etag = None
    for _ in range(MAX_REDIRECTS):
        response = _open(url, sent)
        status: int = response.status
        if status in (301, 302, 303, 307, 308):
            # The hub names the file's own ETag at the redirect to its storage.
            etag = response.headers.get("X-Linked-Etag") or etag
            url, sent = _redirect(url, response.headers.get("Location"), sent)
            response.close()
            continue
        etag = etag or response.headers.get("ETag")
        if status in (200, 206, 304):
            first, total = _extent(asked, status, start, response.headers)
            return Answer(url, status, etag, first, total, response, limit)
        response.close()
        raise _refusal(asked, status, "Authorization" in headers)
    raise InputError(f"{asked}: more than {MAX_REDIRECTS} redirects")


def _open(url: str, headers: Mapping[str, str]) -> Any:
    _check_scheme(url)
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=_context()))
    try:
        return opener.open(urllib.request.Request(url, headers=dict(headers)), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        return error  # an answer like any other: 3xx, 4xx, 5xx
    except (OSError, http.client.HTTPException, ValueError) as error:
        host = urlsplit(url).netloc
        raise NoAnswerError(
            f"cannot reach {host}: {_reason(error)}; check the network, or name a local .gguf file"
        ) from None


def _redirect(url: str, location: str | None, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
    if not location:
        raise InputError(f"{url}: a redirect without a destination")
    target = urljoin(url, location)
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
        raise InputError(f"{url}: refused to follow a redirect from https to {urlsplit(target).scheme}")
    _check_scheme(target)
    if (urlsplit(url).scheme, urlsplit(url).netloc) != (urlsplit(target).scheme, urlsplit(target).netloc):
        headers = {name: value for name, value in headers.items() if name != "Authorization"}
    return target, headers


def _extent(url: str, status: int, start: int, headers: Mapping[str, str]) -> tuple[int, int | None]:
    """Return where the body starts and how large the file is; InputError where the answer contradicts us."""
    if status == 206:
        unit, _, rest = headers.get("Content-Range", "").partition(" ")
        span, _, size = rest.partition("/")
        first, _, last = span.partition("-")
        if unit != "bytes" or not (first.isdecimal() and last.isdecimal() and len(first + last) < 40):
            raise InputError(f"{url}: the server's answer to a range request has no usable Content-Range")
        total = int(size) if size.isdecimal() and len(size) < 20 else None
        if int(first) != start or (total is not None and int(last) >= total):
            raise InputError(
                f"{url}: the server answered with another range ({rest[:60]}) than was asked for"
            )
        return start, total
    length = headers.get("Content-Length", "")
    return 0, int(length) if status == 200 and length.isdecimal() and len(length) < 20 else None


def _refusal(url: str, status: int, authorised: bool) -> InputError:
    if status in (401, 403):
        how = (
            "your token has no access: ask for it on the model's page"
            if authorised
            else "private or gated: ask for access, then log in with 'hf auth login' or set HF_TOKEN"
        )
        return InputError(f"{url}: access refused ({status}): {how}")
    if status in (404, 410):
        return InputError(f"{url}: not found ({status}): check the name")
    if status == 416:
        return InputError(f"{url}: empty or shorter than a header ({status})")
    if status == 429:
        return NoAnswerError(f"{url}: too many requests ({status}): wait a while and try again")
    if status >= 500:
        return NoAnswerError(f"{url}: the server failed ({status}): try again later")
    return InputError(f"{url}: the server answered {status}")


def _check_scheme(url: str) -> None:
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise InputError(f"{url[:200]!r} is not an http(s) address")


def _context() -> ssl.SSLContext:
    try:
        import certifi  # comes with huggingface_hub; Python's own store is empty on some systems
    except ImportError:
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=certifi.where())


def _reason(error: BaseException) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer within {TIMEOUT:.0f} s"
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
