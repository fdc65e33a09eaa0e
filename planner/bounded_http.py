"""Ask a web server and read its answer as far as a bound: bytes, seconds, redirects; no secret leaves its host.

The standard library's client, so that neither the version of another nor its habits matter: nothing is
decompressed (a small answer cannot become a large one), no cookie is kept, proxies come from the environment.
The seconds count from the question to the last byte that is read, header lines included, however slowly a
server drips.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import field
from functools import partial
from typing import IO, Any, Final
from urllib.parse import urljoin, urlsplit

from planner.bounded_read import size_words
from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.safe_text import one_line

MAX_REDIRECTS: Final = 6
TIMEOUT: Final = 20.0  # seconds without a byte
_MOVED: Final = (301, 302, 303, 307, 308)


class NoAnswerError(InputError):
    """The server can't be reached, or broke off: what is in a cache may still do."""


@dataclass(slots=True)
class Answer:
    """An open answer of any status: read it in pieces or whole, then close it (or use it in a `with`)."""

    url: str  # after redirects
    status: int
    headers: Mapping[str, str]
    passed: tuple[Mapping[str, str], ...]  # the headers of the redirects on the way
    deadline: float  # as time.monotonic
    _body: Any = field(repr=False)

    def read(self, most: int) -> bytes:
        """Read up to `most` bytes, at least one unless the body has ended. Raises NoAnswerError."""
        if time.monotonic() > self.deadline:
            raise _late(self.url)
        try:
            chunk: bytes = self._body.read1(most)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if time.monotonic() > self.deadline:
                raise _late(self.url) from None
            raise NoAnswerError(f"{brief(self.url)}: the connection broke: {reason(error)}") from None
        return chunk

    def whole(self, most: int) -> bytes:
        """Read the whole body. Raises InputError where it is larger than `most` bytes, NoAnswerError as `read`."""
        pieces, left = [], most + 1
        while left > 0 and (chunk := self.read(min(left, 1 << 20))):
            pieces.append(chunk)
            left -= len(chunk)
        if left <= 0:
            raise InputError(f"{brief(self.url)}: an answer of more than {size_words(most)}")
        return b"".join(pieces)

    def close(self) -> None:
        """Close the connection, whatever is left of the body."""
        self._body.close()

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_url(
    url: str,
    headers: Mapping[str, str],
    secret: Mapping[str, str],
    seconds: float,
    *,
    redirects: int = 0,
    deadline: float | None = None,
) -> Answer:
    """Ask for a URL and return the open answer, whatever its status.

    `secret` headers (a key, a token) go to the URL's own origin only, never along a redirect to another. At
    most `redirects` are followed, none from https to http; with 0 a redirect is an answer like any other.
    `deadline` (time.monotonic) is the end of several questions together, instead of `seconds` from now.

    Raises NoAnswerError where there is no network or no server, InputError for what is no http(s) address and
    for redirects that are refused.
    """
    end = time.monotonic() + seconds if deadline is None else deadline
    asked = url
    passed: list[Mapping[str, str]] = []
    for _ in range(redirects + 1):
        response = _open(url, {**headers, **secret}, end)
        status: int = response.status
        if status not in _MOVED or not redirects:
            return Answer(url, status, response.headers, tuple(passed), end, response)
        passed.append(response.headers)
        target = _target(url, response.headers.get("Location"))
        response.close()
        if origin(target) != origin(url):
            secret = {}
        url = target
    raise InputError(f"{brief(asked)}: more than {redirects} redirects")


def post(url: str, body: bytes, secret: Mapping[str, str], deadline: float) -> Answer:
    """Send a JSON body and return the open answer, whatever its status; a redirect is one like any other.

    Raises NoAnswerError where there is no network or no server, InputError for what is no http(s) address.
    """
    response = _open(url, {"Content-Type": "application/json", **secret}, deadline, body)
    return Answer(url, int(response.status), response.headers, (), deadline, response)


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an http(s) address. Raises InputError for anything else."""
    try:
        split = urlsplit(url)
        scheme, host, port = split.scheme, split.hostname, split.port
    except ValueError:
        scheme, host, port = "", None, None
    if scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        raise InputError(f"'{brief(url)}' is not an http(s) address")
    return scheme, host, port or (443 if scheme == "https" else 80)


def brief(url: str) -> str:
    """Return an address for a message: one line, not too long."""
    return one_line(url, 300)


def reason(error: BaseException) -> str:
    """Return why a server didn't answer, as one line."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer within {TIMEOUT:.0f} s"
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return one_line(text, 160)


def _open(url: str, headers: Mapping[str, str], deadline: float, body: bytes | None = None) -> Any:
    _, host, port = origin(url)
    left = deadline - time.monotonic()
    if left <= 0:
        raise _late(url)
    opener = urllib.request.build_opener(_NoRedirect, _Http(deadline), _Https(deadline, _context()))
    sent = {"Accept-Encoding": "identity", **headers}
    try:
        return opener.open(urllib.request.Request(url, body, headers=sent), timeout=min(TIMEOUT, left))
    except urllib.error.HTTPError as error:
        return error  # an answer like any other: 3xx, 4xx, 5xx
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() >= deadline:
            raise _late(url) from None
        where = f"{one_line(host, 100)}:{port}"
        raise NoAnswerError(f"cannot reach {where}: {reason(error)}; check the network") from None


def _late(url: str) -> NoAnswerError:
    return NoAnswerError(f"{brief(url)}: too slow: gave up")


def _target(url: str, location: str | None) -> str:
    if not location:
        raise InputError(f"{brief(url)}: a redirect without a destination")
    try:
        target = urljoin(url, location)
        scheme = origin(target)[0]
    except (ValueError, InputError):
        raise InputError(
            f"{brief(url)}: a redirect to {brief(location)!r}, which is not an http(s) address"
        ) from None
    if urlsplit(url).scheme == "https" and scheme != "https":
        raise InputError(f"{brief(url)}: refused to follow a redirect from https to {scheme}")
    return target


def _context() -> ssl.SSLContext:
    try:
        import certifi  # comes with huggingface_hub; Python's own store is empty on some systems
    except ImportError:
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=certifi.where())


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None


class _Timed(io.RawIOBase):
    """A socket's bytes, none of them waited for beyond the deadline."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: float) -> None:
        self._raw = raw
        self._socket = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the whole answer is over")
        self._socket.settimeout(min(TIMEOUT, left))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


def _response_class(deadline: float) -> type[http.client.HTTPResponse]:
    class Response(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
            super().__init__(sock, *args, **kwargs)
            self.fp = io.BufferedReader(_Timed(self.fp.detach(), sock, deadline))

    return Response


class _Connection(http.client.HTTPConnection):
    def __init__(self, *args: Any, deadline: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.response_class = _response_class(deadline)


class _TlsConnection(http.client.HTTPSConnection):
    def __init__(self, *args: Any, deadline: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.response_class = _response_class(deadline)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Connection, deadline=self._deadline), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, deadline: float, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._deadline, self._tls = deadline, context

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_TlsConnection, deadline=self._deadline), req, context=self._tls)
