"""A web server on 127.0.0.1 that serves files as the hub does, or misbehaves as asked."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Site:
    """What is served, and how badly. `log` holds (path, headers) of every request."""

    files: dict[str, bytes] = field(default_factory=dict)
    etag: str | None = '"v1"'
    ranges: bool = True
    status: int | None = None  # answer everything with this
    redirect: dict[str, str] = field(default_factory=dict)
    claim: int | None = None  # a Content-Length other than the body's
    chunked: bool = False  # no Content-Length
    drop_after: int | None = None  # close the connection after so many bytes of a body
    content_range: str | None = None  # a wrong Content-Range
    pause: float = 0.0  # seconds before each 64 KiB
    log: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    sent: int = 0
    url: str = ""

    def ranges_asked(self) -> list[str | None]:
        return [headers.get("range") for _, headers in self.log]


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def setup(self) -> None:
            super().setup()
            # What the system takes from us at once counts as sent, whether it is read or not: little.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 15)

        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            self.close_connection = True
            headers = {k.lower(): v for k, v in self.headers.items()}
            path = self.path.partition("?")[0]
            site.log.append((self.path, headers))
            target = site.redirect.get(path)
            body = site.files.get(path)
            if target is not None:
                self.reply(302, b"", {"Location": target, "X-Linked-Etag": '"linked"'})
            elif site.status is not None:
                self.reply(site.status, b"no", {})
            elif body is None:
                self.reply(404, b"no such file", {"X-Error-Code": "EntryNotFound"})
            elif site.etag and headers.get("if-none-match") == site.etag:
                self.reply(304, b"", {"ETag": site.etag})
            else:
                self.file(body, headers.get("range"))

        def file(self, body: bytes, wanted: str | None) -> None:
            headers = {"ETag": site.etag} if site.etag else {}
            headers["X-Repo-Commit"] = "a" * 40
            match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted or "") if site.ranges else None
            if match is None:
                self.reply(200, body, headers)
                return
            first, last = int(match[1]), min(int(match[2] or len(body)), len(body) - 1)
            if first >= len(body):
                self.reply(416, b"", headers)
                return
            headers["Content-Range"] = site.content_range or f"bytes {first}-{last}/{len(body)}"
            self.reply(206, body[first : last + 1], headers)

        def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            self.send_header("Connection", "close")
            if site.chunked and status in (200, 206):
                self.send_header("Transfer-Encoding", "chunked")
            elif status != 304:
                self.send_header("Content-Length", str(site.claim or len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            if status in (200, 206) and site.drop_after is not None:
                body = body[: site.drop_after]
            # what is counted as sent is to be what the reader took, not what the kernel holds for it
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
            try:
                for start in range(0, len(body), 1 << 16):
                    time.sleep(site.pause)
                    piece = body[start : start + (1 << 16)]
                    if site.chunked and status in (200, 206):
                        piece = f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
                    self.wfile.write(piece)
                    site.sent += len(piece)
                if site.chunked and status in (200, 206):
                    self.wfile.write(b"0\r\n\r\n")
            except OSError:
                pass  # the reader has seen enough and closed

    return Handler


@contextmanager
def serve() -> Iterator[Site]:
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
