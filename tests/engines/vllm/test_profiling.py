"""The profiling run's peak, part by part, as vLLM's sources say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.engines.vllm.gpu import GpuTraits
from planner.engines.vllm.memory.profiling import profiling_peak
from planner.engines.vllm.memory.sampler import runner_v2
from planner.engines.vllm.memory.storage import scheme_for
from planner.engines.vllm.memory.weights import WeightTable
from planner.engines.vllm.releases import CURRENT, Release
from planner.engines.vllm.settings import VllmSettings
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture
from planner.models.catalogue.catalogue import find_entry
from planner.units import GIB

H100 = GpuTraits("NVIDIA H100 80GB HBM3", int(79.18 * GIB), 90)
B200 = GpuTraits("NVIDIA B200", int(178.35 * GIB), 100)


def shape(name: str) -> Architecture:
    return find_entry(name).architecture()


def peak(
    arch: Architecture,
    settings: VllmSettings | None = None,
    gpu: GpuTraits = H100,
    release: Release = CURRENT,
) -> float:
    table = WeightTable(arch, scheme_for(arch, "native"), gpu, release)
    resolved = (settings or VllmSettings()).resolved(gpu, arch.n_ctx_train, release)
    return profiling_peak(table.rank(resolved)).expected


def test_a_vision_encoder_is_run_on_its_largest_item() -> None:
    """65,536 patches of 1,152 elements: their queries, keys, values and copies alone are 0.9 GiB."""
    few = VllmSettings(max_num_seqs=8)
    arch = shape("qwen3-vl-8b-instruct")
    whole = peak(arch, few)
    assert whole > peak(arch, replace(few, language_model_only=True)) + 0.5 * GIB
    assert peak(arch, replace(few, tensor_parallel_size=2)) < 0.8 * whole


def test_experts_scratch_stays_under_the_sampler_since_0_13() -> None:
    arch = shape("qwen3-30b-a3b")
    settings = VllmSettings(max_num_batched_tokens=8192)
    grown = peak(arch, settings, release=Release(0, 13)) - peak(arch, settings, release=Release(0, 12))
    rows = 8192 * 8  # eight experts a token
    assert grown == pytest.approx(2 * rows * (2048 + 2048))


def test_the_sampler_is_warmed_up_as_the_release_does() -> None:
    arch = shape("qwen3-8b")
    logits = 1024 * arch.vocab_size
    sorted_, unsorted, plain, every = (
        peak(arch, release=Release(0, minor)) / logits for minor in (16, 19, 26, 33)
    )
    assert sorted_ > 38 > unsorted > 14 and plain < 6 < every < unsorted + 6


def test_model_runner_v2_came_for_dense_models_first() -> None:
    dense, hybrid, experts = shape("qwen3-8b"), shape("qwen3.5-9b"), shape("qwen3-30b-a3b")
    first = [runner_v2(arch, Release(0, 26), Backend.CUDA) for arch in (dense, hybrid, experts)]
    assert first == [True, False, False]
    assert all(runner_v2(arch, Release(0, 29), Backend.CUDA) for arch in (dense, hybrid, experts))
    assert not runner_v2(dense, CURRENT, Backend.CPU)


def test_latent_context_is_expanded_on_purpose() -> None:
    """65,536 rows of 128 heads with 128 + 128 elements are 4 GiB, and a batch's own tensors beside them."""
    arch, settings = shape("deepseek-r1"), VllmSettings(max_num_seqs=8)
    assert peak(arch, settings) > 4 * GIB
    spread = peak(arch, replace(settings, tensor_parallel_size=8))
    assert spread < 0.6 * peak(arch, settings)


def test_compressed_attention_gathers_by_the_length_on_hopper() -> None:
    """Four requests' entries of 512 elements, one a four tokens of the length; FlashInfer reads the cache itself."""
    arch, settings = shape("deepseek-v4-flash"), VllmSettings(max_num_seqs=8, max_num_batched_tokens=2048)
    near, far = (peak(arch, replace(settings, max_model_len=n)) for n in (8192, 1 << 20))
    assert far - near > 1.0 * GIB
    long = replace(settings, max_model_len=1 << 20)
    assert peak(arch, long, B200) == pytest.approx(
        peak(arch, long), rel=0.1
    )  # there the index's keys are as many


def test_every_replica_sees_the_tokens_of_all() -> None:
    arch, settings = shape("qwen3-30b-a3b"), VllmSettings(max_num_seqs=8, enable_expert_parallel=True)
    assert peak(arch, replace(settings, data_parallel_size=4)) > 3 * peak(arch, settings)
