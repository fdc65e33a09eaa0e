"""`planner bench`: a real llama-server is measured, estimates here follow, and nothing but figures is exported."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import psutil
import pytest

from planner.api import bench_server, export_rows, forget_speeds, launch, load_model, plan
from planner.engines.llama_cpp.real_engine import available
from planner.hardware.machine import Cpu, Host, Machine
from planner.plan import Interval, SpeedEstimate, Workload
from planner.speed.correction import corrected, factor_of
from planner.verify.bench.program import running as running_program
from planner.verify.speed_here import SpeedRecord, ratios_here, record_speeds, speeds_file
from tests.cli.conftest import Cli

from .llama_server_shim import install_server
from .test_end_to_end import running
from .tiny_model import write_tiny


def words(text: str) -> str:
    """The text in one line, however it was wrapped."""
    return " ".join(text.split())


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    forget_speeds()


@pytest.mark.skipif(available() is None, reason="the extra 'verify' (xllamacpp) isn't installed")
def test_a_real_server_is_measured_and_corrects_what_is_said_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "somebody's secret model-F16.gguf"
    write_tiny(path)
    machine = Machine(hosts=(Host(8 << 30, 8 << 30, Cpu(physical_cores=2, usable_cores=2)),))
    model = load_model(str(path))
    answer = plan(model, machine, Workload(context=1024, users=2), engine="llama.cpp")
    said: list[str] = []
    with running(launch(answer, model).command) as (url, _):
        bench = bench_server(url, progress=said.append)
    kinds = [(p.what, p.streams) for p in bench.points]
    assert kinds.count(("decode", 1)) == 2 and ("decode", 2) in kinds
    assert len({p.depth for p in bench.points if (p.what, p.streams) == ("decode", 1)}) == 2
    assert all(p.measured > 0 and p.said.low < p.said.high for p in bench.points)
    assert any("2 streams" in text for text in said)
    assert ratios_here(bench.engine, bench.backend, "decode")
    export_rows(bench, tmp_path / "rows.jsonl")
    text = (tmp_path / "rows.jsonl").read_text(encoding="utf-8")
    assert "secret" not in text and str(tmp_path) not in text
    rows = [json.loads(line) for line in text.splitlines()]
    assert len(rows) == len(bench.points) and all(r["engine"] == "llama.cpp" for r in rows)
    assert forget_speeds() and not ratios_here(bench.engine, bench.backend, "decode")


@pytest.mark.skipif(available() is None, reason="the extra 'verify' (xllamacpp) isn't installed")
@pytest.mark.skipif(sys.platform == "win32", reason="the server's name is a shell script")
def test_a_model_is_measured_by_a_server_that_is_started_for_it_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    install_server(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "tiny-F16.gguf"
    write_tiny(path)
    answer = cli("bench", str(path), "--context", "1024", "--users", "2", "--json")
    assert answer.code == 0, answer.err
    points = json.loads(answer.out)["points"]
    # So small a model may read a prompt in less time than the clock's noise: then no prefill is claimed.
    measured = {(p["what"], p["streams"]) for p in points} - {("prefill", 1)}
    assert measured == {("decode", 1), ("decode", 2)}
    assert not [c for c in psutil.Process().children(recursive=True) if str(path) in " ".join(c.cmdline())]
    assert "measured here" in words(cli("plan", str(path), "--context", "1024").out)


# What llama-bench b11434 prints with -o jsonl, a line a test; fields that nobody reads left out.
LINES = """\
ggml_cuda_init: found 1 CUDA devices
{"build_number": 11434, "n_prompt": 512, "n_gen": 0, "n_depth": 0, "avg_ts": 5120.5, "stddev_ts": 12.0}
{"build_number": 11434, "n_prompt": 0, "n_gen": 64, "n_depth": 0, "avg_ts": 812.25, "stddev_ts": 1.0}
{"build_number": 11434, "n_prompt": 0, "n_gen": 64, "n_depth": 256, "avg_ts": 700.0, "stddev_ts": 1.0}
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the program is a shell script")
def test_llama_bench_is_asked_for_what_was_planned_and_its_lines_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    told = tmp_path / "lines"
    told.write_text(LINES, encoding="utf-8")
    program = tmp_path / "llama-bench"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n/bin/cat {told}\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "tiny-F16.gguf"
    write_tiny(path)
    answer = cli("bench", str(path), "--context", "1024", "-ctk", "q8_0", "-ctv", "q8_0", "--json")
    assert answer.code == 0, answer.err
    bench = json.loads(answer.out)
    assert [(p["what"], p["depth"], p["measured"]) for p in bench["points"]] == [
        ("prefill", 256, 5120.5),
        ("decode", 32, 812.25),
        ("decode", 288, 700.0),
    ]
    assert bench["build"] == "b11434"
    asked = (tmp_path / "asked").read_text(encoding="utf-8").split()
    assert asked[asked.index("-m") + 1] == str(path) and asked[asked.index("-o") + 1] == "jsonl"
    assert asked[asked.index("-ctk") + 1] == "q8_0"
    assert asked[asked.index("-d") + 1].startswith("0")


def test_a_program_that_says_no_figure_and_a_machine_without_one_are_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    path = tmp_path / "tiny-F16.gguf"
    write_tiny(path)
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    answer = cli("bench", str(path), "--context", "1024")
    assert answer.code == 2 and "neither llama-bench nor llama-server" in answer.err
    program = tmp_path / "llama-bench"
    program.write_text("#!/bin/sh\necho error: unable to load model\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = cli("bench", str(path), "--context", "1024")
    assert answer.code == 2 and "unable to load model" in answer.err and "Traceback" not in answer.err


def test_what_runs_too_long_is_ended_in_time(tmp_path: Path) -> None:
    start = time.monotonic()
    with running_program(
        [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"], {}, start + 1
    ) as lines:
        assert list(lines) == ["1"]
    assert time.monotonic() - start < 10


def test_a_plan_says_what_was_measured_nearest_and_what_would_measure_it(cli: Cli) -> None:
    out = words(
        cli("plan", "qwen3.8-27b", "--profile", "rtx-4090", "--engine", "llama.cpp", "--quant", "Q4_K_M").out
    )
    assert re.search(
        r"measured +[\d.]+ tokens/s \(.*\), median of \d runs of Qwen3.8-27B Q4_K_M on this card", out
    )
    assert "llama-bench -hf" in out and "-d 0,1280" in out
    for placed in ("-ngl", "-ncmoe"):
        assert placed in words(
            cli(
                "plan", "gpt-oss-120b", "--profile", "rtx-4090", "--engine", "llama.cpp", "--context", "8k"
            ).out
        )
    served = words(cli("plan", "qwen3-8b", "--profile", "rtx-4090", "--engine", "vllm").out)
    assert "planner bench --server localhost:8000" in served


def test_a_factor_is_drawn_to_one_and_takes_no_wild_figure() -> None:
    one, many = factor_of([0.5]), factor_of([0.5] * 9)
    assert one is not None and many is not None
    assert 0.5 < many.value < one.value < 1
    assert many.low < many.value < many.high
    assert factor_of([0.5] * 9 + [1e-4]) == many  # another model's, or another setting's
    assert factor_of([]) is None and factor_of([1e6]) is None


def test_a_correction_moves_the_middle_and_never_widens() -> None:
    speed = SpeedEstimate(
        Interval(50, 100, 200), Interval(500, 1000, 2000), Interval(0.5, 1, 2), basis="rows"
    )
    slower = corrected(speed, factor_of([0.6] * 8), factor_of([0.6] * 8))
    assert slower.decode_tps.expected == pytest.approx(62, rel=0.05)
    assert slower.ttft_s.expected == pytest.approx(1.6, rel=0.06)
    assert slower.decode_tps.high / slower.decode_tps.low < 4
    assert "measured here" in slower.basis
    assert corrected(speed, None, None) == speed


def test_what_is_kept_survives_damage_and_forget_removes_it(cli: Cli) -> None:
    record_speeds([SpeedRecord("llama.cpp", "cuda", "decode", 80.0, 100.0)])
    path = speeds_file()
    assert path is not None
    path.write_text("not JSON\n[1]\n{}\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    record_speeds([SpeedRecord("llama.cpp", "cuda", "decode", 90.0, 100.0)])
    assert ratios_here("llama.cpp", "cuda", "decode") == [0.8, 0.9]
    assert ratios_here("vllm", "cuda", "decode") == []
    assert "removed" in cli("bench", "--forget").out
    assert not path.exists()
    assert "nothing was measured" in cli("bench", "--forget").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((), "--server"), (("--server", "http://localhost:1"), "refused"), (("--server", "ftp://x"), "address")],
)
def test_without_a_server_one_line_says_what_is_missing(
    cli: Cli, arguments: tuple[str, ...], said: str
) -> None:
    answer = cli("bench", *arguments)
    assert answer.code == 2 and said in answer.err and "Traceback" not in answer.err
