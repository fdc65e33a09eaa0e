"""The search for a placement: what an expert would choose, and that it holds."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from planner.api import load_model, load_profile
from planner.engines.llama_cpp.engine import LlamaCpp
from planner.engines.llama_cpp.unaccounted import unaccounted
from planner.engines.register import ENGINES, get_engine
from planner.errors import InputError, UnsupportedError
from planner.hardware.machine import Accelerator, Backend, Cpu, Host, Machine
from planner.models.architecture import Vision
from planner.plan import Placement, PlanRequest, UseCase, Workload
from planner.reason import ReasonKind
from planner.units import GIB, nice_context
from tests.asked import asked, model_of
from tests.engines.llama_cpp.llama_shapes import shape

ENGINE = LlamaCpp()


def gpu(size: int, index: int = 0, backend: Backend = Backend.CUDA, unified: bool = False) -> Accelerator:
    return Accelerator(f"GPU {size}", "nvidia", backend, size * GIB, size * GIB, index=index, unified=unified)


def machine(*sizes: int, ram: int = 64) -> Machine:
    cards = tuple(gpu(size, i) for i, size in enumerate(sizes))
    cpu = Cpu(name="CPU", physical_cores=8, architecture="x86_64")
    return Machine(hosts=(Host(ram * GIB, ram * GIB, cpu, cards),), name="test")


def test_everything_on_one_gpu() -> None:
    plan = ENGINE.plan(asked(shape("LLAMA_8B"), "Q4_K_M", machine(24), Workload(context=8192)))
    assert plan.fits and plan.placement is Placement.GPU
    assert plan.settings["n_ctx"] == 8192 and plan.settings["n_gpu_layers"] == 999
    assert plan.memory.devices[0].kind == "gpu" and plan.memory.devices[-1].kind == "cpu"
    assert plan.speed is None and plan.command == ""


def test_every_user_gets_the_context() -> None:
    plan = ENGINE.plan(asked(shape("LLAMA_8B"), "Q4_K_M", machine(24), Workload(8192, users=3, load="worst")))
    assert plan.settings["n_ctx"] == 3 * 8192 and plan.settings["n_parallel"] == 3


def test_experts_go_to_ram_before_layers_do() -> None:
    arch = shape("QWEN3_30B")
    plan = ENGINE.plan(asked(arch, "Q4_K_M", machine(12), Workload(context=16384)))
    assert plan.fits and plan.placement is Placement.HYBRID
    n = plan.settings["n_cpu_moe"]
    assert 0 < n < 48 and plan.settings["n_gpu_layers"] == 999
    one_less = ENGINE.estimate(
        asked(arch, "Q4_K_M", machine(12), Workload(context=16384), {"n_cpu_moe": n - 1, "n_outputs_max": 1})
    )
    assert not one_less.fits, "as many experts as fit stay on the GPU"


def test_a_dense_model_leaves_layers_to_the_cpu() -> None:
    plan = ENGINE.plan(asked(shape("LLAMA_8B"), "F16", machine(12), Workload(context=8192)))
    assert plan.fits and plan.placement is Placement.HYBRID
    assert 0 < plan.settings["n_gpu_layers"] < 33


def test_without_a_gpu_everything_is_on_the_cpu() -> None:
    plan = ENGINE.plan(asked(shape("LLAMA_8B"), "Q4_K_M", machine(), Workload(context=4096)))
    assert plan.fits and plan.placement is Placement.CPU and plan.settings["n_gpu_layers"] == 0
    assert len(plan.memory.devices) == 1


def test_nothing_fits_is_an_answer() -> None:
    plan = ENGINE.plan(asked(shape("QWEN3_30B"), "F16", machine(8, ram=16), Workload(context=4096)))
    assert not plan.fits and plan.shortage is plan.why[0]
    assert plan.shortage is not None and plan.shortage.kind is ReasonKind.DEVICE_TOO_SMALL
    assert plan.shortage.text == f"Does not fit: {plan.shortage.clause}."


def test_a_q8_cache_is_used_only_where_it_makes_the_difference() -> None:
    arch = shape("LLAMA_8B")
    roomy = ENGINE.plan(asked(arch, "Q4_K_M", machine(80), Workload(context=131072)))
    assert roomy.settings["cache_type_k"] == "f16"
    tight = ENGINE.plan(asked(arch, "Q4_K_M", machine(16), Workload(context=98304)))
    assert tight.settings["cache_type_k"] == "q8_0" and any(
        r.kind is ReasonKind.CACHE_QUANTISED for r in tight.why
    )
    kept = ENGINE.plan(asked(arch, "Q4_K_M", machine(16), Workload(context=98304), {"cache_type_k": "f16"}))
    assert kept.settings["cache_type_k"] == "f16"


@pytest.mark.parametrize(
    ("use_case", "context"),
    [
        (UseCase.GENERAL, 32768),
        (UseCase.REASONING, 65536),
        (UseCase.CODING, 131072),
        (UseCase.AGENTS, 131072),
    ],
)
def test_an_open_context_is_what_the_use_case_needs(use_case: UseCase, context: int) -> None:
    plan = ENGINE.plan(asked(shape("LLAMA_8B"), "Q4_K_M", machine(48), Workload(use_case=use_case)))
    assert plan.placement is Placement.GPU
    assert plan.settings["n_ctx"] == context <= plan.max_context == 131072


def test_half_of_the_need_on_the_gpu_is_better_than_all_of_it_partly_in_ram() -> None:
    plan = ENGINE.plan(asked(shape("LLAMA_8B"), "Q4_K_M", machine(8), Workload()))
    assert plan.placement is Placement.GPU and 16384 <= plan.settings["n_ctx"] < 32768


def test_experts_leave_the_gpu_for_the_context_that_is_needed() -> None:
    plan = ENGINE.plan(asked(shape("QWEN3_30B"), "Q4_K_M", machine(8), Workload(use_case=UseCase.REASONING)))
    assert plan.fits and plan.settings["n_cpu_moe"] and plan.settings["n_ctx"] == 40960, (
        "all it was trained for"
    )


def test_two_gpus_only_where_one_is_too_small() -> None:
    one = ENGINE.plan(asked(shape("LLAMA_8B"), "Q4_K_M", machine(24, 24), Workload(context=8192)))
    assert one.settings["split_mode"] == "none"
    both = ENGINE.plan(asked(shape("QWEN3_30B"), "Q8_0", machine(24, 24), Workload(context=8192)))
    assert both.placement is Placement.GPU and "split_mode" not in both.settings


def test_unequal_gpus_get_shares_that_fit() -> None:
    plan = ENGINE.plan(asked(shape("QWEN3_30B"), "Q4_K_M", machine(16, 8), Workload(context=16384)))
    assert plan.fits and plan.placement is Placement.GPU


def test_unified_memory_is_counted_once() -> None:
    card = gpu(12, backend=Backend.METAL, unified=True)
    mac = Machine(hosts=(Host(16 * GIB, 14 * GIB, Cpu(architecture="arm64"), (card,)),))
    plan = ENGINE.plan(asked(shape("GPT_OSS_20B"), "MXFP4", mac, Workload(context=8192)))
    device, host = plan.memory.devices
    assert host.available == 14 * GIB - device.total
    assert plan.placement is Placement.GPU


def test_given_placement_is_kept() -> None:
    plan = ENGINE.plan(
        asked(shape("QWEN3_30B"), "Q4_K_M", machine(24), Workload(context=8192), {"n_cpu_moe": 30})
    )
    assert plan.settings["n_cpu_moe"] == 30 and plan.placement is Placement.HYBRID


def test_reasons_not_to_run() -> None:
    arch = replace(shape("LLAMA_8B"), gguf_arch=None, model_type="unknown_thing")
    assert "unknown_thing" in str(ENGINE.supports(model_of(arch), "Q4_K_M", machine(24)))
    assert ENGINE.quants(model_of(arch)) == ()
    assert "AWQ" in str(ENGINE.supports(model_of(shape("LLAMA_8B")), "AWQ", machine(24)))
    with pytest.raises(UnsupportedError):
        ENGINE.plan(asked(arch, "Q4_K_M", machine(24), Workload()))


def test_quantisations_offered() -> None:
    assert ENGINE.quants(model_of(shape("GPT_OSS_20B")))[0] == "MXFP4"
    assert "MXFP4_MOE" not in ENGINE.quants(model_of(shape("LLAMA_8B")))
    assert "MXFP4_MOE" in ENGINE.quants(model_of(shape("QWEN3_30B")))


def test_engines_are_found_by_name() -> None:
    assert isinstance(get_engine("llamacpp"), LlamaCpp)
    assert set(ENGINES) >= {"llama.cpp", "ollama", "vllm"}
    with pytest.raises(InputError, match=r"llama\.cpp"):
        get_engine("tgi")


def test_overhead_is_an_interval_with_a_source() -> None:
    for backend in Backend:
        overhead = unaccounted(gpu(24, backend=backend), experts=True)
        assert 0 < overhead.low <= overhead.expected <= overhead.high and overhead.source
    assert unaccounted(gpu(80)).expected > unaccounted(gpu(8)).expected


@pytest.mark.parametrize(("tokens", "nice"), [(131071, 98304), (200000, 131072), (5000, 4096), (7000, 6144)])
def test_nice_contexts(tokens: int, nice: int) -> None:
    assert nice_context(tokens, 131072) == nice


def test_a_projector_is_counted_where_images_are_wanted() -> None:
    arch = replace(shape("LLAMA_8B"), vision=Vision(parameters=400_000_000))
    text = ENGINE.plan(asked(arch, "Q4_K_M", machine(24), Workload(context=8192)))
    images = ENGINE.plan(asked(arch, "Q4_K_M", machine(24), Workload(context=8192, use_case=UseCase.VISION)))
    assert images.memory.devices[0].weights - text.memory.devices[0].weights == 800_000_000
    assert images.settings["mmproj"] is True and "mmproj" not in text.settings


def test_buffers_that_are_refused_are_tried_without_pipeline_copies() -> None:
    """ggml-org/llama.cpp issue 26297: the server logged errors, and ran."""
    machine, model = load_profile("3xrtx-pro-6000-ws"), load_model("minimax-m3")
    small = {"cache_type_k": "q8_0", "cache_type_v": "q8_0", "n_ubatch": 2048, "n_batch": 2048}
    given = {**small, "n_gpu_layers": 99, "tensor_split": (11.0, 11.0, 10.0)}
    found = ENGINE.plan(PlanRequest(model, "IQ4_XS", machine, Workload(context=50000), given))
    assert found.fits and found.placement is Placement.GPU
    assert any(r.kind is ReasonKind.NO_PIPELINE_COPIES for r in found.warnings)
    roomy = ENGINE.plan(PlanRequest(model, "Q2_K", machine, Workload(context=4096)))
    assert not any(r.kind is ReasonKind.NO_PIPELINE_COPIES for r in roomy.warnings)


@pytest.mark.parametrize("size", [7.6, 7.75, 8.0, 8.2, 8.5, 9.0])
def test_what_is_short_is_said_in_the_figures_of_the_verdict(size: float) -> None:
    card = replace(gpu(8), memory_total=int(size * GIB), memory_free=int(size * GIB))
    host = replace(machine(8).hosts[0], accelerators=(card,))
    request = asked(
        shape("LLAMA_8B"), "Q6_K", Machine(hosts=(host,)), Workload(context=8192), {"n_gpu_layers": 99}
    )
    plan = ENGINE.plan(request)
    if plan.fits:
        return
    assert plan.shortage is not None
    said = plan.shortage.values
    assert int(said["needed"]) > int(said["free"])
    free, need = re.findall(r"[\d.,]+ [GM]iB", plan.shortage.clause)
    assert free != need
    assert ("may need up to" in plan.shortage.clause) == plan.tight
