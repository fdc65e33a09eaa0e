"""`planner bench`: a real llama-server is measured, estimates here follow, and nothing but figures is exported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.api import bench_server, export_rows, forget_speeds, launch, load_model, plan
from planner.engines.llama_cpp.real_engine import available
from planner.hardware.machine import Cpu, Host, Machine
from planner.plan import Interval, SpeedEstimate, Workload
from planner.speed.correction import corrected, factor_of
from planner.verify.speed_here import SpeedRecord, ratios_here, record_speeds, speeds_file
from tests.cli.conftest import Cli

from .test_end_to_end import running
from .tiny_model import write_tiny


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
