"""`planner verify`: files against the real engine, servers against recorded answers, and what is kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from planner.cli.output import PLAIN
from planner.cli.verify import _print as print_result
from planner.engines.llama_cpp.log import EngineLog, Row, allocated
from planner.engines.llama_cpp.real_engine import available
from planner.engines.running import Running
from planner.errors import InputError
from planner.plan import DeviceMemory, MemoryEstimate, Plan
from planner.verify.compare import compare_allocation, compare_server
from planner.verify.comparison import Part, Verification, measured_here, measurements_file, record
from planner.verify.running_server import probe
from tests.asked import plan_of

from .conftest import Cli
from .tiny_model import write_tiny

MIB = 1 << 20
needs_engine = pytest.mark.skipif(
    available() is None, reason="the extra 'verify' (xllamacpp) isn't installed"
)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


class Stub:
    """A server that knows some pages; `log` holds the requests' Authorization."""

    def __init__(self) -> None:
        self.pages: dict[str, Any] = {}
        self.status = 404
        self.log: list[str | None] = []
        self.url = ""


@pytest.fixture
def stub() -> Iterator[Stub]:
    site = Stub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            site.log.append(self.headers.get("Authorization"))
            page = site.pages.get(self.path)
            body = page.encode() if isinstance(page, str) else json.dumps(page).encode()
            self.send_response(site.status if page is None else 200)
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield site
    server.shutdown()
    server.server_close()


# Shapes of real answers: Ollama's as users have posted them, llama-server's and vLLM's from their sources.
OLLAMA_PS = {
    "models": [
        {
            "name": "qwen2.5:0.5b",
            "model": "qwen2.5:0.5b",
            "size": 492523008,
            "digest": "a8b0c51577010a279d933d14c2a8ab4b268079d44c5c8830c0a93900f1827c67",
            "details": {
                "parent_model": "",
                "format": "gguf",
                "family": "qwen2",
                "families": ["qwen2"],
                "parameter_size": "494.03M",
                "quantization_level": "Q4_K_M",
            },
            "expires_at": "2026-11-02T08:15:34.383753787Z",
            "size_vram": 0,
            "context_length": 2048,
        }
    ]
}
PROPS = {
    "default_generation_settings": {"params": {"seed": 4294967295}, "n_ctx": 4096},
    "total_slots": 4,
    "model_alias": "tiny",
    "model_path": "/models/tiny.gguf",
    "modalities": {"vision": False, "audio": False},
    "chat_template": "",
    "build_info": "b11434-0123abc",
}
VLLM_MODELS = {
    "object": "list",
    "data": [
        {
            "id": "gpt-oss",
            "object": "model",
            "owned_by": "vllm",
            "root": "openai/gpt-oss-20b",
            "parent": None,
            "max_model_len": 131072,
        }
    ],
}
VLLM_METRICS = """# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{block_size="16",cache_dtype="auto",engine="0",gpu_memory_utilization="0.92",\
kv_cache_size_tokens="%s",num_gpu_blocks="27056",num_gpu_blocks_override="None"} 1.0
"""


def test_ollama(stub: Stub) -> None:
    stub.pages = {"/api/version": {"version": "0.17.7"}, "/api/ps": OLLAMA_PS}
    assert probe(stub.url) == [
        Running(
            engine="ollama",
            build="Ollama 0.17.7",
            model="qwen2.5:0.5b",
            quant="Q4_K_M",
            context=2048,
            total=492523008,
            vram=0,
        )
    ]
    stub.pages["/api/ps"] = {"models": []}
    with pytest.raises(InputError, match="no model is loaded"):
        probe(stub.url)


def test_llama_server(stub: Stub) -> None:
    stub.pages = {"/props": PROPS}
    (running,) = probe(stub.url)
    assert (running.engine, running.build, running.model) == ("llama.cpp", "b11434-0123abc", "tiny")
    assert (running.context, running.sequences, running.path) == (4096, 4, "/models/tiny.gguf")
    assert running.process_ram is not None  # this very process listens on the port
    assert running.process_ram > 20 * MIB


def test_vllm(stub: Stub) -> None:
    stub.pages = {
        "/v1/models": VLLM_MODELS,
        "/version": {"version": "0.33.0"},
        "/metrics": VLLM_METRICS % "811680",
    }
    (running,) = probe(stub.url)
    assert (running.build, running.model, running.context) == ("vLLM 0.33.0", "openai/gpt-oss-20b", 131072)
    assert (running.kv_tokens, running.settings) == (811680, {"gpu_memory_utilization": 0.92})
    stub.pages["/metrics"] = VLLM_METRICS % "None"
    assert probe(stub.url)[0].kv_tokens == 27056 * 16
    del stub.pages["/metrics"]
    assert probe(stub.url)[0].kv_tokens is None


def test_servers_that_say_nothing_useful(stub: Stub) -> None:
    with pytest.raises(InputError, match="neither llama-server nor Ollama nor vLLM"):
        probe(stub.url)
    stub.status = 401
    with pytest.raises(InputError, match="--api-key"):
        probe(stub.url)
    with pytest.raises(InputError, match="cannot reach"):
        probe("127.0.0.1:1")
    for wrong in ("", "ftp://x", "http://", "localhost:99999"):
        with pytest.raises(InputError, match="--server"):
            probe(wrong)
    odd = ("[]", "{", "[" * 5000, '{"build_info": 5}', '{"build_info": "\\u001b[2J", "total_slots": "x"}')
    for page in odd:
        stub.pages["/props"] = page
        try:
            (running,) = probe(stub.url)
        except InputError as error:
            assert str(error).isprintable()
        else:
            assert running.build.isprintable()
            assert running.sequences is None


def test_a_key_is_sent(stub: Stub) -> None:
    stub.pages = {"/props": PROPS}
    probe(stub.url, "secret")
    assert stub.log == ["Bearer secret"]


BREAKDOWN = """
0.00.007.449 I llama_context: n_ctx                 = 8192
0.00.007.450 I llama_kv_cache_iswa: creating non-SWA KV cache, size = 8192 cells
0.00.007.455 I llama_kv_cache: size =  192.00 MiB (  8192 cells,  12 layers,  1/1 seqs), K (f16):   96.00 MiB
0.00.007.456 I llama_kv_cache: size =   18.00 MiB (   768 cells,  12 layers,  1/1 seqs), K (f16):    9.00 MiB
0.00.007.457 I llama_context:  CUDA_Host  output buffer size =     0.77 MiB
0.00.007.470 I sched_reserve:      CUDA0 compute buffer size =   398.38 MiB
0.00.007.471 I sched_reserve:  CUDA_Host compute buffer size =    21.51 MiB
breakdown_print: | memory breakdown [MiB] | total   free    self   model   context   compute    unaccounted |
breakdown_print: |   - CUDA0 (RTX 4090)   | 24080 = 9781 + (12433 = 11824 +     210 +     398) +        1866 |
breakdown_print: |   - Host               |                  1128 =  1104 +       0 +      21                |
breakdown_print: |   - CPU_REPACK         |                     7 =     7 +       0 +       0                |
""".splitlines()


def read_log(lines: Iterable[str]) -> EngineLog:
    log = EngineLog()
    for line in lines:
        log.read(line)
    return log


def test_the_engines_log() -> None:
    log = read_log(BREAKDOWN)
    assert log.rows == [
        Row("CUDA0", 11824 * MIB, 210 * MIB, 398 * MIB),
        Row("Host", 1104 * MIB, 0, 21 * MIB),
        Row("CPU_REPACK", 7 * MIB, 0, 0),
    ]
    assert log.cache == 210 * MIB
    assert log.n_ctx == 8192
    assert log.buffers["CUDA0", "compute"] == round(398.38 * MIB)
    failed = read_log(["E llama_model_load: error loading model: tensor 'x' has wrong shape; expected 1"])
    assert failed.errors == ["tensor 'x' has wrong shape; expected 1"]


def test_prediction_beside_the_log() -> None:
    gpu = DeviceMemory("CUDA0", "gpu", 11824 * MIB, 210 * MIB, 0, 398 * MIB, overhead=500 * MIB)
    cpu = DeviceMemory("CPU", "cpu", 1111 * MIB, 0, 0, 30 * MIB)
    parts = compare_allocation(MemoryEstimate((gpu, cpu)), allocated(read_log(BREAKDOWN)))
    assert [(p.device, p.what, p.agrees) for p in parts] == [
        ("CUDA0", "weights", True),
        ("CUDA0", "caches and state", True),
        ("CUDA0", "compute buffers", True),
        ("host", "weights", True),
        ("host", "caches and state", True),
        ("host", "compute buffers", False),
    ]
    assert parts[-1].measured == round(21.51 * MIB) + round(0.77 * MIB)


def test_what_is_less_than_a_mib_is_shown_in_kib(capsys: pytest.CaptureFixture[str]) -> None:
    """A toy model's cache: two zeros that differ by half a per cent help nobody."""
    parts = (
        Part("host", "caches and state", "bytes", 69_632, 410_000),
        Part("host", "weights", "bytes", 900_000, 3 * MIB),
    )
    print_result(Verification("llama.cpp", "b1", "m", "F16", "m.gguf", parts), PLAIN)
    small, large = (line for line in capsys.readouterr().out.splitlines() if line.startswith("host"))
    assert "68.0 KiB" in small and "400.4 KiB" in small and "%" not in small
    assert "1 MiB" in large and "3 MiB" in large and "%" in large


def _plan(*devices: DeviceMemory, concurrency: float = 1.0) -> Plan:
    return plan_of("ollama", memory=MemoryEstimate(devices), max_concurrency=concurrency)


def test_prediction_beside_a_server() -> None:
    gpu = DeviceMemory("g", "gpu", 900 * MIB, 80 * MIB, 0, 20 * MIB, 300 * MIB, overhead_high=500 * MIB)
    cpu = DeviceMemory("c", "cpu", 100 * MIB)
    plan = _plan(gpu, cpu, concurrency=6.25)
    ollama = Running("ollama", "1", "m", total=1100 * MIB, vram=900 * MIB)
    assert [(p.predicted, p.agrees) for p in compare_server(plan, ollama)] == [
        (1100 * MIB, True),
        (1000 * MIB, False),
    ]
    process = Running("llama.cpp", "1", "m", process_vram=1480 * MIB)
    assert [(p.predicted, p.agrees) for p in compare_server(plan, process)] == [(1300 * MIB, True)]
    vllm = Running("vllm", "1", "m", context=4096, kv_tokens=25_800)
    assert [(p.predicted, p.agrees) for p in compare_server(plan, vllm)] == [(25_600, True)]
    assert compare_server(plan, Running("llama.cpp", "1", "m")) == ()


def _verification(measured: int, build: str = "b1") -> Verification:
    parts = (Part("host", "weights", "bytes", 100 * MIB, measured),)
    return Verification("llama.cpp", build, "someone/tiny", "F16", "tiny.gguf", parts, {"n_ctx": 512})


def test_measurements_are_kept_and_found() -> None:
    assert measured_here("someone/tiny", "F16", "llama.cpp") is None
    record(_verification(100 * MIB))
    record(_verification(200 * MIB, "b2"))
    with measurements_file().open("a") as file:
        file.write('{"model": 5}\nnot json\n\n')
    found = measured_here("Someone/Tiny", "f16", "llama.cpp")
    assert found is not None
    assert (found.build, found.total, found.agrees, found.settings) == (
        "b2",
        200 * MIB,
        False,
        {"n_ctx": 512},
    )
    assert measured_here("someone/tiny", "Q4_K_M", "llama.cpp") is None
    assert measured_here("someone/tiny", "F16", "vllm") is None


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    assert record(_verification(1)) is None
    assert measured_here("someone/tiny", "F16", "llama.cpp") is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "either a .gguf file or --server"),
        (("x.gguf", "--server", "localhost:1"), "either a .gguf file or --server"),
        (("absent.gguf",), "no such file"),
        (("--server", "127.0.0.1:1"), "cannot reach"),
    ],
)
def test_wrong_use_is_one_line(cli: Cli, arguments: tuple[str, ...], words: str) -> None:
    answer = cli("verify", *arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert words in answer.err
    assert len(answer.err.strip().splitlines()) == 1


def test_a_server_from_the_command_line(cli: Cli, stub: Stub) -> None:
    stub.pages = {"/api/version": {"version": "0.17.7"}, "/api/ps": OLLAMA_PS}
    answer = cli("verify", "--server", stub.url, "--json")
    assert answer.code in (0, 1), answer.err
    (result,) = json.loads(answer.out)["verifications"]
    assert (result["engine"], result["build"]) == ("ollama", "Ollama 0.17.7")
    assert (result["model"], result["quant"]) == ("Qwen/Qwen2.5-0.5B-Instruct", "Q4_K_M")
    parts = {p["what"]: p for p in result["parts"]}
    assert parts["total"]["measured"] == 492523008
    assert parts["total"]["predicted"] > 380_000_000  # the weights alone
    found = measured_here("Qwen/Qwen2.5-0.5B-Instruct", "Q4_K_M", "ollama")
    assert found is not None
    assert found.total == 492523008
    assert "2k tokens" in cli("verify", "--server", stub.url, "--no-store").out
    unknown = dict(OLLAMA_PS["models"][0], name="nobody/knows:this")
    stub.pages["/api/ps"] = {"models": [unknown]}
    answer = cli("verify", "--server", stub.url)
    assert answer.code == 2
    assert "--model" in answer.err


@needs_engine
@pytest.mark.parametrize("header_only", [False, True])
def test_a_file_against_the_real_engine(cli: Cli, tmp_path: Path, header_only: bool) -> None:
    path = tmp_path / "tiny-F16.gguf"
    write_tiny(path, header_only=header_only)
    answer = cli("verify", str(path), "--context", "1024", "--cache-type-k", "q8_0", "--json")
    assert answer.code in (0, 1), answer.err
    (result,) = json.loads(answer.out)["verifications"]
    assert result["build"] == available()
    assert (result["model"], result["quant"]) == ("someone/tiny", "F16")
    parts = {p["what"]: p for p in result["parts"]}
    cache = 4 * 1024 * 128 * (34 / 32 + 2)  # K in q8_0, V in f16
    assert parts["caches and state"]["predicted"] == cache
    assert abs(parts["caches and state"]["measured"] - cache) <= MIB // 100
    assert abs(parts["weights"]["predicted"] - parts["weights"]["measured"]) < MIB
    found = measured_here("someone/tiny", "F16", "llama.cpp")
    assert found is not None
    assert found.settings["n_ctx"] == 1024


@needs_engine
def test_what_the_engine_refuses_is_one_line(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    write_tiny(path)
    raw = path.read_bytes().replace(b"blk.3.ffn_down.weight", b"blk.3.ffn_dowm.weight")
    path.write_bytes(raw)
    answer = cli("verify", str(path))
    assert answer.code == 2
    assert "tensor 'blk.3.ffn_down.weight' not found" in answer.err
    assert len(answer.err.strip().splitlines()) == 1


def test_without_the_extra(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.engines.llama_cpp.real_engine.available", lambda: None)
    path = tmp_path / "tiny.gguf"
    write_tiny(path)
    answer = cli("verify", str(path))
    assert answer.code == 2
    assert "pip install" in answer.err
