"""Weights of one rank under tensor, pipeline and expert parallelism, as vLLM allocates them.

The figure is the one that the log line "Model loading took X GiB memory" gives: torch's allocation after
post-processing. Rules read in vLLM 0.33.0: vocab_parallel_embedding.py (padding to 64 rows), linear.py
(KV head replication), fused_moe/expert_map_manager.py, oracle/mxfp4.py, attention/mla_attention.py,
distributed/utils.py get_pp_indices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from planner.engines.vllm_gpu import GpuTraits
from planner.engines.vllm_mxfp4 import gpt_oss_expert_bytes
from planner.engines.vllm_quant import QuantScheme, Storage
from planner.engines.vllm_settings import VllmSettings
from planner.engines.vllm_version import CURRENT, Release
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture, LayerGroup, MixtureOfExperts
from planner.models.cache import (
    CacheSpec,
    FullAttention,
    LatentAttention,
    RecurrentState,
    SlidingWindow,
)
from planner.models.tensors import EXPERT_ROLES, Role, TensorInfo
from planner.units import GIB, round_up

VOCAB_PADDING: Final = 64  # DEFAULT_VOCAB_PADDING_SIZE

# Models whose vLLM class builds the embedding (and the head) on every pipeline stage instead of the first
# (and the last): vllm/model_executor/models/*.py without PPMissingLayer around them, 0.33.0.
_BOTH_EVERYWHERE: Final = frozenset(
    {
        "gpt_oss",
        "mixtral",
        "qwen2_moe",
        "qwen3_moe",
        "qwen3_next",
        "hy_v3",
        "nemotron_h",
        "gemma",
        "gemma2",
        "gemma3",
        "gemma3_text",
        "gemma3n",
        "gemma3n_text",
        "gemma4",
        "gemma4_text",
        "cohere",
        "cohere2",
        "cohere2_moe",
        "dbrx",
        "falcon",
        "gpt2",
        "granitemoe",
        "granitemoehybrid",
        "granitemoeshared",
        "jamba",
        "olmoe",
        "stablelm",
        "phimoe",
        "minicpm",
        "internlm2",
    }
)
_EMBED_EVERYWHERE: Final = _BOTH_EVERYWHERE | frozenset(
    {"lfm2", "lfm2_moe", "qwen3_5", "qwen3_5_moe", "qwen3_5_text", "qwen3_5_moe_text"}
)


def stage_layers(n_layer: int, stages: int) -> tuple[range, ...]:
    """Split layers over pipeline stages (get_pp_indices): the remainder goes to the stages before the last.

    With a remainder r the r stages before the last (counted from it) get one layer more.
    """
    base, rest = divmod(n_layer, stages)
    sizes = [base] * stages
    for i in range(2, rest + 2):
        sizes[-i] += 1
    ranges, start = [], 0
    for size in sizes:
        ranges.append(range(start, start + size))
        start += size
    return tuple(ranges)


def element_bytes(dtype: str) -> int:
    """Bytes of one element of a torch dtype's name."""
    return 4 if "32" in dtype or dtype == "float" else 2


def weights_dtype(arch: Architecture, settings: VllmSettings) -> str:
    """The dtype that `--dtype auto` resolves to: the checkpoint's, with float32 run as float16.

    vllm/config/model.py _get_and_verify_dtype.
    """
    if settings.dtype != "auto":
        return {"half": "float16", "float": "float32"}.get(settings.dtype, settings.dtype)
    return "bfloat16" if arch.dtype not in ("float16", "bfloat16") else arch.dtype


@dataclass(frozen=True, slots=True)
class _Rank:
    """What is needed to size a tensor on one rank."""

    arch: Architecture
    scheme: QuantScheme
    settings: VllmSettings
    gpu: GpuTraits
    plain: int  # bytes of an unquantised element
    release: Release = CURRENT

    @property
    def tp(self) -> int:
        return self.settings.tensor_parallel_size

    @property
    def expert_parallel(self) -> int:
        """Ranks over which whole experts are spread; 1 without --enable-expert-parallel."""
        s = self.settings
        return s.tensor_parallel_size * s.data_parallel_size if s.enable_expert_parallel else 1

    @property
    def expert_tp(self) -> int:
        """Ranks over which each expert's intermediate size is split (data parallel ranks join in)."""
        s = self.settings
        return 1 if s.enable_expert_parallel else s.tensor_parallel_size * s.data_parallel_size


def weights_per_rank(
    arch: Architecture,
    scheme: QuantScheme,
    settings: VllmSettings,
    gpu: GpuTraits,
    release: Release = CURRENT,
) -> tuple[int, ...]:
    """Bytes of weights on the fullest rank of each pipeline stage, before --cpu-offload-gb."""
    rank = _Rank(arch, scheme, settings, gpu, element_bytes(weights_dtype(arch, settings)), release)
    stages = settings.pipeline_parallel_size
    layers = stage_layers(arch.n_layer, stages)
    result = []
    for stage, held in enumerate(layers):
        first, last = stage == 0, stage == stages - 1
        total = 0
        for group in arch.groups:
            if group.mtp:
                if last and settings.uses_mtp:
                    total += group.count * _layer_bytes(rank, group, group.layers[0])
                continue
            mine = [i for i in group.layers if i in held]
            if mine:
                total += _group_bytes(rank, group, mine)
        total += _outside_bytes(rank, first, last) + _rope_bytes(rank)
        total += _attention_buffers(rank, held)
        if first or arch.model_type in _BOTH_EVERYWHERE:
            total += vision_bytes(arch, settings, rank.plain)
        result.append(total)
    return tuple(result)


def offloaded(weights: int, settings: VllmSettings) -> int:
    """Bytes that --cpu-offload-gb (GiB a GPU) moves to pinned host memory."""
    return min(weights, int(settings.cpu_offload_gb * GIB))


def _group_bytes(rank: _Rank, group: LayerGroup, mine: list[int]) -> int:
    if not rank.scheme.ignored:
        return len(mine) * _layer_bytes(rank, group, mine[0])
    return sum(_layer_bytes(rank, group, layer) for layer in mine)  # an ignore list may name single layers


def _layer_bytes(rank: _Rank, group: LayerGroup, layer: int) -> int:
    total = 0
    experts = group.feed_forward if isinstance(group.feed_forward, MixtureOfExperts) else None
    storages = {t.role: _storage(rank, t, layer) for t in group.tensors if t.role in EXPERT_ROLES}
    packed = experts is not None and Storage.MXFP4 in storages.values()
    if packed and experts is not None:
        bias = any(t.role is Role.EXPERT_BIAS for t in group.tensors)
        total += gpt_oss_expert_bytes(
            experts=_local_experts(experts.n_expert, rank),
            intermediate=-(-experts.intermediate // rank.expert_tp),
            hidden=experts.latent or rank.arch.hidden_size,
            gated=experts.gated,
            bias=bias,
            backend=rank.gpu.mxfp4_backend(rank.settings.moe_backend, rank.release),
            release=rank.release,
        )
    for tensor in group.tensors:
        if (packed and tensor.role in EXPERT_ROLES) or tensor.name.startswith(_SHARED_WITH_TARGET):
            continue
        total += _tensor_bytes(rank, tensor, group, layer)
    for cache in group.caches:
        if isinstance(cache, LatentAttention):
            # mla_attention.py: W_UK_T and W_UV are kept beside kv_b_proj, in the model's dtype
            heads = cache.n_head // rank.tp
            total += heads * (cache.qk_nope_head_dim + cache.v_head_dim) * cache.kv_lora_rank * rank.plain
    return total


def _storage(rank: _Rank, tensor: TensorInfo, layer: int | None) -> Storage:
    return rank.scheme.storage_of(tensor.role, tensor.name, layer)


def _tensor_bytes(rank: _Rank, tensor: TensorInfo, group: LayerGroup, layer: int) -> int:
    n_in = tensor.shape[0]
    n_out = tensor.shape[1] if len(tensor.shape) > 1 else 1
    copies = tensor.rows // n_out
    rule = _SHARD.get(tensor.role)
    if tensor.role in EXPERT_ROLES:
        copies = _local_experts(copies if len(tensor.shape) > 2 else n_out, rank)
        n_in, n_out = _expert_shape(tensor, rank)
    elif len(tensor.shape) == 1:
        n_in = _vector(rank, tensor, group)
    elif rule is not None:
        n_in, n_out = rule(rank, group, n_in, n_out)
    return copies * matrix_bytes(n_in, n_out, _storage(rank, tensor, layer), rank.scheme, rank.plain)


def _local_experts(n_expert: int, rank: _Rank) -> int:
    return -(-n_expert // rank.expert_parallel)


def _expert_shape(tensor: TensorInfo, rank: _Rank) -> tuple[int, int]:
    n_in = tensor.shape[0]
    if tensor.role is Role.EXPERT_BIAS:
        down = tensor.name.startswith("ffn_down")
        return (n_in if down else -(-n_in // rank.expert_tp)), 1
    n_out = tensor.shape[1]
    if tensor.role is Role.EXPERT_DOWN:
        return -(-n_in // rank.expert_tp), n_out
    return n_in, -(-n_out // rank.expert_tp)


def _kv_share(rank: _Rank, group: LayerGroup, n_out: int) -> int:
    for cache in group.caches:
        if isinstance(cache, (FullAttention, SlidingWindow)):
            heads = cache.n_head_kv
            return n_out // heads * max(1, -(-heads // rank.tp))
    return -(-n_out // rank.tp)


def _column(rank: _Rank, group: LayerGroup, n_in: int, n_out: int) -> tuple[int, int]:
    return n_in, -(-n_out // rank.tp)


def _row(rank: _Rank, group: LayerGroup, n_in: int, n_out: int) -> tuple[int, int]:
    return -(-n_in // rank.tp), n_out


def _kv_column(rank: _Rank, group: LayerGroup, n_in: int, n_out: int) -> tuple[int, int]:
    return n_in, _kv_share(rank, group, n_out)


def _qkv_column(rank: _Rank, group: LayerGroup, n_in: int, n_out: int) -> tuple[int, int]:
    for cache in group.caches:
        if isinstance(cache, (FullAttention, SlidingWindow)):
            kv = cache.k_elements + (0 if cache.v_from_k else cache.v_elements)
            if kv < n_out:
                return n_in, -(-(n_out - kv) // rank.tp) + _kv_share(rank, group, kv)
    return n_in, -(-n_out // rank.tp)


def _ssm_in(rank: _Rank, group: LayerGroup, n_in: int, n_out: int) -> tuple[int, int]:
    state = _recurrent(group)
    if state is not None and state.kind == "mamba2" and state.n_group % rank.tp:
        extra = rank.tp - state.n_group  # groups are repeated so that every head finds its own
        n_out += 2 * extra * state.d_state
    return n_in, -(-n_out // rank.tp)


def _ssm_conv(rank: _Rank, group: LayerGroup, n_in: int, n_out: int) -> tuple[int, int]:
    _, channels = _ssm_in(rank, group, n_in, n_out)
    return n_in, channels


def _recurrent(group: LayerGroup) -> RecurrentState | None:
    return next((c for c in group.caches if isinstance(c, RecurrentState)), None)


_Rule = Callable[[_Rank, LayerGroup, int, int], tuple[int, int]]
_SHARD: Final[dict[Role, _Rule]] = {
    Role.ATTN_Q: _column,
    Role.ATTN_K: _kv_column,
    Role.ATTN_V: _kv_column,
    Role.ATTN_QKV: _qkv_column,
    Role.ATTN_OUT: _row,
    Role.ATTN_GATE: _column,
    Role.MLA_Q_B: _column,
    Role.MLA_KV_B: _column,
    Role.FFN_GATE: _column,
    Role.FFN_UP: _column,
    Role.FFN_DOWN: _row,
    Role.SHARED_GATE: _column,
    Role.SHARED_UP: _column,
    Role.SHARED_DOWN: _row,
    Role.SSM_IN: _ssm_in,
    Role.SSM_OUT: _row,
    Role.SSM_CONV: _ssm_conv,
    Role.SSM_OTHER: _column,
}
# A prediction layer uses the model's own embedding and head (spec_decode/eagle/utils.py).
_SHARED_WITH_TARGET: Final = ("nextn.embed_tokens", "nextn.shared_head_head")
_SHARDED_VECTORS: Final = ("attn_q.", "attn_k.", "attn_v.", "attn_qkv.", "ffn_gate.", "ffn_up.", "ssm_")


def _vector(rank: _Rank, tensor: TensorInfo, group: LayerGroup) -> int:
    n = tensor.shape[0]
    if tensor.role in (Role.BIAS, Role.ATTN_SINKS, Role.SSM_OTHER) and (
        tensor.role is not Role.BIAS or tensor.name.startswith(_SHARDED_VECTORS)
    ):
        if tensor.name.startswith(("attn_k.", "attn_v.")):
            return _kv_share(rank, group, n)
        return -(-n // rank.tp)
    return n


def matrix_bytes(n_in: int, n_out: int, storage: Storage, scheme: QuantScheme, plain: int) -> int:
    """Bytes of one (n_in, n_out) matrix: data and scales; `plain` = bytes of an unquantised element."""
    n = n_in * n_out
    match storage:
        case Storage.PLAIN:
            return n * plain
        case Storage.FP8_BLOCK:
            return n + 4 * -(-n_in // 128) * -(-n_out // 128)
        case Storage.FP8_TENSOR:
            return n + 4
        case Storage.FP8_CHANNEL:
            return n + 4 * n_out
        case Storage.MXFP8:
            return n + n // 32
        case Storage.MXFP4:
            return n // 2 + n // 32
        case Storage.NVFP4:
            return n // 2 + n // 16 + 8
        case Storage.INT4 | Storage.INT8:
            bits = 4 if storage is Storage.INT4 else 8
            groups = -(-n_in // scheme.group) if scheme.group > 0 else 1
            zeros = groups * n_out * bits // 8 if scheme.zero_points else 0
            return n * bits // 8 + 2 * groups * n_out + zeros


def _outside_bytes(rank: _Rank, first: bool, last: bool) -> int:
    """Embedding, final norm and head of one pipeline stage."""
    arch, kind = rank.arch, rank.arch.model_type
    total = 0
    head = last or kind in _BOTH_EVERYWHERE
    embedding = first or kind in _EMBED_EVERYWHERE or (arch.tied_embeddings and last)
    for tensor in arch.tensors:
        storage = _storage(rank, tensor, None)
        if tensor.role in (Role.TOKEN_EMBD, Role.OUTPUT, Role.PER_LAYER_EMBD) and len(tensor.shape) > 1:
            wanted = head and not arch.tied_embeddings if tensor.role is Role.OUTPUT else embedding
            if wanted:
                rows = round_up(tensor.rows, VOCAB_PADDING) // rank.tp
                total += matrix_bytes(tensor.row, rows, storage, rank.scheme, rank.plain)
        elif tensor.role is Role.NORM:
            total += tensor.elements * rank.plain if last else 0
        elif first and not tensor.name.startswith("rope_"):  # llama.cpp's own table of frequencies
            total += tensor.elements * rank.plain
    return total


def _rope_bytes(rank: _Rank) -> int:
    rope = rank.arch.rope
    if rope is None or rope.rotary_dim == 0:
        return 0
    return rope.table_elements * (4 if rope.float32 else rank.plain)


def _attention_buffers(rank: _Rank, held: range) -> int:
    """What attention backends allocate while they are built, counted as weights by the log."""
    arch, settings = rank.arch, rank.settings
    tokens = settings.max_num_batched_tokens or 0
    top_k = max((k for g in arch.groups for c in g.caches if (k := _indexed(c))), default=0)
    if top_k:
        return 4 * tokens * top_k  # deepseek_v2.py: topk_indices_buffer, shared by all layers
    backend = attention_backend(arch, settings, rank.gpu)
    if backend != "FLASHINFER" or rank.gpu.backend is not Backend.CUDA:
        return 0
    heads = [
        (c.n_head // rank.tp, c.head_dim_v, sum(1 for i in g.layers if i in held))
        for g in arch.groups
        if not g.mtp
        for c in g.caches
        if isinstance(c, (FullAttention, SlidingWindow))
    ]
    if not heads:
        return 0
    total = 4 * tokens * max(h for h, _, _ in heads)  # flashinfer.py: one multi-CTA counter buffer
    if settings.kv_cache_dtype == "nvfp4":
        total += sum(n * tokens * h * size for h, size, n in heads)  # _nvfp4_fp8_out, a layer
    return total


def _indexed(cache: CacheSpec) -> int:
    return cache.indexer.top_k if isinstance(cache, LatentAttention) and cache.indexer else 0


def attention_backend(arch: Architecture, settings: VllmSettings, gpu: GpuTraits) -> str:
    """The attention backend that vLLM picks by itself for this model on this GPU."""
    caches = [c for g in arch.groups for c in g.caches]
    sinks = any(t.role is Role.ATTN_SINKS for g in arch.groups for t in g.tensors)
    latent = [c for c in caches if isinstance(c, LatentAttention)]
    return settings.attention_backend or gpu.attention_backend(
        kv_cache_dtype=settings.kv_cache_dtype,
        sinks=sinks,
        mla=bool(latent),
        sparse=any(c.indexer is not None for c in latent),
    )


def vision_bytes(arch: Architecture, settings: VllmSettings, plain: int) -> int:
    """A vision tower's bytes on one rank: its layers are split, its embeddings and projector are not.

    `--language-model-only` (and a limit of 0 images) drops it.
    """
    vision = arch.vision
    if vision is None or settings.language_model_only:
        return 0
    layers = vision.n_layer * (4 * vision.hidden_size**2 + 2 * vision.hidden_size * vision.intermediate)
    split = min(layers, vision.parameters)
    return (vision.parameters - split + -(-split // settings.tensor_parallel_size)) * plain
