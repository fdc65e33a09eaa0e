"""Compute buffers that earlier builds and other backends printed: the graph by its build, the buffer by its backend."""

from __future__ import annotations

import pytest

from planner.api import load_model
from planner.engines.llama_cpp.allocation import Devices, allocate
from planner.engines.llama_cpp.builds import build_of
from planner.engines.llama_cpp.placing.weights import weight_table
from planner.engines.llama_cpp.settings import LlamaCppSettings
from planner.hardware.machine import Backend

MIB = 1 << 20
Q8 = {"cache_type_k": "q8_0", "cache_type_v": "q8_0"}
# model, quantisation, build, backend, settings, MiB as logged
LOGGED = [
    ("Qwen/Qwen3-Next-80B-A3B-Instruct", "Q4_K_M", "b9010", Backend.VULKAN, {"n_ctx": 132352}, 423.8),
    ("Qwen/Qwen3-Next-80B-A3B-Instruct", "Q4_K_M", "b9010", Backend.VULKAN, {"n_ctx": 34048}, 308.8),
    ("ibm-granite/granite-4.1-8b", "Q4_K_M", "b9849", Backend.VULKAN, {"n_ctx": 8192, "n_ubatch": 2048}, 396.0),
    ("google/gemma-4-26B-A4B-it", "Q4_0", "b9849", Backend.VULKAN, {"n_ctx": 8192, "n_ubatch": 2048}, 428.0),
    ("meta-llama/Llama-3.1-8B-Instruct", "Q4_0", "b5781", Backend.VULKAN, {"n_ctx": 16384, "n_ubatch": 1024}, 613.0),
    ("Qwen/Qwen3.8-27B", "Q6_K", "b10400", Backend.ROCM, {"n_ctx": 8192, **Q8}, 130.3),
    ("Qwen/Qwen3.8-27B", "Q6_K", "b10400", Backend.ROCM, {"n_ctx": 262144, **Q8}, 1360.3),
]  # fmt: skip


@pytest.mark.parametrize(("model", "quant", "build", "backend", "settings", "mib"), LOGGED)
def test_the_buffer_is_what_was_logged(
    model: str, quant: str, build: str, backend: Backend, settings: dict[str, object], mib: float
) -> None:
    given = LlamaCppSettings.of({"n_outputs_max": 1, "flash_attn": "on", **settings})
    table = weight_table(load_model(model).architecture, quant)
    memory = allocate(table, given, Devices((1 << 46,), backend), build_of(build))
    assert memory.compute.devices[0] / MIB == pytest.approx(mib, abs=0.3)


def test_metal_keeps_a_copy_of_a_layers_cache() -> None:
    """Pull request 27390: reserved also where the cache is F16 and nothing is copied."""
    table = weight_table(load_model("Qwen/Qwen3.5-9B").architecture, "Q4_K_M")
    given = LlamaCppSettings.of({"n_ctx": 262144, "n_outputs_max": 1})
    by_backend = {
        backend: allocate(table, given, Devices((1 << 46,), backend)).compute.devices[0]
        for backend in (Backend.METAL, Backend.CUDA)
    }
    copy = 2 * 262144 * 2 * 4 * 256  # K and V of four heads
    assert by_backend[Backend.METAL] - by_backend[Backend.CUDA] == pytest.approx(copy, rel=0.15)
    # a log of an M4 Pro, before that build: 833 MiB
    old = LlamaCppSettings.of({"n_ctx": 262144, "n_outputs_max": 1, "n_batch": 512, "flash_attn": "on", **Q8})
    logged = allocate(table, old, Devices((1 << 46,), Backend.METAL), build_of("b9190"))
    assert logged.compute.devices[0] / MIB == pytest.approx(833, rel=0.03)
