"""What the profiling run holds at its peak: a full batch through the widest layer, the sampler, the encoder.

vLLM 0.33.0: v1/worker/gpu/model_runner.py profile_run runs the vision encoder on the largest items that its budget
holds, then a batch of max_num_batched_tokens without attention's kernels, then the sampler on max_num_seqs rows.
Each has a peak of its own, and the largest counts. Scratch that layers share (v1/worker/workspace.py, since 0.13)
stays allocated from its first use on, under all that comes later.
"""

from __future__ import annotations

from typing import Final

from planner.engines.vllm.architectures import vllm_traits
from planner.engines.vllm.memory.sampler import Ends, sampler_bytes
from planner.engines.vllm.memory.shards import Rank
from planner.engines.vllm.memory.weights import hyper_streams, tower_ranks
from planner.engines.vllm.releases import Release
from planner.hardware.machine import Backend
from planner.models.architecture import DenseFeedForward, LayerGroup, MixtureOfExperts
from planner.models.cache import CompressedAttention, LatentAttention
from planner.models.tensors import Role
from planner.plan import Interval
from planner.quant.quantisations import Storage
from planner.units import MIB, round_up

_SHARED_SCRATCH: Final = Release(0, 13)
# The indexer's scores of one chunk: VLLM_SPARSE_INDEXER_MAX_LOGITS_MB (vllm/envs.py), taken in full by the run
_INDEX_SCORES: Final = 512 * MIB
# Rows of latent context that are expanded at once: determine_chunked_prefill_workspace_size in
# model_executor/layers/attention/mla_attention.py
_EXPANDED_ROWS: Final = 64 * 1024
# Tokens a length of the model that an indexer's keys are gathered for: v1/attention/backends/mla/indexer.py
# get_max_prefill_buffer_size, with the factor of 5 that vllm/config/vllm.py sets
_GATHERED: Final = 40
# Requests whose compressed entries are gathered at once: models/deepseek_v4/nvidia/flashmla.py
_CHUNK: Final = 4


def profiling_peak(rank: Rank, *, first: bool = True, last: bool = True) -> Interval:
    """Bytes at the run's peak on one rank, beside weights; `first`, `last`: of the pipeline's stages."""
    arch, settings, release = rank.arch, rank.settings, rank.release
    tokens = settings.max_num_batched_tokens or 0
    groups = [g for g in arch.groups if not g.mtp]
    shared = release >= _SHARED_SCRATCH
    kept, forward = 0, 0
    for group in groups:
        scratch = _expert_scratch(rank, group)
        forward = max(
            forward, _attention_phase(rank, group), _experts_phase(rank, group) + (not shared) * scratch
        )
        kept = max(kept, scratch, _gathered(rank, group)) if shared else 0
    peaks: list[Ends] = [(0.7 * forward, forward, 1.5 * forward)]
    if last:
        rows = min(settings.max_num_seqs or 1, tokens)
        hidden = 2 * tokens * arch.hidden_size
        low, middle, high = sampler_bytes(rank, rows)
        peaks.append((hidden + low, hidden + middle, hidden + high))
    if first and (encoder := _encoder(rank))[2]:
        held = 2 * max(tokens, vllm_traits(arch).item_tokens) * arch.hidden_size  # the items' embeddings
        peaks = [(low, middle + held, high + held) for low, middle, high in peaks]
        peaks.append(encoder)
    ends = [kept + max(peak[end] for peak in peaks) for end in range(3)]
    return Interval(ends[0], ends[1], ends[2])


def _encoder(rank: Rank) -> Ends:
    """The vision encoder on the largest items that fit its budget (multimodal/encoder_budget.py).

    Live at once in a block, elements a patch: input and normed input, then Q, K, V and their rotated copies, or
    the feed-forward's two sides; the tower is split by tensor parallelism. Where an item's size isn't known
    (no row says it), half a GiB at the upper end.
    """
    vision, settings = rank.arch.vision, rank.settings
    if vision is None or settings.language_model_only or settings.skip_mm_profiling:
        return 0, 0, 0
    own = vllm_traits(rank.arch)
    if not own.item_tokens or not vision.hidden_size:
        return 0, 0, 512 * MIB
    budget = max(settings.max_num_batched_tokens or 0, own.item_tokens)
    patches = budget // own.item_tokens * own.item_tokens * own.patches_a_token
    wide = max(6 * vision.hidden_size, 2 * vision.intermediate) / tower_ranks(rank.arch, settings)
    run = 2 * patches * (2 * vision.hidden_size + wide)
    return 0.6 * run, run, 1.4 * run


def _attention_phase(rank: Rank, group: LayerGroup) -> int:
    """Bytes of a batch's tensors that are live at once in a layer's attention, 16-bit."""
    tokens, fixed = rank.settings.max_num_batched_tokens or 0, 0
    attention = _attention(group)
    for cache in group.caches:
        if isinstance(cache, LatentAttention):
            attention += cache.n_head * cache.v_head_dim
            fixed = max(fixed, _expanded(rank, cache))
        if isinstance(cache, CompressedAttention):
            heads = cache.n_head // rank.tp
            padded = heads if rank.gpu.backend is Backend.ROCM else 64 if heads <= 64 else 128
            copy = padded if padded > heads else 0  # queries as projected, padded, and what attention writes
            attention = ((heads + copy + padded) * cache.head_dim + 8 * cache.head_dim) * rank.tp
        if isinstance(cache, LatentAttention | CompressedAttention) and cache.indexer is not None:
            fixed = max(fixed, _INDEX_SCORES)
    return 2 * tokens * (_around(rank, group) + attention // rank.tp) + fixed


def _experts_phase(rank: Rank, group: LayerGroup) -> int:
    """The same in its feed-forward, beside the experts' scratch."""
    tokens = rank.settings.max_num_batched_tokens or 0
    return 2 * tokens * _around(rank, group) + _feed_forward(rank, group)


def _around(rank: Rank, group: LayerGroup) -> int:
    """Elements a token of the residual streams and of what the layer reads."""
    return (hyper_streams(group, rank.arch.hidden_size) + 1) * rank.arch.hidden_size


def _feed_forward(rank: Rank, group: LayerGroup) -> int:
    """Bytes of the feed-forward beside the experts' scratch; experts see the tokens of all replicas."""
    ff, settings = group.feed_forward, rank.settings
    tokens, hidden = settings.max_num_batched_tokens or 0, rank.arch.hidden_size
    if isinstance(ff, DenseFeedForward):
        return 2 * tokens * ((3 if ff.gated else 2) * ff.intermediate // rank.tp)
    if not isinstance(ff, MixtureOfExperts):
        return 0
    returned = hidden * (2 if ff.shared_intermediate or ff.dense_intermediate else 1)
    gathered = 0
    if settings.data_parallel_size > 1:  # all-gathered before, reduce-scattered after
        gathered = 2 * settings.data_parallel_size * (ff.latent or hidden)
    return 2 * tokens * (returned + gathered + 2 * ff.n_expert)


def _expert_scratch(rank: Rank, group: LayerGroup) -> int:
    """Bytes of the two workspaces of fused experts: what each of a token's experts reads and returns.

    workspace_shapes in model_executor/layers/fused_moe/experts/*.py: Triton, Marlin and CUTLASS keep a row for
    each of a token's experts, the fused kernels of FlashInfer on Blackwell the output alone. Until 0.11 experts'
    second workspace held their middle alone (fused_moe.py, fused_marlin_moe.py).
    """
    ff, settings, gpu = group.feed_forward, rank.settings, rank.gpu
    if not isinstance(ff, MixtureOfExperts):
        return 0
    tokens = (settings.max_num_batched_tokens or 0) * settings.data_parallel_size
    middle = -(-ff.intermediate // rank.expert_tp)
    up, width = (2 if ff.gated else 1) * middle, ff.latent or rank.arch.hidden_size
    kind = rank.scheme.experts or rank.scheme.storage_kind
    if kind is Storage.MXFP4 and gpu.mxfp4_backend(settings.moe_backend, rank.release) == "triton":
        return 2 * tokens * (ff.n_expert_used * middle + width)
    if gpu.family == 10 and kind is not Storage.INT4:
        return 2 * tokens * width
    if gpu.family == 12 and kind is Storage.NVFP4:
        return 2 * tokens * 2 * width
    second = middle if rank.release < Release(0, 12) else max(middle, width)
    return 2 * tokens * ff.n_expert_used * (max(up, width) + second)


def _gathered(rank: Rank, group: LayerGroup) -> int:
    """Bytes of the scratch that sparse attention gathers rows of the cache into.

    models/deepseek_v4/nvidia/flashmla.py and amd/rocm.py forward_mqa, model_executor/layers/
    sparse_attn_indexer.py, v1/attention/backends/mla/flashmla_sparse.py. FlashInfer reads the cache itself.
    """
    settings = rank.settings
    tokens, length = settings.max_num_batched_tokens or 0, settings.max_model_len or 0
    most = 0
    for cache in group.caches:
        if not isinstance(cache, LatentAttention | CompressedAttention):
            continue
        index, ratio = cache.indexer, 1
        if isinstance(cache, CompressedAttention):
            ratio = max(1, cache.ratio)
            if rank.gpu.family not in (10, 12):
                entries = (-(-length // ratio) if ratio > 1 else 0) + cache.window + tokens
                combined = round_up((index.top_k if index else 0) + cache.window, 128)
                most = max(most, _CHUNK * entries * cache.head_dim * 2 + 4 * tokens * (combined + 1))
        elif index is not None and rank.gpu.family in (9, 10):
            heads, size = cache.n_head // rank.tp, cache.kv_lora_rank + cache.qk_rope_head_dim
            padded = round_up(heads, 64 if rank.gpu.family == 9 else 128)
            rows = padded * size
            if settings.kv_cache_dtype.startswith("fp8"):
                rows = heads * (size + cache.kv_lora_rank) + padded * (size + cache.kv_lora_rank)
                most = max(most, 2 * (_GATHERED // 8) * length * size)
            most = max(most, 2 * tokens * rows)
        if index is not None:
            most = max(most, _GATHERED * length // ratio * (index.head_dim + 4))
    return most


def _expanded(rank: Rank, cache: LatentAttention) -> int:
    """Bytes of K and V that a chunk of latent context is expanded to, which the run allocates on purpose."""
    settings = rank.settings
    seqs, block = settings.max_num_seqs or 1, settings.block_size or 64
    rows = min(max(8 * (settings.max_model_len or 0), 4 * seqs * block), _EXPANDED_ROWS)
    if cache.indexer is not None:
        rows = min(rows, seqs * cache.indexer.top_k)
    return 2 * rows * (cache.n_head // rank.tp) * (cache.qk_nope_head_dim + cache.v_head_dim)


def _attention(group: LayerGroup) -> int:
    """Elements a token of attention's projections and its output."""
    projected = sum(t.shape[1] for t in group.tensors if t.role in _PROJECTIONS and len(t.shape) > 1)
    if any(isinstance(c, LatentAttention) for c in group.caches):
        return projected
    return projected + projected // 2


_PROJECTIONS: Final = frozenset(
    {Role.ATTN_Q, Role.ATTN_K, Role.ATTN_V, Role.ATTN_QKV, Role.MLA_Q_B, Role.MLA_KV_B, Role.SSM_IN}
)
