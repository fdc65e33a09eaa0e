"""What vLLM can't run, and why: removed models, formats a GPU generation lacks, settings it refuses."""

from __future__ import annotations

from planner.engines.vllm.architectures import smallest_batch, vllm_traits
from planner.engines.vllm.backends import BACKENDS, ROCM_TARGETS
from planner.engines.vllm.gpu import GpuTraits
from planner.engines.vllm.memory.drafts import unnamed
from planner.engines.vllm.memory.shards import expert_block
from planner.engines.vllm.memory.storage import QuantScheme
from planner.engines.vllm.registry import BY_TRANSFORMERS, IN_PLUGINS, REGISTERED, last_release
from planner.engines.vllm.releases import RULES_VERSION
from planner.engines.vllm.settings import VllmSettings
from planner.errors import RefusedError
from planner.hardware.machine import Accelerator, Backend
from planner.models.architecture import Architecture, DenseFeedForward, MixtureOfExperts
from planner.models.cache import (
    CompressedAttention,
    FullAttention,
    LatentAttention,
    RecurrentState,
    SlidingWindow,
)
from planner.quant.quantisations import Storage


def class_refusal(arch: Architecture) -> str | None:
    """Return why vLLM's registry has no use for the model's class, None where it has one, or nothing names it."""
    name = arch.hf_class
    if name is None or name in REGISTERED:
        return None
    if name in BY_TRANSFORMERS:
        plain = f"vLLM {RULES_VERSION} has no {name}, and Transformers' code in it has plain attention only"
        return None if _plain(arch) else plain
    release = last_release(name)
    if release is not None:
        return f"vLLM removed {name} after {release}"
    if name in IN_PLUGINS:
        return f"vLLM {RULES_VERSION} has {name} in a plugin only"
    return f"vLLM {RULES_VERSION} has no {name}, and nor has the Transformers that it takes"


def foreign_code(arch: Architecture) -> str | None:
    """Return what to know of a model that vLLM has no class of its own for, None where it has one."""
    if arch.hf_class not in BY_TRANSFORMERS:
        return None
    return f"vLLM {RULES_VERSION} has no {arch.hf_class}: it runs Transformers' code, slower than a class of its own"


def _plain(arch: Architecture) -> bool:
    """True where each layer is full attention or a window, without an index."""
    caches = [c for g in arch.groups for c in g.caches]
    return all(
        isinstance(c, SlidingWindow) or (isinstance(c, FullAttention) and not c.indexer) for c in caches
    )


def target_reason(name: str, target: str | None) -> str | None:
    """Return why the release doesn't run on an AMD target ("gfx1030", with or without features after a colon)."""
    if target is None or target.split(":")[0] in ROCM_TARGETS:
        return None
    return f"vLLM {RULES_VERSION} doesn't run on {name} ({target}): it runs on {', '.join(ROCM_TARGETS)}"


def gpu_reason(scheme: QuantScheme, gpu: GpuTraits) -> str | None:
    """Return why this GPU can't run the format, None where it can."""
    if gpu.backend not in {*BACKENDS, Backend.CPU}:
        return f"vLLM's own releases don't drive {gpu.name} ({gpu.backend.value})"
    if (unknown := target_reason(gpu.name, gpu.gfx)) is not None:
        return unknown
    if gpu.backend is Backend.ROCM and scheme.storage_kind is Storage.NVFP4:
        return "NVFP4 has no kernel on AMD GPUs"
    if gpu.backend is Backend.CPU and scheme.storage_kind not in (Storage.PLAIN, Storage.INT4, Storage.INT8):
        return f"vLLM on a CPU has no kernel for {scheme.name}"
    if gpu.sm is None:
        return None
    needed = (scheme.experts or scheme.storage_kind).min_capability
    if gpu.sm < needed:
        return f"vLLM needs compute capability {needed / 10:.1f} for {scheme.name}, {gpu.name} has {gpu.sm / 10:.1f}"
    if scheme.storage_kind is Storage.INT8 and gpu.family == 10:
        return "vLLM has no INT8 matrix kernel on Blackwell"
    return None


def usable(accelerators: tuple[Accelerator, ...]) -> tuple[Accelerator, ...]:
    """Return the accelerators that vLLM drives: one kind, that with the most memory together.

    Tensor and pipeline parallel ranks get equal shares, so different GPUs don't mix.
    """
    kinds: dict[tuple[str, int], list[Accelerator]] = {}
    for gpu in accelerators:
        if gpu.backend in BACKENDS:
            kinds.setdefault((gpu.name, gpu.memory_total), []).append(gpu)
    if not kinds:
        return ()
    return tuple(max(kinds.values(), key=lambda gpus: sum(g.memory_total for g in gpus)))


def heads_of(arch: Architecture) -> tuple[int, int]:
    """Return attention heads and KV heads (1 for latent and compressed attention); (0, 0) without attention."""
    for group in arch.groups:
        for cache in group.caches:
            if isinstance(cache, (LatentAttention, CompressedAttention)):
                return cache.n_head, 1
            if isinstance(cache, (FullAttention, SlidingWindow)):
                return cache.n_head, cache.n_head_kv
    return 0, 0


def uses_mla(arch: Architecture) -> bool:
    """True for multi-head latent attention."""
    return any(isinstance(c, LatentAttention) for g in arch.groups for c in g.caches)


def refusal(
    arch: Architecture, scheme: QuantScheme, settings: VllmSettings, gpu: GpuTraits, n_gpu: int
) -> str | None:
    """Return the engine's reason to refuse these settings before it loads anything, None where it doesn't.

    vLLM 0.33.0: vllm/config/model.py verify_with_parallel_config, vllm/config/scheduler.py,
    vllm/config/parallel.py, vllm/engine/arg_utils.py.
    """
    tp, pp = settings.tensor_parallel_size, settings.pipeline_parallel_size
    heads, kv = heads_of(arch)
    if heads and heads % tp:
        return f"Total number of attention heads ({heads}) must be divisible by tensor parallel size ({tp})"
    if heads and not uses_mla(arch) and kv % tp and tp % kv:
        return f"{kv} KV heads can be neither split over nor repeated on {tp} tensor parallel ranks"
    if settings.enable_expert_parallel and not arch.is_moe:
        return "Number of experts in the model must be greater than 0 when expert parallelism is enabled"
    if pp > arch.n_layer:
        return f"{arch.n_layer} layers cannot be split over {pp} pipeline stages"
    if pp > 1 and not vllm_traits(arch).pipeline:
        return "Pipeline parallelism is not supported for this model"
    reason = _context_parallel(settings, heads, kv, mla=uses_mla(arch)) or _batch(arch, settings)
    reason = reason or _heads(arch, settings) or _numbers(arch, scheme, settings) or unnamed(settings)
    if reason:
        return reason
    needed = settings.world_size * settings.data_parallel_size
    if n_gpu and needed > n_gpu:
        return f"{needed} GPUs are asked for (tensor × pipeline × data parallel), the machine has {n_gpu}"
    return gpu_reason(scheme, gpu) or _sparse(arch, gpu) or _shards(arch, scheme, settings)


def _heads(arch: Architecture, settings: VllmSettings) -> str | None:
    """Heads beside attention's that ranks must share: recurrent states' and the vision tower's.

    model_executor/layers/mamba/ (gdn, kda: divide; mamba_mixer2.py: groups are repeated only where there is one),
    the towers' own divide (models/siglip.py, qwen3_vl.py, pixtral.py …).
    """
    tp = settings.tensor_parallel_size
    for cache in (c for g in arch.groups for c in g.caches):
        if not isinstance(cache, RecurrentState) or cache.kind == "short_conv":
            continue
        groups = cache.n_group if cache.kind in ("gated_delta_net", "mamba2") else 0
        alone = cache.kind == "mamba2" and groups == 1
        if cache.n_head % tp or (groups % tp and not alone):
            return f"{cache.n_head} heads of the recurrent layers ({groups} groups) cannot be split over {tp} ranks"
    vision, own = arch.vision, vllm_traits(arch)
    if vision is None or settings.language_model_only or settings.mm_encoder_tp_mode == "data":
        return None
    if own.tower == "split" and vision.n_head % tp:
        return (
            f"{vision.n_head} heads of the vision encoder cannot be split over {tp} ranks;"
            " --mm-encoder-tp-mode data leaves it whole"
        )
    return None


def _numbers(arch: Architecture, scheme: QuantScheme, settings: VllmSettings) -> str | None:
    """Number formats that this architecture doesn't run in (config/model.py, config/vllm.py)."""
    own, cache = vllm_traits(arch), settings.kv_cache_dtype
    if settings.dtype in ("half", "float16") and not own.float16:
        return f"The model type '{arch.model_type}' does not support float16"
    if settings.dtype in ("float", "float32") and scheme.storage_kind is not Storage.PLAIN:
        return f"torch.float32 is not supported for weights in {scheme.name}"
    if cache == "nvfp4" and uses_mla(arch):
        return "nvfp4 KV cache is not supported with MLA (Multi-head Latent Attention) backends"
    if cache.startswith("fp8") and uses_mla(arch) and not own.narrow_cache:
        return (
            "fp8 KV cache requires an fp8 prefill query; enable"
            " --attention-config '{\"use_prefill_query_quantization\": true}'"
        )
    return None


def _sparse(arch: Architecture, gpu: GpuTraits) -> str | None:
    """Sparse latent attention has kernels for Hopper and Blackwell (platforms/cuda.py, backends/mla/*sparse*)."""
    if gpu.sm is None or gpu.family in (9, 10, 12):
        return None
    if not any(isinstance(c, LatentAttention) and c.indexer for g in arch.groups for c in g.caches):
        return None
    return f"sparse attention needs compute capability 9, 10 or 12, {gpu.name} has {gpu.sm / 10:.1f}"


def _context_parallel(settings: VllmSettings, heads: int, kv: int, *, mla: bool) -> str | None:
    tp, dcp = settings.tensor_parallel_size, settings.decode_context_parallel_size
    if dcp == 1:
        return None
    if tp % dcp:
        return f"tensor parallel size ({tp}) must be divisible by decode context parallel size ({dcp})"
    if mla or not kv:
        return None
    if tp <= kv:
        return (
            f"Decode context parallelism for GQA/MQA requires `--tensor-parallel-size` ({tp}) to be greater"
            f" than the model's total number of KV heads ({kv})"
        )
    if dcp > tp // kv:
        return f"`--decode-context-parallel-size` ({dcp}) exceeds the maximum supported value ({tp // kv})"
    if (heads // kv) % dcp:
        return f"{heads // kv} query heads per KV head must be divisible by {dcp}"
    return None


def _batch(arch: Architecture, settings: VllmSettings) -> str | None:
    seqs, batched = settings.max_num_seqs, settings.max_num_batched_tokens
    if seqs is not None and batched is not None and seqs > batched:
        return f"max_num_batched_tokens ({batched}) must be at least max_num_seqs ({seqs})"
    least = smallest_batch(arch, text_only=settings.language_model_only)
    if batched is not None and batched < least:
        return (
            f"Chunked MM input disabled but max_tokens_per_mm_item ({least}) is larger than max_num_batched_tokens"
            f" ({batched})"
        )
    length = settings.max_model_len
    if length is not None and length > arch.n_ctx_train:
        return (
            f"max_model_len ({length}) is greater than the model's own length ({arch.n_ctx_train});"
            " longer contexts need --hf-overrides with YaRN"
        )
    if (
        not settings.enable_chunked_prefill
        and length is not None
        and batched is not None
        and batched < length
    ):
        return (
            f"without chunked prefill max_num_batched_tokens ({batched}) must cover max_model_len ({length})"
        )
    return None


def _shards(arch: Architecture, scheme: QuantScheme, settings: VllmSettings) -> str | None:
    tp = settings.tensor_parallel_size
    if tp == 1:
        return None
    unit = {Storage.FP8_BLOCK: 128, Storage.INT4: scheme.group}.get(scheme.storage_kind, 1) or 1
    blocks = (
        scheme.experts or scheme.storage_kind
    ) is Storage.FP8_BLOCK and not settings.enable_expert_parallel
    ranks = tp * settings.data_parallel_size
    for group in arch.groups:
        ff = group.feed_forward
        if blocks and isinstance(ff, MixtureOfExperts) and expert_block(group, arch, ranks) < 32:
            return (
                f"experts of {ff.intermediate} over {ranks} ranks share no block of 32 elements or more with the"
                " checkpoint's scales"
            )
        if isinstance(ff, DenseFeedForward):
            if ff.intermediate % tp:
                return f"the feed-forward size {ff.intermediate} is not divisible by {tp} ranks"
            if (ff.intermediate // tp) % unit:
                return (
                    f"the feed-forward size {ff.intermediate} over {tp} ranks is not a multiple of the"
                    f" {unit} elements that share a scale"
                )
    return None


def check(
    arch: Architecture, scheme: QuantScheme, settings: VllmSettings, gpu: GpuTraits, n_gpu: int
) -> None:
    """Raise RefusedError with the engine's reason where it would refuse these settings."""
    reason = class_refusal(arch) or refusal(arch, scheme, settings, gpu, n_gpu)
    if reason:
        raise RefusedError(f"vLLM refuses: {reason}")
