"""Ask a running Ollama, llama-server or vLLM which build it is and what it uses.

Read in: llama.cpp b11434 tools/server/server-context.cpp (/props, /v1/models), vLLM 0.33.0
v1/metrics/loggers.py and config/cache.py (vllm:cache_config_info), Ollama's API documentation (/api/ps).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from planner.bounded_http import NoAnswerError, open_url, origin
from planner.errors import InputError
from planner.outside_numbers import MAX_BYTES, whole
from planner.safe_text import shown
from planner.units import MAX_CONTEXT

MAX_ANSWER: Final = 8 << 20
SECONDS: Final = 20.0  # for all pages together
_HERE: Final = ("localhost", "127.0.0.1", "::1")
MAX_SEQUENCES: Final = 1 << 20
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Running:
    """One model that a server runs; figures that the server doesn't tell are None. Sizes are bytes."""

    engine: str  # "ollama" | "llama.cpp" | "vllm"
    build: str
    model: str  # as the server names it
    quant: str | None = None
    path: str | None = None  # of the GGUF, on the server's machine
    context: int | None = None  # tokens a sequence
    sequences: int | None = None  # slots
    total: int | None = None  # memory of the model on all devices
    vram: int | None = None  # of it on GPUs
    kv_tokens: int | None = None  # tokens that the whole KV cache holds
    memory_utilization: float | None = None  # vLLM's gpu_memory_utilization
    cache_dtype: str | None = None
    process_ram: int | None = None  # resident memory of a server on this machine
    process_vram: int | None = None  # GPU memory of its process


def probe(url: str, api_key: str | None = None) -> list[Running]:
    """Return the models that run on a server.

    Raises InputError where nothing answers, where the answer is none of the three engines', or where no
    model is loaded.
    """
    server = _Server(url, api_key)
    for ask in (_llama_server, _ollama, _vllm):
        found = ask(server)
        if found:
            return [_believable(one) for one in found]
        if found is not None:
            raise InputError(f"{server.base}: no model is loaded; send it one request and try again")
    if not server.answered:
        raise InputError(f"{server.base}: {server.reason}")
    raise InputError(
        f"{server.base} is neither Ollama nor llama-server nor vLLM (it knows none of their pages)"
    )


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


def _llama_server(server: _Server) -> list[Running] | None:
    props = server.object("/props")
    if not props or "build_info" not in props:
        return None
    settings = _section(props, "default_generation_settings")
    path = _text(props.get("model_path"))
    ram, vram = process_memory(server.host, server.port)
    return [
        Running(
            engine="llama.cpp",
            build=_text(props["build_info"]) or "unknown",
            model=_text(props.get("model_alias")) or path or "unknown",
            path=path,
            context=_count(settings.get("n_ctx")),
            sequences=_count(props.get("total_slots")),
            process_ram=ram,
            process_vram=vram,
        )
    ]


def _ollama(server: _Server) -> list[Running] | None:
    version = server.object("/api/version")
    running = server.object("/api/ps") if version and "version" in version else None
    if not version or running is None or not isinstance(running.get("models"), list):
        return None
    found = []
    for model in running["models"]:
        if isinstance(model, dict) and _text(model.get("name")):
            details = _section(model, "details")
            found.append(
                Running(
                    engine="ollama",
                    build=f"Ollama {_text(version['version'])}",
                    model=str(_text(model["name"])),
                    quant=_text(details.get("quantization_level")),
                    context=_count(model.get("context_length")),
                    total=_count(model.get("size")),
                    vram=_count(model.get("size_vram")) or 0,  # old versions leave out a 0
                )
            )
    return found


def _vllm(server: _Server) -> list[Running] | None:
    models = server.object("/v1/models")
    data = models.get("data") if models else None
    if not isinstance(data, list) or not any(
        isinstance(m, dict) and m.get("owned_by") == "vllm" for m in data
    ):
        return None
    base = next(m for m in data if isinstance(m, dict) and m.get("owned_by") == "vllm")
    version = server.object("/version") or {}
    cache = _labels(server.text("/metrics") or "", "vllm:cache_config_info")
    return [
        Running(
            engine="vllm",
            build=f"vLLM {_text(version.get('version')) or 'unknown'}",
            model=_text(base.get("root")) or _text(base.get("id")) or "unknown",
            context=_count(base.get("max_model_len")),
            kv_tokens=_kv_tokens(cache),
            memory_utilization=_fraction(cache.get("gpu_memory_utilization")),
            cache_dtype=cache.get("cache_dtype"),
        )
    ]


def _kv_tokens(cache: Mapping[str, str]) -> int | None:
    """Tokens of the KV cache: as vLLM says since 0.2x, else blocks times block size (wrong for hybrids)."""
    told = _count(cache.get("kv_cache_size_tokens"))
    if told:
        return told
    blocks, size = _count(cache.get("num_gpu_blocks")), _count(cache.get("block_size"))
    return blocks * size if blocks and size else None


def _labels(metrics: str, name: str) -> dict[str, str]:
    """Return the labels of a Prometheus info metric."""
    for line in metrics.splitlines():
        if line.startswith(name + "{"):
            return dict(_LABEL.findall(line))
    return {}


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


def _section(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = value.get(key)
    return inner if isinstance(inner, dict) else {}


def _text(value: Any) -> str | None:
    """A server's string, fit to be printed."""
    if not isinstance(value, str):
        return None
    return "".join(c if c.isprintable() else " " for c in value[:300]).strip() or None


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) < 19:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 62:
        return None
    return value


def _fraction(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 < number <= 1 else None
