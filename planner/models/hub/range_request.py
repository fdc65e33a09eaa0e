"""A part of a file of a web server: ranges, ETags, and in one line what the server refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final

from planner import bounded_http
from planner.bounded_http import MAX_REDIRECTS, NoAnswerError, brief
from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.outside_numbers import MAX_BYTES, digits
from planner.safe_text import one_line

DEADLINE: Final = 120.0  # seconds for one file's header


@dataclass(slots=True)
class Answer:
    """An open answer: read it in pieces, then close it."""

    url: str  # after redirects
    status: int  # 200, 206 or 304
    etag: str | None
    position: int  # where in the file the body's next byte lies; the reader moves it
    total: int | None  # size of the whole file, where the server says it
    body: bounded_http.Answer = field(repr=False)

    def read(self, most: int) -> bytes:
        """Read up to `most` bytes, at least one unless the body has ended."""
        return self.body.read(most)

    def close(self) -> None:
        """Close the connection, whatever is left of the body."""
        self.body.close()


def get(
    url: str,
    span: tuple[int, int],
    headers: Mapping[str, str],
    secret: Mapping[str, str],
    deadline: float | None = None,
) -> Answer:
    """Ask for bytes from `span`[0] to `span`[1] (inclusive) of a URL.

    Returns an open Answer: 206 with the range, 200 with the whole file from its start where the server knows
    no ranges, 304 where `headers` held an If-None-Match that still matches. `secret` headers go to the URL's own
    host only. Raises NoAnswerError where there is no network or no server, InputError where the server refuses.
    """
    start, end = span
    sent = {**headers, "Range": f"bytes={start}-{end}"}
    response = bounded_http.open_url(url, sent, secret, DEADLINE, redirects=MAX_REDIRECTS, deadline=deadline)
    # The hub names the file's own ETag at the redirect to its storage.
    linked = [said for passed in response.passed if (said := passed.get("X-Linked-Etag"))]
    etag = linked[-1] if linked else response.headers.get("ETag")
    if response.status in (200, 206, 304):
        first, total = _extent(url, response.status, start, response.headers)
        return Answer(response.url, response.status, etag, first, total, response)
    response.close()
    raise refusal(url, response.status, authorised="Authorization" in secret)


def _extent(url: str, status: int, start: int, headers: Mapping[str, str]) -> tuple[int, int | None]:
    """Return where the body starts and how large the file is; InputError where the answer contradicts us."""
    if status == 206:
        unit, _, rest = headers.get("Content-Range", "").partition(" ")
        span, _, size = rest.partition("/")
        left, _, right = span.partition("-")
        first, last = digits(left, MAX_BYTES), digits(right, MAX_BYTES)
        if unit != "bytes" or first is None or last is None:
            raise InputError(
                f"{brief(url)}: the server's answer to a range request has no usable Content-Range"
            )
        total = digits(size, MAX_BYTES)
        if first != start or (total is not None and last >= total):
            raise InputError(
                f"{brief(url)}: the server answered with another range ({one_line(rest, 60)}) than was asked for"
            )
        return start, total
    return 0, digits(headers.get("Content-Length", ""), MAX_BYTES) if status == 200 else None


def refusal(url: str, status: int, *, authorised: bool) -> InputError:
    """Return what a status means to a person; a NoAnswerError where trying again later may help."""
    where = brief(url)
    if status in (401, 403):
        how = (
            "your token has no access: ask for it on the model's page"
            if authorised
            else "private or gated: ask for access, then log in with 'hf auth login' or set HF_TOKEN"
        )
        return InputError(f"{where}: access refused ({status}): {how}")
    if status in (404, 410):
        return InputError(f"{where}: not found ({status}): check the name")
    if status == 416:
        return InputError(f"{where}: empty or shorter than a header ({status})")
    if status == 429:
        return NoAnswerError(f"{where}: too many requests ({status}): wait a while and try again")
    if status >= 500:
        return NoAnswerError(f"{where}: the server failed ({status}): try again later")
    return InputError(f"{where}: the server answered {status}")
