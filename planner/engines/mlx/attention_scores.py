"""What mlx holds of attention while a prompt is read: the scores of every head, where no fused kernel takes them.

mlx/backend/metal/scaled_dot_product_attention.cpp (0.32.2): for more than eight queries the fused kernel takes heads of
64, 72, 80, 96 and 128 elements, as wide for keys as for values. Others get the matrix of scores as a whole
(fast.cpp's fallback): heads x rows x tokens in 16 bits, once, because mask and softmax are written in its place. So a
chunk of 2,048 rows of Qwen3.8-27B over 131,072 tokens takes 12.9 GB. It is 192 and 256 too, though a kernel for them
exists: use_fallback takes the faster way. M5's matrix units have a kernel for 256 from 1,024 rows on.

A quantised cache is multiplied by mlx-lm itself (base.py quantized_scaled_dot_product_attention): always with scores.
Latent attention splits positions from contents (deepseek_v3.py): scores of the positions are the mask of the others.
"""

from __future__ import annotations

from typing import Final

from planner.engines.mlx.architectures import MlxTraits
from planner.engines.mlx.settings import MlxSettings
from planner.fast_dataclass import dataclass
from planner.models.architecture import Architecture
from planner.models.cache import CacheSpec, FullAttention, LatentAttention, SlidingWindow

_ELEMENT: Final = 2
_FUSED: Final = frozenset({64, 72, 80, 96, 128})
_MATRIX_UNITS_TAKE: Final = 256
_MATRIX_UNITS_FROM: Final = 1024  # rows
# Of latent attention: scores of positions and their masked copy; keys and values of all heads, and what the fused
# kernel reads of them. 1.2525 MB a token of DeepSeek-V3 measured between 4,096 and 16,384 tokens, 1.2526 so counted.
_LATENT_COPIES: Final = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """How a prompt is read."""

    tokens: int  # in the cache at the end
    at_once: int  # prompts that are read together
    matrix_units: bool  # of the GPU (M5), which mlx uses from 0.32.2 on

    def rows(self, settings: MlxSettings) -> int:
        """Tokens of a chunk, of all prompts."""
        return min(self.tokens, settings.prefill_step_size) * self.at_once


def score_bytes(arch: Architecture, traits: MlxTraits, settings: MlxSettings, reading: Reading) -> int:
    """Bytes of scores of the layer that has most of them."""
    return max((_scores(c, traits, settings, reading) for c in _caches(arch)), default=0)


def grown_bytes(arch: Architecture, traits: MlxTraits, settings: MlxSettings, reading: Reading) -> int:
    """Bytes of one layer's keys and values: a cache grows into a new array, the old one beside it (cache.py)."""
    if reading.tokens <= settings.prefill_step_size:
        return 0
    row = max((_row(c, traits) for c in _caches(arch)), default=0)
    return row * reading.tokens * reading.at_once


def _caches(arch: Architecture) -> list[CacheSpec]:
    return [c for g in arch.groups if not g.mtp for c in g.caches]


def _scores(cache: CacheSpec, traits: MlxTraits, settings: MlxSettings, reading: Reading) -> int:
    rows, tokens = reading.rows(settings), reading.tokens
    quantised = settings.kv_bits is not None and tokens >= settings.quantized_kv_start
    if isinstance(cache, LatentAttention):
        if traits.whole_kv or quantised:
            return cache.n_head * rows * tokens * _ELEMENT
        wide = cache.qk_nope_head_dim + cache.v_head_dim
        return _LATENT_COPIES * cache.n_head * (rows + wide * reading.at_once) * tokens * _ELEMENT
    if not isinstance(cache, (FullAttention, SlidingWindow)):
        return 0
    width = cache.head_dim_k if cache.head_dim_k == cache.head_dim_v else None
    if width in _FUSED and traits.fused and not quantised:
        return 0
    if isinstance(cache, SlidingWindow) and traits.windows:
        tokens = min(tokens, cache.window - 1 + settings.prefill_step_size)
    elif reading.matrix_units and width == _MATRIX_UNITS_TAKE and not quantised:
        rows = min(rows, (_MATRIX_UNITS_FROM - 1) * reading.at_once)  # what a prompt's last chunk may have
    return cache.n_head * rows * tokens * _ELEMENT


def _row(cache: CacheSpec, traits: MlxTraits) -> int:
    """Bytes of one token in a cache that grows with the context."""
    if isinstance(cache, LatentAttention):
        return cache.k_elements * _ELEMENT
    if isinstance(cache, FullAttention) or (isinstance(cache, SlidingWindow) and not traits.windows):
        return (cache.k_elements + cache.v_elements) * _ELEMENT
    return 0
