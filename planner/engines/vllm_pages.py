"""What one layer's cache costs in vLLM: bytes a block, and blocks a request, by kind of cache.

One frozen class a kind, as in vllm/v1/kv_cache_interface.py of vLLM 0.33.0, where every rule was read.
Blocks are the manager's: a page is what one layer stores in one block on one rank.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from planner.engines.vllm_gpu import GpuTraits
from planner.engines.vllm_settings import VllmSettings
from planner.engines.vllm_version import CURRENT, Release
from planner.engines.vllm_weights import attention_backend, element_bytes, weights_dtype
from planner.errors import UnsupportedError
from planner.models.architecture import Architecture
from planner.models.cache import (
    AttentionSpec,
    CompressedAttention,
    FullAttention,
    LatentAttention,
    RecurrentState,
    SlidingWindow,
)
from planner.records import dataclass
from planner.units import round_up


@dataclass(frozen=True, slots=True)
class Lengths:
    """What decides how many blocks a request can hold at once."""

    length: int  # tokens of a request: max_model_len
    in_flight: int  # tokens scheduled but not settled: batches in flight × max_num_batched_tokens
    dcp: int = 1  # decode context parallel ranks


@dataclass(frozen=True, slots=True)
class FullPage:
    """Full attention and MLA: every token of the request."""

    block: int  # tokens
    page: int  # bytes
    latent: bool = False

    def blocks(self, at: Lengths) -> int:
        """Blocks that one request of full length holds."""
        local = -(-at.length // at.dcp)  # tokens are spread over the decode context parallel ranks
        return -(-local // self.block)


@dataclass(frozen=True, slots=True)
class WindowPage:
    """A sliding window: the window and what is in flight; one more block as it may start inside one."""

    block: int
    page: int
    window: int

    def blocks(self, at: Lengths) -> int:
        """Blocks that one request of full length holds."""
        return -(-min(self.window - 1 + at.in_flight, at.length) // self.block) + 1


@dataclass(frozen=True, slots=True)
class ChunkPage:
    """Chunked local attention (Llama 4): one chunk and what is in flight."""

    block: int
    page: int
    chunk: int

    def blocks(self, at: Lengths) -> int:
        """Blocks that one request of full length holds."""
        return -(-min(self.chunk + at.in_flight, at.length) // self.block)


@dataclass(frozen=True, slots=True)
class StatePage:
    """A recurrent state: a fixed number of blocks a request, whatever its length."""

    block: int
    page: int
    per_request: int

    def blocks(self, at: Lengths) -> int:
        """Blocks that one request holds."""
        return self.per_request


Page = FullPage | WindowPage | ChunkPage | StatePage


@dataclass(frozen=True, slots=True)
class PagedLayers:
    """Layers that keep the same page: their places in the model (MTP layers come after the last)."""

    page: Page
    layers: tuple[int, ...]
    packed: bool = False  # pages of different sizes lie side by side in a block (DeepSeek V4)


def resized(page: Page, largest: int) -> Page:
    """Bring a page to the size that all layers share (unify_kv_cache_spec_page_size).

    Where the largest is a multiple, more tokens go into a block; else the page is padded.
    """
    if page.page == largest:
        return page
    if not isinstance(page, StatePage) and largest % page.page == 0:
        return replace(page, block=page.block * (largest // page.page), page=largest)
    if isinstance(page, FullPage) and page.latent:
        raise UnsupportedError("vLLM has no page size that this model's latent attention shares")
    return replace(page, page=largest)


# --block-size where an attention backend rejects 16 (get_preferred_block_size)
_BLOCK: Final = {
    "FLASHINFER_MLA": 32,
    "FLASHMLA": 64,
    "FLASHMLA_SPARSE": 64,
    "TURBOQUANT": 32,
    "CPU_ATTN": 128,
    "CUTLASS_MLA": 128,
}
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


def _latent_bytes(cache: LatentAttention, settings: VllmSettings, plain: int) -> int:
    row = cache.k_elements
    if settings.kv_cache_dtype == "fp8_ds_mla" or (
        cache.indexer is not None and settings.kv_cache_dtype.startswith("fp8")
    ):
        return cache.kv_lora_rank + 4 * (cache.kv_lora_rank // 128) + 2 * cache.qk_rope_head_dim
    return row if settings.kv_cache_dtype.startswith("fp8") else row * plain


def attention_token_bytes(
    cache: AttentionSpec, settings: VllmSettings, plain: int, *, skipped: bool = False
) -> int:
    """Bytes that one token takes in one attention layer on one rank."""
    if isinstance(cache, LatentAttention):
        return _latent_bytes(cache, settings, plain)
    if isinstance(cache, CompressedAttention):
        raise UnsupportedError("compressed attention has its own packed layout")
    heads = max(1, -(-cache.n_head_kv // settings.tensor_parallel_size))
    if settings.kv_cache_dtype.startswith("turboquant") and not skipped:
        return heads * _turbo_bytes(cache)
    return heads * (
        _head_bytes(cache.head_dim_k, settings, plain) + _head_bytes(cache.head_dim_v, settings, plain)
    )


# Recurrent states in fp32 whatever --mamba-ssm-cache-dtype auto says: checkpoints whose config asks for it
# (Nemotron-H, Qwen3.5), and KDA, whose kernels have no 16-bit state.
_STATE_FP32: Final = frozenset(
    {
        "nemotron_h",
        "qwen3_5",
        "qwen3_5_moe",
        "qwen3_5_text",
        "qwen3_5_moe_text",
        "qwen3_6",
        "qwen3_6_moe",
        "qwen3_8",
    }
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
    fp32 = state.kind == "kda" or arch.model_type in _STATE_FP32
    chosen = settings.mamba_ssm_cache_dtype
    size = (4 if fp32 else plain) if chosen == "auto" else element_bytes(chosen)
    return history * (channels // tp) * plain + state.state_elements // tp * size


def _checkpointed(state: RecurrentState, gpu: GpuTraits, release: Release) -> bool:
    """True where a prefill can export the state at a block's end: one more block a request (0.32)."""
    if release < Release(0, 32):
        return False
    if state.kind == "mamba2":
        return True
    return state.kind == "gated_delta_net" and gpu.flashinfer_gdn(state.d_state)


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
    block, state_page = _block_size(arch, settings, gpu, plain, release)
    caching = prefix_caching(settings, release)
    found: list[PagedLayers] = []
    for group in arch.groups:
        if group.mtp and not settings.uses_mtp:
            continue
        for cache in group.caches:
            if isinstance(cache, RecurrentState):
                page = state_page or state_bytes(arch, cache, settings, plain)
                count = 1 + settings.num_speculative_tokens
                if caching:
                    count += 1 + int(_checkpointed(cache, gpu, release))
                found.append(PagedLayers(StatePage(block if caching else 0, page, count), group.layers))
            else:
                found.extend(_attention_pages(cache, arch, group.layers, block, settings, plain))
    return tuple(sorted(found, key=lambda p: p.layers[0]))


def _attention_pages(
    cache: AttentionSpec,
    arch: Architecture,
    layers: tuple[int, ...],
    block: int,
    settings: VllmSettings,
    plain: int,
) -> list[PagedLayers]:
    if isinstance(cache, CompressedAttention):
        return [PagedLayers(p, layers, packed=True) for p in _compressed_pages(cache)]
    if isinstance(cache, LatentAttention):
        page = FullPage(block, block * _latent_bytes(cache, settings, plain), latent=True)
        pages = [PagedLayers(page, layers)]
        if cache.indexer is not None:  # an FP8 key and an fp32 scale for 128 elements of it
            key = cache.indexer.head_dim
            page = FullPage(block, block * (key + 4 * (key // 128)), latent=True)
            pages.append(PagedLayers(page, layers))
        return pages
    if not cache.owns_cache:
        return []
    if not settings.kv_cache_dtype.startswith("turboquant"):
        return [PagedLayers(_local_page(cache, block, settings, plain, skipped=False), layers)]
    inner = range(_TURBO_SKIPPED, arch.n_layer - _TURBO_SKIPPED)
    split = (
        (False, tuple(i for i in layers if i in inner)),
        (True, tuple(i for i in layers if i not in inner)),
    )
    return [
        PagedLayers(_local_page(cache, block, settings, plain, skipped=skipped), some)
        for skipped, some in split
        if some
    ]


def _local_page(
    cache: FullAttention | SlidingWindow, block: int, settings: VllmSettings, plain: int, *, skipped: bool
) -> Page:
    page = block * attention_token_bytes(cache, settings, plain, skipped=skipped)
    if not isinstance(cache, SlidingWindow):
        return FullPage(block, page)
    return ChunkPage(block, page, cache.window) if cache.chunked else WindowPage(block, page, cache.window)


_PACK: Final = 576  # bytes: what the sparse kernels align a page to
_ROW: Final = 584  # bytes of a V4 row: 448 FP8 values, 64 rotated ones in 16 bits, 8 of scales


def _compressed_pages(cache: CompressedAttention) -> list[Page]:
    """DeepSeek V4 in the fp8_ds_mla layout (models/deepseek_v4/attention.py, compressor.py, sparse_swa.py).

    A window of raw rows, one row for every `ratio` tokens, the state of the compressor that makes them,
    and at ratio 4 the indexer's keys with a compressor of their own.
    """
    pages: list[Page] = [WindowPage(64, round_up(64 * _ROW, _PACK), cache.window)]
    if cache.ratio <= 1:
        return pages
    overlap = 2 if cache.ratio == 4 else 1
    block = 4 if cache.ratio == 4 else 8
    rows = max(1, 256 // cache.ratio)
    pages.append(FullPage(256, round_up(rows * _ROW, _PACK), latent=True))
    state = block * 2 * overlap * cache.head_dim * 4
    pages.append(WindowPage(block, round_up(state, _PACK), overlap * cache.ratio))
    if cache.indexer is not None:
        key = cache.indexer.head_dim
        pages.append(FullPage(256, round_up(rows * (key + 4 * (key // 128)), _PACK), latent=True))
        state = block * 2 * overlap * key * 4
        pages.append(WindowPage(block, round_up(state, _PACK), overlap * cache.ratio))
    return pages


def _block_size(
    arch: Architecture, settings: VllmSettings, gpu: GpuTraits, plain: int, release: Release
) -> tuple[int, int]:
    """Tokens a block and, for hybrid models, the page that states are padded to (0: no padding).

    vllm/platforms/interface.py update_block_size_for_backend and _align_hybrid_block_size: the attention
    block grows until its page holds a layer's recurrent state.
    """
    backend = attention_backend(arch, settings, gpu)
    block = settings.block_size or _BLOCK.get(backend, 16)
    caches = [c for g in arch.groups if not g.mtp for c in g.caches]
    states = [c for c in caches if isinstance(c, RecurrentState)]
    attention = [c for c in caches if not isinstance(c, RecurrentState)]
    if not states:
        return block, 0
    state = max(state_bytes(arch, s, settings, plain) for s in states)
    if not attention:
        return block, state
    token = max(attention_token_bytes(c, settings, plain) for c in attention)
    unit = max(16, block)
    if any(isinstance(c, LatentAttention) for c in attention):
        unit = max(unit, 128)
    if prefix_caching(settings, release) and any(
        s.kind == "gated_delta_net" and _checkpointed(s, gpu, release) for s in states
    ):
        unit = _lcm(unit, 64)
    block = max(block, unit * -(-state // (unit * token)))
    return block, block * token


def _lcm(a: int, b: int) -> int:
    x, y = a, b
    while y:
        x, y = y, x % y
    return a // x * b
