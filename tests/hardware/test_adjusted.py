"""What a person knows better: free memory a device, and the backend; and what drives a card where nobody says it."""

from __future__ import annotations

import pytest

import planner
from planner.errors import InputError
from planner.hardware.adjusted import driven_by, with_free
from planner.hardware.backends import ROCM_TARGETS
from planner.hardware.machine import Backend
from planner.hardware.profiles.load import load_profile
from planner.units import GIB


def test_free_memory_of_each_device_and_of_the_host() -> None:
    machine = with_free(load_profile("2x rtx-3090 + 64GiB"), "20GiB,6GB,ram=24GiB")
    assert [gpu.memory_free for gpu in machine.accelerators] == [20 * GIB, 6 * GIB]
    assert [gpu.memory_total for gpu in machine.accelerators] == [24 * GIB, 24 * GIB]
    assert machine.host.ram_available == 24 * GIB and machine.host.ram_total == 64 * GIB


def test_one_size_is_that_of_every_gpu_and_without_gpus_the_ram() -> None:
    assert {g.memory_free for g in with_free(load_profile("4x rtx-3090"), "10GiB").accelerators} == {10 * GIB}
    assert with_free(load_profile("16 cores + 64GB ddr5"), "20GiB").host.ram_available == 20 * GIB


def test_less_free_memory_is_less_room_in_the_plan() -> None:
    full, half = load_profile("rtx-3090"), with_free(load_profile("rtx-3090"), "8GiB")
    plans = [planner.plan("qwen3-8b", m, engine="llama.cpp", quant="Q4_K_M") for m in (full, half)]
    assert planner.started_context(plans[0]) > planner.started_context(plans[1])
    assert plans[1].memory.devices[0].available == 8 * GIB


@pytest.mark.parametrize(
    ("profile", "free", "part"),
    [
        ("rtx-3090", "40GiB", "more than the 24.0 GiB of NVIDIA GeForce RTX 3090"),
        ("2x rtx-3090", "1GiB,2GiB,3GiB", "3 sizes for 2 GPUs"),
        ("rtx-3090", "ram=2TiB", "more than the 64.0 GiB of RAM"),
        ("rtx-3090", "ram=8GiB,ram=9GiB", "the RAM twice"),
        ("rtx-3090", "much", "not a size"),
        ("rtx-3090", ",", "not a size"),
    ],
)
def test_impossible_free_memory(profile: str, free: str, part: str) -> None:
    with pytest.raises(InputError, match=part):
        with_free(load_profile(profile), free)


def test_a_card_is_driven_by_what_engines_ship_builds_for() -> None:
    """llama.cpp's, Ollama's and vLLM's ROCm releases leave out RDNA1, most of RDNA2, Vega 20 and Phoenix."""
    named = ("rx-7900-xtx", "rx-6800-xt", "rx-6700-xt", "mi50-32", "radeon-780m", "strix-halo-395-128")
    rocm, vulkan = Backend.ROCM, Backend.VULKAN
    found = [load_profile(name).accelerators[0].backend for name in named]
    assert found == [rocm, rocm, vulkan, vulkan, vulkan, rocm]
    assert "gfx1031" not in ROCM_TARGETS


def test_a_backend_that_is_said_is_planned() -> None:
    card = load_profile("rtx-4090")
    plans = [
        planner.plan("qwen3-8b", driven_by(card, name), engine="llama.cpp") for name in ("cuda", "vulkan")
    ]
    assert [p.backend for p in plans] == [Backend.CUDA, Backend.VULKAN]
    compose = [planner.launch(p, planner.load_model("qwen3-8b"), format="compose").files[0][1] for p in plans]
    assert "server-cuda" in compose[0] and "server-vulkan" in compose[1]
    idle = planner.plan("qwen3-8b", driven_by(card, "cpu"), engine="llama.cpp")
    assert idle.placement is planner.Placement.CPU


@pytest.mark.parametrize(
    ("profile", "backend", "part"),
    [
        ("rtx-4090", "rocm", "doesn't drive NVIDIA GeForce RTX 4090; cuda, vulkan does"),
        ("rtx-4090", "directml", "not known; choose"),
        ("apple-m4-16gb", "vulkan", "metal does"),
        ("epyc-9004", "cuda", "this machine has none"),
    ],
)
def test_an_impossible_backend(profile: str, backend: str, part: str) -> None:
    with pytest.raises(InputError, match=part):
        driven_by(load_profile(profile), backend)


@pytest.mark.parametrize("profile", ["rx-6800-xt", "rx-7600", "mi50-32", "v100-sxm2-32", "arc-b580"])
def test_vllm_is_refused_for_the_card_where_its_releases_dont_drive_it(profile: str) -> None:
    """The reason is the card, not its memory."""
    answer = planner.check(load_profile(profile), engine="vllm")
    assert answer.plans == () and len(answer.notes) == 1
    assert answer.notes[0].startswith("Nothing runs: vLLM")
