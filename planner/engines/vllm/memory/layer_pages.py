"""What one layer's cache costs in vLLM: bytes a block, and blocks a request, by kind of cache.

Read in vLLM 0.33.0: vllm/v1/kv_cache_interface.py, vllm/platforms/interface.py, the attention layers'
get_kv_cache_spec; what lies packed in a block is in vllm_packed.py.
"""

from __future__ import annotations

from math import lcm
from typing import Final, NamedTuple

from planner.engines.vllm.architectures import vllm_traits
from planner.engines.vllm.gpu import GpuTraits
from planner.engines.vllm.memory.packed_pages import (
    DS_MLA_ROW,
    compressed_pages,
    index_key_bytes,
    packed_rows,
    pooled_block,
    pooled_layers,
)
from planner.engines.vllm.memory.page_kinds import (
    ChunkPage,
    FullPage,
    Page,
    PagedLayers,
    StatePage,
    WindowPage,
)
from planner.engines.vllm.memory.storage import cache_format
from planner.engines.vllm.memory.weights import attention_backend, element_bytes, weights_dtype
from planner.engines.vllm.releases import CURRENT, Release
from planner.engines.vllm.settings import VllmSettings
from planner.errors import UnsupportedError
from planner.fast_dataclass import replace
from planner.models.architecture import Architecture
from planner.models.cache import (
    AttentionSpec,
    CompressedAttention,
    FullAttention,
    LatentAttention,
    RecurrentState,
    SlidingWindow,
)

# --block-size where an attention backend rejects 16 (get_preferred_block_size)
_BLOCK: Final = {
    "FLASHINFER_MLA": 32,
    "FLASHMLA": 64,
    "FLASHMLA_SPARSE": 64,
    "TURBOQUANT": 32,
    "CPU_ATTN": 128,
    "CUTLASS_MLA": 128,
}
# Tokens between a prefill's checkpoints of a recurrent state (get_mamba_prefill_checkpoint_alignment)
_CHECKPOINTS: Final = {"gated_delta_net": 64, "kda": 16}
_TURBO_SKIPPED: Final = 2  # TurboQuant leaves the first and the last two layers in 16 bits


def _head_bytes(size: int, settings: VllmSettings, plain: int) -> int:
    """Bytes of one head's K or V for one token."""
    match settings.kv_cache_dtype:
        case "fp8" | "fp8_e4m3" | "fp8_e5m2":
            return size
        case "int8_per_token_head" | "fp8_per_token_head":
            return size + 4
        case "int4_per_token_head":
            return size // 2 + 4
        case "nvfp4":
            return size // 2 + size // 16
        case _:
            return size * plain


def _turbo_bytes(cache: FullAttention | SlidingWindow) -> int:
    return cache.head_dim_k + cache.head_dim_v // 2 + 4  # 8-bit K, 4-bit V, its scale and zero


def _latent_bytes(cache: LatentAttention, settings: VllmSettings, gpu: GpuTraits, plain: int) -> int:
    if settings.kv_cache_dtype == "fp8_ds_mla" or (cache.indexer is not None and packed_rows(settings, gpu)):
        return DS_MLA_ROW
    return cache.k_elements * (1 if settings.kv_cache_dtype.startswith("fp8") else plain)


def attention_token_bytes(
    cache: AttentionSpec, settings: VllmSettings, gpu: GpuTraits, plain: int, *, skipped: bool = False
) -> int:
    """Bytes that one token takes in one attention layer on one rank."""
    if isinstance(cache, LatentAttention):
        return _latent_bytes(cache, settings, gpu, plain)
    if isinstance(cache, CompressedAttention):
        raise UnsupportedError("compressed attention has its own packed layout")
    heads = max(1, -(-cache.n_head_kv // settings.tensor_parallel_size))
    if settings.kv_cache_dtype.startswith("turboquant") and not skipped:
        return heads * _turbo_bytes(cache)
    return heads * (
        _head_bytes(cache.head_dim_k, settings, plain) + _head_bytes(cache.head_dim_v, settings, plain)
    )


def state_bytes(arch: Architecture, state: RecurrentState, settings: VllmSettings, plain: int) -> int:
    """Bytes of one sequence's state in one layer on one rank (mamba/mamba_utils.py)."""
    tp = settings.tensor_parallel_size
    channels = state.conv_channels
    if state.kind == "mamba2" and state.n_group % tp:
        channels += 2 * (tp - state.n_group) * state.d_state
    history = state.conv_kernel - 1
    if state.kind != "mamba1" and history:
        history += settings.num_speculative_tokens
    fp32 = state.kind == "kda" or vllm_traits(arch).fp32_state  # KDA has no kernels with a 16-bit state
    chosen = settings.mamba_ssm_cache_dtype
    size = (4 if fp32 else plain) if chosen == "auto" else element_bytes(chosen)
    return history * (channels // tp) * plain + state.state_elements // tp * size


def _checkpointed(state: RecurrentState, gpu: GpuTraits, release: Release) -> bool:
    """True where a prefill can export the state at a block's end: one more block a request (0.32)."""
    if release < Release(0, 32):
        return False
    if state.kind == "mamba2":
        return True
    if state.kind == "kda":  # FlashKDA: kda.py of models/kimi_k3/nvidia and models/glm5next/common
        return state.bounded_gate and state.head_dim == 128 and gpu.family in (9, 10, 12)
    return state.kind == "gated_delta_net" and gpu.flashinfer_gdn(state.d_state)


def cache_settings(arch: Architecture, settings: VllmSettings, gpu: GpuTraits) -> VllmSettings:
    """Return the settings with the cache's type that the checkpoint states, or vLLM chooses on this GPU."""
    stated = cache_format(arch.quantization) if settings.kv_cache_dtype == "auto" else None
    if stated is not None:
        return replace(settings, kv_cache_dtype=stated)
    if settings.kv_cache_dtype == "auto" and gpu.family == 10 and vllm_traits(arch).fp8_cache_on_10:
        return replace(settings, kv_cache_dtype="fp8")
    return settings


def prefix_caching(settings: VllmSettings, release: Release) -> bool:
    """Prefix caching of recurrent models is on by default since 0.21."""
    return settings.enable_prefix_caching and release >= Release(0, 21)


def paged_layers(
    arch: Architecture, settings: VllmSettings, gpu: GpuTraits, release: Release = CURRENT
) -> tuple[PagedLayers, ...]:
    """Return the cached layers by page, in the order of their first layer.

    Raises UnsupportedError for a kind of cache whose layout is not known.
    """
    plain = element_bytes(weights_dtype(arch, settings))
    settings = cache_settings(arch, settings, gpu)
    block, state_page = _block_size(arch, settings, gpu, plain, release)
    caching = prefix_caching(settings, release)
    found: list[PagedLayers] = []
    for group in arch.groups:
        if group.mtp and not (settings.uses_mtp or settings.speculative_model):
            continue
        for cache in group.caches:
            if isinstance(cache, RecurrentState):
                page = state_page or state_bytes(arch, cache, settings, plain)
                count = 1 + settings.num_speculative_tokens
                if caching:
                    count += 1 + int(_checkpointed(cache, gpu, release))
                found.append(PagedLayers(StatePage(block if caching else 0, page, count), group.layers))
            else:
                found.extend(_attention_pages(cache, arch, group.layers, block, _Store(settings, gpu, plain)))
    return tuple(sorted(found, key=lambda p: p.layers[0]))


class _Store(NamedTuple):
    """What the bytes of a cached row depend on beside the cache itself."""

    settings: VllmSettings
    gpu: GpuTraits
    plain: int  # bytes of an element of the model's dtype


def _attention_pages(
    cache: AttentionSpec, arch: Architecture, layers: tuple[int, ...], block: int, store: _Store
) -> list[PagedLayers]:
    if isinstance(cache, CompressedAttention):
        return [PagedLayers(p, layers, packed=True) for p in compressed_pages(cache)]
    if isinstance(cache, LatentAttention):
        if cache.indexer is not None and cache.indexer.pool > 1:
            return pooled_layers(cache, layers, block, *store)
        page = FullPage(block, block * _latent_bytes(cache, *store), latent=True)
        pages = [PagedLayers(page, layers)]
        if cache.indexer is not None:
            page = FullPage(block, block * index_key_bytes(cache.indexer.head_dim), latent=True)
            pages.append(PagedLayers(page, layers))
        return pages
    if not cache.owns_cache:
        return []
    if not store.settings.kv_cache_dtype.startswith("turboquant"):
        return [PagedLayers(_local_page(cache, block, store, skipped=False), layers)]
    inner = range(_TURBO_SKIPPED, arch.n_layer - _TURBO_SKIPPED)
    split = (
        (False, tuple(i for i in layers if i in inner)),
        (True, tuple(i for i in layers if i not in inner)),
    )
    return [
        PagedLayers(_local_page(cache, block, store, skipped=skipped), some)
        for skipped, some in split
        if some
    ]


def _local_page(cache: FullAttention | SlidingWindow, block: int, store: _Store, *, skipped: bool) -> Page:
    page = block * attention_token_bytes(cache, *store, skipped=skipped)
    if not isinstance(cache, SlidingWindow):
        return FullPage(block, page)
    return ChunkPage(block, page, cache.window) if cache.chunked else WindowPage(block, page, cache.window)


def _block_size(
    arch: Architecture, settings: VllmSettings, gpu: GpuTraits, plain: int, release: Release
) -> tuple[int, int]:
    """Tokens a block and, for hybrid models, the page that states are padded to (0: no padding).

    vllm/platforms/interface.py update_block_size_for_backend and _align_hybrid_block_size: the attention
    block grows until its page holds a layer's recurrent state.
    """
    caches = [c for g in arch.groups if not g.mtp for c in g.caches]
    states = [c for c in caches if isinstance(c, RecurrentState)]
    attention = [c for c in caches if not isinstance(c, RecurrentState)]
    pool = max((c.indexer.pool for c in attention if isinstance(c, LatentAttention) and c.indexer), default=1)
    kernel = pooled_block(pool, gpu) if pool > 1 else 1
    block = settings.block_size or _BLOCK.get(attention_backend(arch, settings, gpu), 16)
    if pool > 1 and not settings.block_size:
        block = kernel
    if not states:
        return block, 0
    state = max(state_bytes(arch, s, settings, plain) for s in states)
    if not attention:
        return block, state
    if pool > 1:  # counted as a plain row, whatever the kernel stores
        plain_row = 1 if settings.kv_cache_dtype.startswith("fp8") else plain
        token = max(c.k_elements for c in attention if isinstance(c, LatentAttention)) * plain_row
    else:
        token = max(attention_token_bytes(c, settings, gpu, plain) for c in attention)
    unit = max(16, block)
    if any(isinstance(c, LatentAttention) for c in attention):
        unit = max(unit, 128)
    if prefix_caching(settings, release):
        for state_cache in states:
            if _checkpointed(state_cache, gpu, release):
                unit = lcm(unit, _CHECKPOINTS.get(state_cache.kind, 1))
    size = unit * -(-state // (unit * token))
    block = max(block, kernel * -(-size // kernel))
    return block, block * token
