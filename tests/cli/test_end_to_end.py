"""The whole way: a real model, the command that the planner prints, the real server, its answer, its memory."""

from __future__ import annotations

import json
import re
import shlex
import struct
import subprocess
import sys
import threading
import urllib.request
import zlib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

import pytest

from planner.api import diagnose, launch, load_model, plan
from planner.engines.llama_cpp.log import EngineLog
from planner.engines.llama_cpp.projector import projector
from planner.engines.llama_cpp.real_engine import available
from planner.fast_dataclass import replace
from planner.hardware.machine import Backend, Cpu, Host, Machine
from planner.plan import Plan, Workload
from planner.verify.running_server import probe

from .tiny_model import HIDDEN, write_tiny
from .tiny_projector import MERGED, tower, write_projector

MIB = 1 << 20
CHILD = Path(__file__).with_name("engine_child.py")
pytestmark = pytest.mark.skipif(available() is None, reason="the extra 'verify' (xllamacpp) isn't installed")


@contextmanager
def running(
    command: str, lines: list[str] | None = None, started: list[int] | None = None
) -> Iterator[tuple[str, EngineLog]]:
    """Start a printed command and yield the server's address and its log so far.

    `lines` takes its text, `started` its process id.
    """
    program, *flags = shlex.split(command)
    assert program.endswith("llama-server")
    child = subprocess.Popen(
        [sys.executable, str(CHILD), *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if started is not None:
        started.append(child.pid)
    log, address, seen = EngineLog(), Queue[str](), [] if lines is None else lines

    def follow() -> None:
        assert child.stdout is not None
        for line in child.stdout:
            log.read(line)
            seen.append(line)
            if found := re.search(r"listening on (http://[\d.]+:\d+)", line):
                address.put(found[1])

    reader = threading.Thread(target=follow, daemon=True)
    reader.start()
    try:
        try:
            url = address.get(timeout=30)
        except Empty:
            pytest.fail("the server didn't start:\n" + "".join(seen[-20:]))
        yield url, log
    finally:
        assert child.stdin is not None
        child.stdin.close()
        child.kill()
        child.wait()
        reader.join(timeout=5)


def complete(url: str, prompt: str | list[int], n_predict: int = 4) -> int:
    """Ask a server for an answer; return how many tokens it has."""
    body = json.dumps({"prompt": prompt, "n_predict": n_predict, "ignore_eos": True}).encode()
    request = urllib.request.Request(url + "/completion", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as completion:
        return int(json.load(completion)["tokens_predicted"])


def look(url: str, side: int) -> int:
    """Ask a server about a grey square picture; return how many tokens the question was."""
    rows = b"".join(b"\0" + bytes([128]) * side for _ in range(side))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    png = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64encode(png).decode()}"}}
    asked = {"messages": [{"role": "user", "content": [picture]}], "max_tokens": 1}
    request = urllib.request.Request(
        url + "/v1/chat/completions", json.dumps(asked).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as completion:
        return int(json.load(completion)["usage"]["prompt_tokens"])


@pytest.mark.parametrize(
    ("workload", "settings"),
    [
        (Workload(context=1024), {}),
        (Workload(context=512, users=2), {}),
        (Workload(context=2048), {"cache_type_k": "q8_0", "cache_type_v": "q8_0"}),
    ],
)
def test_what_launch_prints_starts_answers_and_takes_what_was_planned(
    tmp_path: Path, workload: Workload, settings: dict[str, str]
) -> None:
    path = tmp_path / "tiny model-F16.gguf"  # a name that needs quoting
    write_tiny(path)
    machine = Machine(hosts=(Host(8 << 30, 8 << 30, Cpu(physical_cores=1, usable_cores=1)),))
    model = load_model(str(path))
    answer = plan(model, machine, workload, engine="llama.cpp", settings=settings)
    assert answer.fits
    command = launch(answer, model).command
    with running(command) as (url, log):
        assert complete(url, "hello") == 4
        (server,) = probe(url)
        assert server.context is not None
        assert workload.context is not None
        assert server.context >= workload.context
        assert server.sequences == workload.users
    (host,) = answer.memory.devices
    weights = sum(size for (_, what), size in log.buffers.items() if what == "model")
    caches = sum(size for (_, what), size in log.buffers.items() if what == "KV")
    compute = sum(size for (_, what), size in log.buffers.items() if what in ("compute", "output"))
    # The log rounds to 10 KiB; mapped weights span the file's data section, paddings included.
    assert weights == pytest.approx(host.weights, abs=MIB // 10)
    assert caches == pytest.approx(host.kv_cache, abs=MIB // 50)
    assert compute == pytest.approx(host.compute, rel=0.02, abs=MIB // 20)
    assert host.weights > 4 * MIB > HIDDEN


def test_a_drafting_model_takes_what_was_counted(tmp_path: Path) -> None:
    path, small = tmp_path / "tiny.gguf", tmp_path / "draft.gguf"
    write_tiny(path)
    write_tiny(small, layers=2)
    machine = Machine(hosts=(Host(8 << 30, 8 << 30, Cpu(physical_cores=1, usable_cores=1)),))
    model = load_model(str(path))
    asked = {"spec_draft_model": str(small), "cache_ram_mib": 0}
    answer = plan(model, machine, Workload(context=1024), engine="llama.cpp", settings=asked)
    lines: list[str] = []
    with running(launch(answer, model).command, lines) as (url, _):
        assert complete(url, "hello") == 4
    text = "".join(lines)
    assert f"loading draft model '{small}'" in text and "draft-simple" in text
    (host,) = answer.memory.devices
    for what, planned in (("model", host.weights), ("KV", host.kv_cache), ("compute", host.compute)):
        both = [float(size) for size in re.findall(rf" {what} buffer size = +([\d.]+) MiB", text)]
        assert len(both) == 2, what  # the model's own, and the draft's
        assert planned == pytest.approx(sum(both) * MIB, rel=0.01, abs=MIB // 50), what


def test_a_server_started_too_large_is_diagnosed_and_the_proposed_command_answers(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="limits of a process are Unix's")
    path = tmp_path / "tiny.gguf"
    write_tiny(path)
    flags = [
        "-m",
        str(path),
        "-c",
        "8000000",
        "-np",
        "1",
        "-ngl",
        "0",
        "-t",
        "1",
        "-dev",
        "none",
        "-fit",
        "off",
    ]
    died = subprocess.run(
        [sys.executable, str(CHILD), *flags],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30)),
    )
    assert died.returncode
    said = diagnose(f"$ llama-server {shlex.join(flags)}\n{died.stdout}")
    assert said.finding is not None
    assert said.finding.cause == "context-too-large"
    assert any("8,000,000 tokens" in line for line in said.finding.why)
    assert said.command is not None
    with running(said.command) as (url, _):
        (server,) = probe(url)
        assert server.context == 2048
        assert complete(url, "hello") == 4


def test_earlier_prompts_are_kept_in_ram_as_counted_and_up_to_the_printed_limit(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    write_tiny(path)
    cpu = Cpu(physical_cores=1, usable_cores=1)
    model = load_model(str(path))

    def planned(ram: int) -> Plan:
        machine = Machine(hosts=(Host(ram, ram, cpu),))
        return plan(model, machine, Workload(context=1024), engine="llama.cpp")

    assert "--cache-ram" not in launch(planned(16 << 30), model).command
    answer = planned(2 << 30)
    limit = answer.settings["cache_ram_mib"]
    (host,) = answer.memory.devices
    assert host.fits
    assert 0 < limit * MIB <= 2 << 30
    lines: list[str] = []
    with running(launch(answer, model).command, lines) as (url, _):
        for token in (10, 20):  # the second prompt makes the first one go
            complete(url, [token] * 600, 1)
    text = "".join(lines)
    assert f"prompt cache is enabled, size limit: {limit} MiB" in text
    saved = re.search(r"saving prompt with length (\d+), total state size = ([\d.]+) MiB", text)
    assert saved is not None
    tokens, size = int(saved[1]), float(saved[2]) * MIB
    assert tokens >= 600
    assert size == pytest.approx(host.kv_cache * tokens / 1024, rel=0.03)


@pytest.mark.parametrize(("kind", "hidden"), [("qwen3_5", 64), ("gemma3", 96), ("pixtral", 128)])
def test_a_picture_takes_the_buffers_that_were_counted(tmp_path: Path, kind: str, hidden: int) -> None:
    path, beside = tmp_path / "tiny.gguf", tmp_path / "mmproj.gguf"
    write_tiny(path)
    write_projector(beside, kind, hidden)
    lines: list[str] = []
    command = f"llama-server -m {path} --mmproj {beside} -c 2048 -np 1 -ngl 0 -t 1 -dev none -fit off"
    with running(command, lines) as (url, _):
        assert look(url, side=20 * MERGED) > (64 if kind == "gemma3" else 400)
    reserved = re.search(r"reserve_compute_meta: +CPU compute buffer size = +([\d.]+) MiB", "".join(lines))
    assert reserved is not None
    arch = replace(load_model(str(path)).architecture, vision=tower(kind, hidden))
    own = projector(arch, 512, Backend.CPU, 20 * 20)
    # the log rounds to 10 KiB, and heads that split rows have a few small inputs more
    assert own.host == pytest.approx(float(reserved[1]) * MIB, rel=0.005, abs=MIB // 100)
