"""Pages of different sizes that lie side by side in a block: compressed and pooled sparse attention.

vLLM 0.33.0: vllm/models/deepseek_v4/attention.py, compressor.py and v1/attention/backends/mla/sparse_swa.py for
DeepSeek V4; vllm/models/glm5next/common/attention.py, the sparse backends' customize_spec and
platforms/cuda.py _get_backend_priorities for GLM-5.3-Flash.
"""

from __future__ import annotations

from typing import Final

from planner.engines.vllm.gpu import GpuTraits
from planner.engines.vllm.memory.page_kinds import FullPage, Page, PagedLayers, StatePage, WindowPage
from planner.engines.vllm.settings import VllmSettings
from planner.models.cache import CompressedAttention, LatentAttention
from planner.units import round_up

PACK: Final = 576  # bytes: what the sparse kernels align a page to
_ROW: Final = 584  # bytes of a V4 row: 448 FP8 values, 64 rotated ones in 16 bits, 8 of scales
DS_MLA_ROW: Final = 656  # bytes of a fp8_ds_mla row, whatever the rotated part: 512 + 16 of scales + 128
_KERNEL_ROWS: Final = 64  # tokens that the packed rows' kernels read at once


def compressed_pages(cache: CompressedAttention) -> list[Page]:
    """DeepSeek V4 in the fp8_ds_mla layout.

    A window of raw rows, one row for every `ratio` tokens, the state of the compressor that makes them,
    and at ratio 4 the indexer's keys with a compressor of their own.
    """
    pages: list[Page] = [WindowPage(64, round_up(64 * _ROW, PACK), cache.window)]
    if cache.ratio <= 1:
        return pages
    overlap = 2 if cache.ratio == 4 else 1
    block = 4 if cache.ratio == 4 else 8
    rows = max(1, 256 // cache.ratio)
    pages.append(FullPage(256, round_up(rows * _ROW, PACK), latent=True))
    state = block * 2 * overlap * cache.head_dim * 4
    pages.append(WindowPage(block, round_up(state, PACK), overlap * cache.ratio))
    if cache.indexer is not None:
        key = cache.indexer.head_dim
        pages.append(FullPage(256, round_up(rows * index_key_bytes(key), PACK), latent=True))
        state = block * 2 * overlap * key * 4
        pages.append(WindowPage(block, round_up(state, PACK), overlap * cache.ratio))
    return pages


def index_key_bytes(head_dim: int) -> int:
    """Bytes of an indexer's key: FP8, with an fp32 scale for 128 elements."""
    return head_dim + 4 * (head_dim // 128)


def pooled_block(pool: int, gpu: GpuTraits) -> int:
    """Tokens a block where an indexer keeps one key for `pool` tokens.

    Its kernels take pages of 32 or 64 keys (only 64 on compute capability 12), the attention's of 64 tokens.
    """
    keys = 64 if gpu.family == 12 else 32
    return round_up(keys * pool, _KERNEL_ROWS) if keys * pool > _KERNEL_ROWS else _KERNEL_ROWS


def packed_rows(settings: VllmSettings, gpu: GpuTraits) -> bool:
    """True where a sparse attention's latent rows are stored as fp8_ds_mla.

    That is FlashMLA's FP8 (Hopper), and all that compute capability 12 has; FlashInfer's on 10 is plain FP8.
    """
    if settings.kv_cache_dtype == "fp8_ds_mla" or gpu.family == 12:
        return True
    return settings.kv_cache_dtype.startswith("fp8") and gpu.family != 10


def pooled_layers(
    cache: LatentAttention,
    layers: tuple[int, ...],
    block: int,
    settings: VllmSettings,
    gpu: GpuTraits,
    plain: int,
) -> list[PagedLayers]:
    """GLM-5.3-Flash: latent rows, one indexer key for `pool` tokens, and a ring with the pool in progress.

    The ring holds 16-bit keys and gate scores, room for a pool and the drafts beyond it, one block a request.
    Without rotated elements Hopper's FP8 is FlashInfer's, in plain rows.
    """
    assert cache.indexer is not None
    pool, key = cache.indexer.pool, cache.indexer.head_dim
    if settings.kv_cache_dtype == "fp8_ds_mla" or gpu.family == 12:
        row, together = DS_MLA_ROW, _KERNEL_ROWS
    else:
        row = cache.k_elements * (1 if settings.kv_cache_dtype.startswith("fp8") else plain)
        together = 32 if gpu.family == 10 else 1
    span = -(-(pool + settings.num_speculative_tokens) // pool)
    ring = pool * (1 << (span - 1).bit_length())
    return [
        PagedLayers(FullPage(block, block * row, latent=True), layers, packed=True, stride=together * row),
        PagedLayers(FullPage(block, block // pool * index_key_bytes(key), latent=True), layers, packed=True),
        PagedLayers(StatePage(ring, 2 * ring * key * 2, 1), layers, packed=True),
    ]
