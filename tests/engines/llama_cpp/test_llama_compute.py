"""Compute buffers for the search: kept exactly, bounded between, tabled for the usual case."""

from __future__ import annotations

import pytest

from benchmarks.compute_table import measure
from planner.engines.llama_cpp import compute as llama_compute
from planner.engines.llama_cpp.allocation import Measure
from planner.engines.llama_cpp.compute import graph_buffers, rough_buffers, upper_bound
from planner.engines.llama_cpp.engine import LlamaCpp
from planner.engines.llama_cpp.graph.reserve import compute_buffers
from planner.engines.llama_cpp.placing.placement import place
from planner.engines.llama_cpp.placing.run import Run
from planner.engines.llama_cpp.placing.weights import weight_table
from planner.engines.llama_cpp.settings import LlamaCppSettings, resolve
from planner.engines.llama_cpp.shipped.constants import constant
from planner.hardware.machine import Backend
from planner.models.catalogue.catalogue import find_entry
from tests.asked import asked
from tests.engines.llama_cpp.llama_shapes import shape
from tests.engines.llama_cpp.test_llama_plan import machine


@pytest.mark.parametrize("model", ["gpt-oss-20b", "Qwen/Qwen3-30B-A3B", "google/gemma-3-4b-it"])
@pytest.mark.parametrize(("backend", "cuda"), [(Backend.CUDA, True), (Backend.SYCL, False)])
def test_the_table_is_what_the_graph_says(model: str, backend: Backend, cuda: bool) -> None:
    """Otherwise: python -m benchmarks.compute_table."""
    arch = find_entry(model).architecture()
    row = constant(arch, quantised=True, cuda=cuda)
    assert row is not None and list(row) == measure(arch, "Q4_K_M", backend)


@pytest.mark.parametrize("name", ["LLAMA_8B", "GPT_OSS_20B", "DEEPSEEK_V2_LITE"])
@pytest.mark.parametrize("extra", [{}, {"flash_attn": "off"}, {"n_gpu_layers": 8}, {"n_parallel": 3}])
def test_between_two_exact_figures_the_bound_is_close(name: str, extra: dict[str, object]) -> None:
    llama_compute._points.clear()
    arch, table = shape(name), weight_table(shape(name), "Q4_K_M")

    def at(n_ctx: int, how: Measure) -> tuple[int, ...]:
        settings = LlamaCppSettings.of({"n_outputs_max": 1, **extra, "n_ctx": n_ctx})
        context = resolve(arch, settings)
        placement = place(arch, settings, (1 << 46,))
        return how(Run(table, placement, settings, context)).devices

    at(4096 * 3, graph_buffers), at(32768 * 3, graph_buffers)
    for n_ctx in (8192 * 3, 16384 * 3):
        bounded, real = at(n_ctx, upper_bound)[0], at(n_ctx, compute_buffers)[0]
        assert bounded == pytest.approx(real, rel=0.12)  # plans are settled with exact figures


def test_a_ranking_plan_decides_as_the_plan_does() -> None:
    engine = LlamaCpp()
    for name in ("LLAMA_8B", "GPT_OSS_20B", "QWEN3_30B"):
        for size in (8, 12, 16, 24, 80):
            request = asked(shape(name), "Q4_K_M", machine(size))
            (ranking, final), plan = engine.ranking_plan(request), engine.plan(request)
            assert (ranking.fits, ranking.placement) == (plan.fits, plan.placement)
            assert ranking.memory.total == pytest.approx(plan.memory.total, rel=0.05)
            assert ranking == plan or not final


def test_a_rough_figure_needs_no_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a graph was built")

    monkeypatch.setattr(llama_compute, "built_buffers", refuse)
    arch, table = shape("QWEN3_30B"), weight_table(shape("QWEN3_30B"), "Q5_K_M")
    settings = LlamaCppSettings.of({"n_ctx": 8192, "n_outputs_max": 1, "n_cpu_moe": 20})
    placement = place(arch, settings, (1 << 46,))
    assert rough_buffers(Run(table, placement, settings, resolve(arch, settings))).devices[0] > 0
