"""Ask a running server which engine and build it is and what it uses; its pages are read by the engine itself."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from planner.bounded_http import NoAnswerError, open_url, origin
from planner.engines.register import all_facts
from planner.engines.running import Running
from planner.errors import InputError
from planner.fast_dataclass import replace
from planner.outside_numbers import MAX_BYTES, whole
from planner.safe_text import shown
from planner.units import MAX_CONTEXT

MAX_ANSWER: Final = 8 << 20
SECONDS: Final = 20.0  # for all pages together
_HERE: Final = ("localhost", "127.0.0.1", "::1")
MAX_SEQUENCES: Final = 1 << 20


def probe(url: str, api_key: str | None = None) -> list[Running]:
    """Return the models that run on a server.

    Raises InputError where nothing answers, where the answer is none of an engine that is known, or where no
    model is loaded.
    """
    server = _Server(url, api_key)
    known = [facts for facts in all_facts() if facts.server is not None]
    for facts in known:
        found = facts.running(server)
        if found:
            return [_believable(one) for one in found]
        if found is not None:
            raise InputError(f"{server.base}: no model is loaded; send it one request and try again")
    if not server.answered:
        raise InputError(f"{server.base}: {server.reason}")
    raise InputError(
        f"{server.base} is neither {' nor '.join(str(facts.server) for facts in known)} (it knows none of their pages)"
    )


def server_base(url: str) -> str:
    """Return scheme, host and port of a server's address. Raises InputError for what is none."""
    return _Server(url, None).base


def is_here(url: str) -> bool:
    """True for the address of a server on this machine."""
    return origin(url if "://" in url else f"http://{url}")[1] in _HERE


def _believable(running: Running) -> Running:
    """What a server tells without what no server has: whoever listens there chooses every figure."""
    return replace(
        running,
        context=whole(running.context, 1, MAX_CONTEXT),
        sequences=whole(running.sequences, 1, MAX_SEQUENCES),
        total=whole(running.total, 1, MAX_BYTES),
        vram=whole(running.vram, 0, MAX_BYTES),
        kv_tokens=whole(running.kv_tokens, 1, MAX_BYTES),
    )


class _Server:
    """The pages of one server: each a JSON object, a text, or None where it has no such page."""

    def __init__(self, url: str, api_key: str | None) -> None:
        text = url if "://" in url else f"http://{url}"
        try:
            scheme, self.host, self.port = origin(text)
        except InputError:
            raise InputError(
                f"--server {shown(url)} is not an address; write for example http://localhost:11434"
            ) from None
        self.base = f"{scheme}://{urlsplit(text).netloc}"
        if api_key and not (api_key.isascii() and api_key.isprintable()):
            raise InputError("--api-key holds characters that no key has")
        self.secret = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self.deadline = time.monotonic() + SECONDS
        self.answered = False
        self.reason = "no answer"

    def text(self, page: str) -> str | None:
        """Return a page's text, None where the server has no such page; a redirect leads to none of its own."""
        try:
            with open_url(self.base + page, {}, self.secret, SECONDS, deadline=self.deadline) as answer:
                self.answered = True
                if answer.status in (401, 403):
                    raise InputError(f"{self.base}{page}: access refused ({answer.status}); give --api-key")
                return answer.whole(MAX_ANSWER).decode("utf-8", "replace") if answer.status == 200 else None
        except NoAnswerError as error:
            self.reason = str(error)
            return None

    def object(self, page: str) -> Mapping[str, Any] | None:
        """Return a page's JSON object, None where it is something else."""
        text = self.text(page)
        try:
            value = json.loads(text) if text else None
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def process_memory(self) -> tuple[int | None, int | None]:
        """Return resident and GPU memory of the server's process, bytes."""
        return process_memory(self.host, self.port)


def process_memory(host: str, port: int) -> tuple[int | None, int | None]:
    """Return resident and GPU memory of the process that listens on a port of this machine.

    (None, None) for another machine's, or where this user may not see it. GPU memory is what NVML says.
    """
    if host not in _HERE:
        return None, None
    import psutil

    try:
        pid = next(
            (
                c.pid
                for c in psutil.net_connections("tcp")
                if c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port and c.pid
            ),
            None,
        )
        if pid is None:
            return None, None
        return psutil.Process(pid).memory_info().rss, _gpu_memory(pid)
    except (psutil.Error, OSError):
        return None, None


def _gpu_memory(pid: int) -> int | None:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    used = 0
    try:
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle):
                if process.pid == pid:
                    used += process.usedGpuMemory or 0
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()
    return used
