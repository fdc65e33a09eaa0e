"""vLLM's start-up checks that a printed command can meet, one function each: why it refuses, None where it doesn't.

Written from vLLM 0.33.0's sources; each says where the engine raises. What only the running engine knows (memory of
the profiling run) is taken from the planner, at its upper end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from planner.engines.vllm.deployment import Deployment
from planner.engines.vllm.gpu import GpuTraits
from planner.engines.vllm.memory.budget import CONTEXT
from planner.engines.vllm.memory.storage import QuantScheme
from planner.engines.vllm.outcome import Outcome
from planner.engines.vllm.settings import VllmSettings
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture, DenseFeedForward, MixtureOfExperts
from planner.models.cache import (
    CompressedAttention,
    FullAttention,
    LatentAttention,
    RecurrentState,
    SlidingWindow,
)
from planner.plan import Plan
from planner.quant.quantisations import Storage


@dataclass(frozen=True)
class Server:
    """One printed command, read back."""

    command: str
    deployment: Deployment
    outcome: Outcome  # what its flags give, by the planner's memory rules
    plan: Plan

    @property
    def settings(self) -> VllmSettings:
        return self.outcome.settings

    @property
    def arch(self) -> Architecture:
        return self.deployment.arch

    @property
    def scheme(self) -> QuantScheme:
        return self.deployment.scheme

    @property
    def gpu(self) -> GpuTraits:
        return self.deployment.devices.gpu


def said_is_meant(s: Server) -> str | None:
    """What was planned is what the line says: the settings that memory was counted with are on it."""
    for name in ("tensor_parallel_size", "pipeline_parallel_size", "max_model_len", "max_num_seqs"):
        planned = s.plan.settings.get(name, getattr(VllmSettings(), name))
        if getattr(s.settings, name) != planned:
            return f"{name} is {getattr(s.settings, name)} on the line, {planned} in the plan"
    return None


def heads_divide(s: Server) -> str | None:
    """config/model.py verify_with_parallel_config; model_executor/layers/linear.py QKVParallelLinear."""
    tp = s.settings.tensor_parallel_size
    for cache in (c for g in s.arch.groups for c in g.caches):
        if isinstance(cache, LatentAttention | CompressedAttention) and cache.n_head % tp:
            return f"{cache.n_head} heads over {tp} ranks"
        if isinstance(cache, FullAttention | SlidingWindow):
            shared, kv = cache.n_head % tp, cache.n_head_kv
            if shared or (kv % tp if kv >= tp else tp % kv):
                return f"{cache.n_head} heads, {kv} of KV, over {tp} ranks"
    return None


def recurrent_heads_divide(s: Server) -> str | None:
    """model_executor/layers/mamba/gdn/, kda.py (divide), mamba_mixer2.py (groups are repeated where there is one)."""
    tp = s.settings.tensor_parallel_size
    for cache in (c for g in s.arch.groups for c in g.caches):
        if not isinstance(cache, RecurrentState):
            continue
        if cache.kind in ("gated_delta_net", "kda") and (cache.n_head % tp or cache.n_group % tp):
            return f"{cache.n_head} value heads, {cache.n_group} key heads over {tp} ranks"
        if cache.kind == "mamba2" and (cache.n_head % tp or (cache.n_group != 1 and cache.n_group % tp)):
            return f"{cache.n_head} heads in {cache.n_group} groups over {tp} ranks"
    return None


# Towers whose heads vLLM divides without a way out: models/siglip.py, qwen2_5_vl.py, qwen3_vl.py, pixtral.py …
_DIVIDED: Final = frozenset(
    {
        "gemma3",
        "qwen2_vl",
        "qwen2_5_vl",
        "qwen3_vl",
        "qwen3_vl_moe",
        "qwen3_5",
        "qwen3_5_moe",
        "glm4v",
        "glm4v_moe",
    }
    | {"mistral", "mistral3", "ministral3", "mistral4", "llama4", "cohere2_moe", "exaone4_5"}
)


def vision_heads_divide(s: Server) -> str | None:
    """The towers' own divide, unless the encoder is kept whole or not loaded."""
    vision = s.arch.vision
    if vision is None or s.settings.language_model_only or "--mm-encoder-tp-mode data" in s.command:
        return None
    if s.arch.model_type in _DIVIDED and vision.n_head % s.settings.tensor_parallel_size:
        return f"{vision.n_head} heads of the vision encoder over {s.settings.tensor_parallel_size} ranks"
    return None


def sizes_divide(s: Server) -> str | None:
    """model_executor/layers/linear.py divide; quantization/fp8.py validate_fp8_block_shape; fused_moe/layer.py."""
    tp = s.settings.tensor_parallel_size
    for group in s.arch.groups:
        ff = group.feed_forward
        if isinstance(ff, DenseFeedForward):
            if ff.intermediate % tp:
                return f"a feed-forward of {ff.intermediate} over {tp} ranks"
            if s.scheme.storage_kind is Storage.FP8_BLOCK and tp > 1 and (ff.intermediate // tp) % 128:
                return f"blocks of 128 in {ff.intermediate} over {tp} ranks"
    return None


def experts_are_there(s: Server) -> str | None:
    """config/model.py _verify_with_expert_parallelism."""
    moe = any(isinstance(g.feed_forward, MixtureOfExperts) for g in s.arch.groups)
    return "expert parallelism without experts" if s.settings.enable_expert_parallel and not moe else None


# Classes of the catalogue without SupportsPP (model_executor/models/*.py)
_WHOLE: Final = frozenset({"Gemma3nForConditionalGeneration", "DiffusionGemmaForBlockDiffusion"})


def pipeline_supported(s: Server) -> str | None:
    """config/model.py: Pipeline parallelism is not supported for this model."""
    return "no SupportsPP" if s.settings.pipeline_parallel_size > 1 and s.arch.hf_class in _WHOLE else None


def length_allowed(s: Server) -> str | None:
    """config/model.py _get_and_verify_max_len."""
    length = s.settings.max_model_len or 0
    return f"max_model_len {length} is no length" if not 0 < length <= s.arch.n_ctx_train else None


def batch_holds_sequences(s: Server) -> str | None:
    """config/scheduler.py verify_max_model_len: max_num_batched_tokens must be at least max_num_seqs."""
    seqs, tokens = s.settings.max_num_seqs or 0, s.settings.max_num_batched_tokens or 0
    return f"{tokens} tokens for {seqs} sequences" if tokens < seqs else None


_LARGEST_ITEM: Final[Mapping[str, int]] = {"gemma3": 256, "gemma4": 2496, "gemma4_unified": 2496}


def batch_holds_an_item(s: Server) -> str | None:
    """v1/core/encoder_cache_manager.py compute_mm_encoder_budget: Chunked MM input disabled but …"""
    most = 0 if s.settings.language_model_only else _LARGEST_ITEM.get(s.arch.model_type, 0)
    tokens = s.settings.max_num_batched_tokens or 0
    return f"an item of {most} in a batch of {tokens}" if tokens < most else None


_NO_HALF: Final = frozenset({"gemma2", "gemma3", "gemma3_text", "glm4"})


def dtype_supported(s: Server) -> str | None:
    """config/model.py _FLOAT16_NOT_SUPPORTED_MODELS; platforms/cuda.py check_if_supports_dtype (bfloat16 below 8.0)."""
    dtype = s.settings.dtype
    if dtype in ("half", "float16") and s.arch.model_type in _NO_HALF:
        return f"{s.arch.model_type} in float16"
    below = s.gpu.sm is not None and s.gpu.sm < 80
    if below and (dtype == "bfloat16" or (dtype == "auto" and s.arch.dtype == "bfloat16")):
        return f"bfloat16 on {s.gpu.name}"
    if dtype in ("float", "float32") and s.scheme.storage_kind is not Storage.PLAIN:
        return f"float32 for {s.scheme.name}"  # get_supported_act_dtypes of each method
    return None


# get_min_capability of each method (model_executor/layers/quantization/*.py)
_LOWEST: Final = {Storage.MXFP4: 80, Storage.NVFP4: 75, Storage.FP8_BLOCK: 75, Storage.FP8_TENSOR: 75}
_TARGETS: Final = (
    "gfx90a",
    "gfx942",
    "gfx950",
    "gfx1100",
    "gfx1101",
    "gfx1150",
    "gfx1151",
    "gfx1200",
    "gfx1201",
)


def device_supported(s: Server) -> str | None:
    """CMakeLists.txt CUDA_SUPPORTED_ARCHS (7.5), gpu.rocm.inc.md; config/vllm.py: minimum capability of the method."""
    gpu = s.gpu
    if gpu.backend is Backend.ROCM and gpu.gfx is not None and gpu.gfx not in _TARGETS:
        return f"{gpu.gfx} is not among {', '.join(_TARGETS)}"
    needed = max(75, *(_LOWEST.get(k, 75) for k in (s.scheme.storage_kind, s.scheme.experts) if k))
    return f"{gpu.sm / 10} is below {needed / 10}" if gpu.sm is not None and gpu.sm < needed else None


_FP8_QUERY: Final = frozenset({"kimi_linear", "kimi_k3"})


def cache_type_supported(s: Server) -> str | None:
    """Each attention backend's supported_kv_cache_dtypes; models/kimi_k3/nvidia/mla.py; config/vllm.py (nvfp4, MLA)."""
    kind = s.settings.kv_cache_dtype
    latent = any(isinstance(c, LatentAttention) for g in s.arch.groups for c in g.caches)
    if kind.startswith("fp8") and s.arch.model_type in _FP8_QUERY and latent:
        return "an FP8 cache without an FP8 query"
    if kind == "nvfp4" and latent:
        return "an NVFP4 cache with latent attention"
    if kind.startswith("fp8") and s.gpu.sm is not None and s.gpu.sm < 80:
        return f"an FP8 cache on {s.gpu.name}"
    return None


def sparse_attention_has_a_kernel(s: Server) -> str | None:
    """platforms/cuda.py _get_backend_priorities: sparse latent attention has backends for 9, 10 and 12 alone."""
    sparse = any(isinstance(c, LatentAttention) and c.indexer for g in s.arch.groups for c in g.caches)
    family = s.gpu.family
    return (
        f"sparse attention on {s.gpu.name}"
        if sparse and family is not None and family not in (9, 10, 12)
        else None
    )


def ranks_have_devices(s: Server) -> str | None:
    """config/parallel.py: World size is larger than the number of available GPUs; more nodes are said with --nnodes."""
    settings, devices = s.settings, s.deployment.devices
    world = settings.world_size * settings.data_parallel_size
    if world > devices.count:
        return f"{world} ranks on {devices.count} devices"
    if devices.gpus and world > devices.per_host and "--nnodes" not in s.command and "ray" not in s.command:
        return f"{world} ranks on a host of {devices.per_host}"
    return None


def budget_is_free(s: Server) -> str | None:
    """v1/worker/utils.py request_memory: free memory on the device at start-up is less than the desired utilisation."""
    if s.gpu.backend is Backend.CPU:
        return None
    left = s.deployment.devices.free - CONTEXT.expected
    return (
        f"{s.outcome.requested >> 20} MiB of {int(left) >> 20} free" if s.outcome.requested > left else None
    )


def cache_holds_a_request(s: Server) -> str | None:
    """v1/core/kv_cache_planning.py _check_enough_kv_cache_memory, with the profiling run at its upper end."""
    length = s.settings.max_model_len or 0
    if min(s.outcome.available_low) <= 0:
        return "no memory is left for the cache"
    return None if s.outcome.layout.fits(s.outcome.available_low, length) else f"{length} tokens don't fit"


def states_hold_the_sequences(s: Server) -> str | None:
    """config/compilation.py: max_num_seqs exceeds available Mamba cache blocks."""
    settings, layout = s.settings, s.outcome.layout
    if settings.enforce_eager or not layout.has_states or s.gpu.backend is Backend.CPU:
        return None
    blocks = layout.num_blocks(s.outcome.available_low)
    return (
        f"{settings.max_num_seqs} sequences, {blocks} blocks"
        if (settings.max_num_seqs or 0) > blocks
        else None
    )


def memory_is_there(s: Server) -> str | None:
    """No check of vLLM's: what a device holds at the upper end is not more than it has."""
    for device in s.plan.memory.devices:
        most = device.total - device.overhead + max(device.overhead, device.overhead_high)
        if most > device.available:
            return f"{device.name} holds {most >> 20} MiB at most and has {device.available >> 20}"
    return None


CHECKS: Final[tuple[Callable[[Server], str | None], ...]] = (
    said_is_meant,
    heads_divide,
    recurrent_heads_divide,
    vision_heads_divide,
    sizes_divide,
    experts_are_there,
    pipeline_supported,
    length_allowed,
    batch_holds_sequences,
    batch_holds_an_item,
    dtype_supported,
    device_supported,
    cache_type_supported,
    sparse_attention_has_a_kernel,
    ranks_have_devices,
    budget_is_free,
    cache_holds_a_request,
    states_hold_the_sequences,
    memory_is_there,
)


def refusals(server: Server) -> dict[str, str]:
    """Return why vLLM refuses a server, by the check's name; empty where it starts."""
    found = ((check.__name__, check(server)) for check in CHECKS)
    return {name: why for name, why in found if why is not None}
