"""What mlx-lm 0.32.2 keeps of a sequence: models/cache.py's classes, as each model's make_cache chooses them.

`KVCache` grows in steps of 256 tokens; `RotatingKVCache` keeps a window, and while a prompt is read the chunk too;
`ArraysCache` keeps states that no length changes. Latent attention keeps one row a token for all heads.
"""

from __future__ import annotations

from typing import Final

from planner.engines.mlx.architectures import MlxTraits
from planner.engines.mlx.settings import MlxSettings
from planner.errors import UnsupportedError
from planner.fast_dataclass import dataclass, replace
from planner.models.architecture import Architecture
from planner.models.cache import (
    CacheSpec,
    CompressedAttention,
    LatentAttention,
    RecurrentState,
    SlidingWindow,
)
from planner.units import round_up

STEP: Final = 256  # tokens by which a cache grows (KVCache.step)
ELEMENT: Final = 2  # bytes of a key's or a value's element: those of the model's own 16 bits
STATE_ELEMENT: Final = 4  # gated_delta.py, ssm.py: states are computed in float32


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one sequence, in bytes."""

    kv_cache: int = 0
    state: int = 0

    def __add__(self, other: Kept) -> Kept:
        return Kept(self.kv_cache + other.kv_cache, self.state + other.state)


def kept(
    arch: Architecture, traits: MlxTraits, settings: MlxSettings, tokens: int, *, prefilling: bool
) -> Kept:
    """Bytes that one sequence of `tokens` keeps: after its last token, or (`prefilling`) at most on the way there."""
    total = Kept()
    for group in arch.groups:
        if group.mtp:
            continue
        for cache in group.caches:
            one = _one(cache, traits, settings, tokens, prefilling)
            total += Kept(one.kv_cache * group.count, one.state * group.count)
    return total


def _one(cache: CacheSpec, traits: MlxTraits, settings: MlxSettings, tokens: int, prefilling: bool) -> Kept:
    if isinstance(cache, RecurrentState):
        state = ELEMENT if traits.one_state else STATE_ELEMENT
        return Kept(state=cache.conv_elements * ELEMENT + cache.state_elements * state)
    if isinstance(cache, CompressedAttention):
        raise UnsupportedError("mlx-lm's cache of compressed attention is not counted here")
    if isinstance(cache, LatentAttention):
        return _latent(cache, traits, settings, tokens, prefilling)
    if not cache.owns_cache:
        return Kept()
    window = cache.window if isinstance(cache, SlidingWindow) and traits.windows else 0
    rows = (cache.n_head_kv * cache.head_dim_k, cache.n_head_kv * cache.head_dim_v)
    if isinstance(cache, SlidingWindow) and cache.chunked:
        return Kept(_chunked_cells(window, settings, tokens, prefilling) * sum(rows) * ELEMENT)
    return _rows(rows, window, traits, settings, tokens, prefilling)


def _latent(
    cache: LatentAttention, traits: MlxTraits, settings: MlxSettings, tokens: int, prefilling: bool
) -> Kept:
    rows = (cache.kv_lora_rank, cache.qk_rope_head_dim)
    if traits.whole_kv:
        key = cache.qk_nope_head_dim + cache.qk_rope_head_dim
        rows = (cache.n_head * key, cache.n_head * cache.v_head_dim)
    if cache.indexer is not None and settings.kv_bits is not None:
        settings = replace(settings, kv_bits=None)  # CacheList has no to_quantized: it stays as it is
    total = _rows(rows, 0, traits, settings, tokens, prefilling)
    if cache.indexer is not None:  # deepseek_v32.py keeps the indexer's key as key and as value
        size = cache.indexer.head_dim
        total += _rows((size, size), 0, traits, settings, tokens, prefilling)
    return total


def _rows(
    rows: tuple[int, int],
    window: int,
    traits: MlxTraits,
    settings: MlxSettings,
    tokens: int,
    prefilling: bool,
) -> Kept:
    """Bytes of keys and values of so many elements a token."""
    if settings.max_kv_size and traits.rotates:
        window = settings.max_kv_size
    if window:
        return Kept(window_cells(window, settings, tokens, prefilling) * sum(rows) * ELEMENT)
    return Kept(_cells(settings, tokens) * sum(_row(n, settings, tokens) for n in rows))


def _row(elements: int, settings: MlxSettings, tokens: int) -> int:
    bits = settings.kv_bits
    if bits is None or tokens < settings.quantized_kv_start:
        return elements * ELEMENT
    return elements * bits // 8 + elements // settings.kv_group_size * 4


def _cells(settings: MlxSettings, tokens: int) -> int:
    """Tokens for which there is room after a prompt in chunks (KVCache.update_and_fetch)."""
    step = settings.prefill_step_size
    if step % STEP == 0:
        return round_up(tokens, STEP)
    have = done = 0
    while done < tokens:
        chunk = min(step, tokens - 1 - done) or 1
        if done + chunk > have:
            have = (done if done % STEP else have) + round_up(chunk, STEP)
        done += chunk
    return have


def _chunked_cells(chunk: int, settings: MlxSettings, tokens: int, prefilling: bool) -> int:
    """Tokens that a chunked cache holds (ChunkedKVCache): the chunk at the most, and what is being read."""
    return min(_cells(settings, tokens), chunk + (settings.prefill_step_size if prefilling else STEP))


def window_cells(window: int, settings: MlxSettings, tokens: int, prefilling: bool) -> int:
    """Tokens that a rotating cache holds (RotatingKVCache): a prompt's last chunk lies beside the window before it.

    After a prompt's exact length each further token grows it by up to 256 cells, until the window is full.
    """
    step, prompt = settings.prefill_step_size, tokens - 1
    if prefilling:
        return max(min(prompt, window - 1 + step), min(window, tokens))
    read = prompt - 1 if prompt % step == 1 else prompt  # a chunk of one token is taken for an answer's
    return min(window, read + round_up(tokens - read, STEP))
