"""A server on 127.0.0.1 that sends bytes as they are, in one piece or drop by drop, or without an end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Raw:
    """What came in (the head of each request), and where to ask."""

    port: int
    heads: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


Sender = Callable[[socket.socket, str], None]


def sending(*pieces: bytes, pause: float = 0.0, endless: bytes = b"") -> Sender:
    """A sender of pieces, with a pause after each, and then of one piece for ever."""

    def send(connection: socket.socket, _: str) -> None:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        while endless:
            connection.sendall(endless)
            time.sleep(pause)

    return send


@contextmanager
def raw_server(send: Sender) -> Iterator[Raw]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    server = Raw(listener.getsockname()[1])
    over = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.settimeout(5)
        head = b""
        try:
            while b"\r\n\r\n" not in head and (piece := connection.recv(65536)):
                head += piece
            server.heads.append(head.decode("latin-1"))
            send(connection, server.heads[-1])
        except OSError:
            pass  # the reader has seen enough and closed
        finally:
            connection.close()

    def listen() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        over.set()
        thread.join()
        listener.close()
