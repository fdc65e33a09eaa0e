"""Two models on one machine for real: started together by the printed commands, asked, their memory compared."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import psutil
import pytest

import planner
from planner.engines.llama_cpp.log import EngineLog
from planner.engines.llama_cpp.real_engine import available
from planner.hardware.machine import Cpu, Host, Machine
from planner.models.catalogue.catalogue import find_entry
from planner.models.config.architecture import architecture_from_config
from planner.plan import DeviceMemory, Workload
from tests.engines.llama_cpp.encoder_file import write_encoder

from .test_end_to_end import complete, running
from .tiny_model import write_tiny

MIB = 1 << 20
pytestmark = pytest.mark.skipif(available() is None, reason="the extra 'verify' (xllamacpp) isn't installed")


def embed(url: str, text: str) -> int:
    """Ask a server for an embedding; return how long it is."""
    body = json.dumps({"input": text}).encode()
    request = urllib.request.Request(url + "/v1/embeddings", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return len(json.load(answer)["data"][0]["embedding"])


def own_parts(log: EngineLog) -> tuple[int, int, int]:
    """Weights, caches and buffers that a server's log says."""
    kinds = [("model",), ("KV",), ("compute", "output")]
    weights, caches, compute = (
        sum(size for (_, what), size in log.buffers.items() if what in kind) for kind in kinds
    )
    return weights, caches, compute


def test_two_servers_started_together_take_what_was_planned(tmp_path: Path) -> None:
    chat, encoder = tmp_path / "chat-F16.gguf", tmp_path / "encoder-F16.gguf"
    write_tiny(chat)
    config = {**find_entry("bge-small-en-v1.5").config, "vocab_size": 300, "num_hidden_layers": 4}
    write_encoder(encoder, architecture_from_config(config), whole=True)
    machine = Machine(hosts=(Host(8 << 30, 8 << 30, Cpu(physical_cores=1, usable_cores=1)),))
    answer = planner.plan_together(
        [
            planner.wish(planner.load_model(str(chat)), Workload(context=1024)),
            planner.wish(planner.load_model(str(encoder)), role="embedding"),
        ],
        machine,
    )
    assert answer.fits
    assert not answer.takes_turns
    (host,) = answer.devices
    assert host.total == sum(host.used) <= host.high <= host.available
    pids: list[int] = []
    first, second = planner.launch_together(answer)
    with (
        running(first.command, started=pids) as (a, log_a),
        running(second.command, started=pids) as (b, log_b),
    ):
        urls = {member.role.value: url for member, url in zip(answer.members, (a, b), strict=True)}
        assert embed(urls["embedding"], "w1 w2 w3") == config["hidden_size"]
        assert complete(urls["chat"], "hello") == 4
        assert embed(urls["embedding"], "w4") == config["hidden_size"]
        resident = [psutil.Process(pid).memory_info().rss for pid in pids]
    for member, log, used in zip(answer.members, (log_a, log_b), resident, strict=True):
        (planned,) = member.plan.memory.devices
        weights, caches, compute = own_parts(log)
        assert weights == pytest.approx(planned.weights, abs=MIB // 10)
        assert caches == pytest.approx(planned.kv_cache, abs=MIB // 50)
        assert compute == pytest.approx(planned.compute, abs=MIB // 10)
        assert used < _most(planned), "the process holds no more than the upper end"
    assert sum(resident) < host.high


def _most(device: DeviceMemory) -> int:
    return device.total - device.overhead + device.overhead_high
