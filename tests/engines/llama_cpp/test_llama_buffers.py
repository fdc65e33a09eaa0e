"""The shipped compute buffers are the graph's, and are read without building one."""

from __future__ import annotations

import pytest

import planner
from benchmarks.build_buffers import checked, lines, sources_hash
from planner.engines.llama_cpp import compute as llama_compute
from planner.engines.llama_cpp.placing.placement import place
from planner.engines.llama_cpp.placing.run import Run
from planner.engines.llama_cpp.placing.weights import WeightTable, weight_table
from planner.engines.llama_cpp.settings import LlamaCppSettings, resolve
from planner.engines.llama_cpp.shipped import curves as llama_buffers
from planner.engines.llama_cpp.shipped.curves import Curve, curves, fingerprint, kind_of, packed, unpacked
from planner.hardware.machine import Backend


def test_the_file_is_of_these_sources() -> None:
    stamped = llama_buffers._index().get("sources")
    assert stamped == sources_hash(), "run python -m benchmarks.build_buffers --restamp"


def test_figures_are_what_the_graph_yields() -> None:
    rows = list(checked(every=11))
    assert len(rows) > 10
    assert [(shipped, now) for _, shipped, now in rows if shipped != now] == []


def test_lines_are_found_and_checked() -> None:
    def row(n: int) -> list[int]:
        return [n, max(100, 3 * n, 10 * n - 900), 7 * n]

    corners = lines(row, 2, 1000, 60)
    assert corners is not None
    assert len(corners) <= 6
    curve = Curve(True, [[256 * n, *row(n)[1:]] for n in corners])
    for n in range(2, 1001):
        found = curve.at(256 * n)
        assert found is not None
        assert [*found.devices, found.host] == row(n)[1:]
    assert curve.at(256 * 1001) is None
    assert curve.at(256 * 1) is None
    assert curve.at(256 * 500 + 1) is None


def test_what_is_no_line_is_refused() -> None:
    assert lines(lambda n: [n, n * n, 0], 2, 1000, 30) is None


def test_points_answer_only_for_themselves() -> None:
    curve = unpacked(packed(Curve(False, [[4096, 1, 2], [8192, 3, 4]])), 3)
    assert curve.at(6144) is None
    assert curve.at(8192) is not None


def test_keys_tell_apart_what_differs() -> None:
    arch = planner.load_model("qwen3-8b").architecture
    table, other = weight_table(arch, "Q4_K_M"), weight_table(arch, "Q6_K")

    def key(table: WeightTable, **given: object) -> str | None:
        settings = LlamaCppSettings.of({"n_ctx": 8192, "n_outputs_max": 1, **given})
        context = resolve(arch, settings, Backend.CUDA)
        return kind_of(Run(table, place(arch, settings, (1 << 40,)), settings, context))

    assert key(table) == key(other) == key(table, n_ctx=16384)
    different = [
        key(table),
        key(table, n_gpu_layers=20),
        key(other, n_gpu_layers=20),
        key(table, n_parallel=8, n_ctx=65536),
        key(table, n_ubatch=256),
        key(table, cache_type_k="q8_0", cache_type_v="q8_0"),
        key(table, flash_attn="off"),
    ]
    assert len(set(different)) == len(different)
    assert None not in different
    assert key(table, embeddings=True) is None
    assert fingerprint(arch) != fingerprint(planner.load_model("qwen3-14b").architecture)


def test_a_common_plan_builds_no_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    model = planner.load_model("qwen3-8b")
    assert curves(fingerprint(model.architecture))
    machine = planner.load_profile("rtx-4090")
    expected = planner.plan(model, machine)

    def refuse(*_: object) -> None:
        raise AssertionError("a graph was built")

    monkeypatch.setattr(llama_compute, "built_buffers", refuse)
    llama_compute._points.clear()
    assert planner.plan(model, machine) == expected
