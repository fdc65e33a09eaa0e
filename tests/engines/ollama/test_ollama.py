"""Ollama's defaults and what they lead to."""

from __future__ import annotations

import pytest

from planner.engines.llama_cpp.placing.weights import weight_table
from planner.engines.llama_cpp.room import room_of
from planner.engines.ollama.defaults import OllamaSettings, automatic_batch, default_context, served_quant
from planner.engines.ollama.engine import Ollama
from planner.errors import InputError
from planner.plan import Placement, UseCase, Workload
from planner.units import GIB
from tests.asked import asked
from tests.engines.llama_cpp.llama_shapes import shape
from tests.engines.llama_cpp.test_llama_plan import machine

ENGINE = Ollama()


@pytest.mark.parametrize(
    ("vram", "context"), [(0, 4096), (22, 4096), (23, 32768), (46, 32768), (47, 262144), (640, 262144)]
)
def test_context_by_vram(vram: int, context: int) -> None:
    assert default_context(vram * GIB) == context


def test_an_open_context_is_capped_by_training_and_always_set() -> None:
    plan = ENGINE.plan(asked(shape("QWEN3_30B"), "Q4_K_M", machine(80), Workload()))
    assert plan.settings["num_ctx"] == 32768 and plan.env["OLLAMA_CONTEXT_LENGTH"] == "32768"
    thinking = Workload(use_case=UseCase.REASONING)
    plan = ENGINE.plan(asked(shape("QWEN3_30B"), "Q4_K_M", machine(80), thinking))
    assert plan.settings["num_ctx"] == 40960 and plan.env["OLLAMA_CONTEXT_LENGTH"] == "40960"


def test_a_wanted_context_and_users_go_into_the_environment() -> None:
    plan = ENGINE.plan(asked(shape("LLAMA_8B"), "Q4_K_M", machine(24), Workload(context=8192, users=2)))
    assert plan.fits and plan.placement is Placement.GPU
    assert plan.env == {"OLLAMA_CONTEXT_LENGTH": "8192", "OLLAMA_NUM_PARALLEL": "2"}
    assert "100% GPU" in plan.why[0].text


def test_what_does_not_fit_is_fitted_by_llama_server() -> None:
    plan = ENGINE.plan(asked(shape("QWEN3_30B"), "Q4_K_M", machine(8), Workload(context=8192)))
    assert plan.fits and plan.placement is Placement.HYBRID
    assert plan.settings["override_tensor"] and "CPU/GPU" in plan.why[0].text


def test_batch_size_by_context_and_headroom() -> None:
    room = room_of(machine(24).host, experts=False)
    assert automatic_batch(4096, 5 * GIB, 24 * GIB, flash=True, room=room) == 512
    assert automatic_batch(8192, 5 * GIB, 24 * GIB, flash=True, room=room) == 1024
    assert automatic_batch(65536, 5 * GIB, 24 * GIB, flash=True, room=room) == 2048
    assert automatic_batch(65536, 15 * GIB, 24 * GIB, flash=True, room=room) == 1024
    assert automatic_batch(65536, 23 * GIB, 24 * GIB, flash=True, room=room) == 512
    small = room_of(machine(8).host, experts=False)
    assert automatic_batch(8192, GIB, 8 * GIB, flash=False, room=small) == 256


def test_settings_are_checked() -> None:
    with pytest.raises(InputError, match="n_ctx"):
        OllamaSettings.of({"n_ctx": 4096})
    with pytest.raises(InputError):
        OllamaSettings.of({"kv_cache_type": "q5_0"})
    with pytest.raises(InputError):
        OllamaSettings.of({"num_parallel": 0})


def test_agents_get_what_they_need_on_a_small_gpu_with_experts_in_ram() -> None:
    """Ollama itself would start 4,096 tokens there (docs/context-length.mdx asks 64,000 for agents)."""
    plan = ENGINE.plan(asked(shape("GPT_OSS_20B"), "MXFP4", machine(8), Workload(use_case=UseCase.AGENTS)))
    assert plan.fits and plan.placement is Placement.HYBRID and plan.settings["num_ctx"] == 65536


def test_max_context_is_what_fits_with_a_part_in_ram() -> None:
    longest = ENGINE.longest_context(asked(shape("LLAMA_8B"), "Q4_K_M", machine(12), Workload(context=4096)))
    plan = ENGINE.plan(asked(shape("LLAMA_8B"), "Q4_K_M", machine(12), Workload(context=longest)))
    assert plan.fits and plan.placement is Placement.HYBRID and longest == 131072


def test_without_a_gpu() -> None:
    plan = ENGINE.plan(asked(shape("LLAMA_1B"), "Q4_K_M", machine(), Workload()))
    assert plan.fits and plan.placement is Placement.CPU and plan.settings["num_ctx"] == 32768


def test_gpt_oss_is_served_with_bfloat16_around_the_experts() -> None:
    """13.8 GB on the library's page; files of llama.cpp's own tools have 12.1."""
    arch = shape("GPT_OSS_20B")
    assert served_quant(arch, "MXFP4") == "MXFP4_BF16" and served_quant(arch, "Q8_0") == "Q8_0"
    assert weight_table(arch, "MXFP4_BF16").file_bytes == pytest.approx(13.78e9, rel=0.002)
    assert weight_table(arch, "MXFP4").file_bytes == pytest.approx(12.1e9, rel=0.002)


def test_max_context_is_never_below_what_runs() -> None:
    plan = ENGINE.plan(asked(shape("QWEN3_30B"), "Q4_K_M", machine(8), Workload(context=8192)))
    assert plan.max_context >= 8192
