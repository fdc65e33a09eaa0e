"""--fit: the same choices as llama.cpp b11434 makes."""

from __future__ import annotations

from dataclasses import replace

from planner.engines.llama_cpp.allocation import Devices, allocate
from planner.engines.llama_cpp.fit import FitLimits, fit
from planner.engines.llama_cpp.placing.weights import weight_table
from planner.engines.llama_cpp.settings import LlamaCppSettings
from planner.units import MIB
from tests.engines.llama_cpp.llama_shapes import shape

SERVER = LlamaCppSettings.of({"n_parallel": 4, "kv_unified": True, "n_outputs_max": 4})


def test_nothing_changes_where_everything_fits() -> None:
    table = weight_table(shape("LLAMA_8B"), "Q4_K_M")
    choice = fit(table, SERVER, Devices((81420 * MIB,)))
    assert (choice.n_ctx, choice.n_gpu_layers, choice.overrides) == (131072, -1, ())


def test_the_context_shrinks_first() -> None:
    table = weight_table(shape("LLAMA_8B"), "Q4_K_M")
    choice = fit(table, SERVER, Devices((11788 * MIB,)))
    assert choice.n_gpu_layers == -1 and 4096 < choice.n_ctx < 131072 and choice.n_ctx % 256 == 0
    assert choice.memory.device_total(0) <= (11788 - 1024) * MIB


def test_a_given_context_stays_and_layers_go() -> None:
    table = weight_table(shape("LLAMA_8B"), "Q4_K_M")
    choice = fit(table, replace(SERVER, n_ctx=32768), Devices((7692 * MIB,)))
    assert choice.n_ctx == 32768 and 0 < choice.n_gpu_layers < 33


def test_experts_overflow_by_pattern() -> None:
    table = weight_table(shape("DEEPSEEK_V2_LITE"), "Q4_K_M", imatrix=False)
    choice = fit(table, replace(SERVER, n_ctx=32768), Devices((7692 * MIB,)))
    assert choice.n_gpu_layers == 28
    assert choice.overrides[0][0].startswith(r"blk\.14\.ffn_")
    assert choice.overrides[-1] == (r"blk\.27\.ffn_(up|down|gate_up|gate)_(ch|)exps", "CPU")
    again = allocate(table, choice.settings, Devices((7692 * MIB,)))
    assert again.weights == choice.memory.weights, "-ot with these patterns is what was measured"


def test_given_layers_are_not_touched() -> None:
    table = weight_table(shape("LLAMA_8B"), "F16")
    choice = fit(table, replace(SERVER, n_ctx=8192, n_gpu_layers=33), Devices((7692 * MIB,)))
    assert not choice.fits and choice.n_gpu_layers == 33


def test_a_cpu_has_its_ram() -> None:
    table = weight_table(shape("LLAMA_8B"), "Q4_K_M")
    assert fit(table, SERVER, Devices(()), FitLimits(host_total=64 << 30)).fits
    assert not fit(table, replace(SERVER, n_ctx=8192), Devices(()), FitLimits(host_total=4 << 30)).fits
