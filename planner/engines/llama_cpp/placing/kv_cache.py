"""KV caches, recurrent state and output buffer of llama.cpp, to the byte.

src/llama-kv-cache.cpp, llama-kv-cache-iswa.cpp, llama-kv-cache-dsa.cpp, llama-kv-cache-dsv4.cpp,
llama-memory-recurrent.cpp and output_reserve in llama-context.cpp, llama.cpp b11434.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from planner.engines.llama_cpp.architectures import traits
from planner.engines.llama_cpp.placing.placement import HOST
from planner.engines.llama_cpp.placing.run import Run
from planner.engines.llama_cpp.settings import Context, LlamaCppSettings
from planner.fast_dataclass import dataclass
from planner.models.architecture import Architecture
from planner.models.cache import (
    CacheSpec,
    CompressedAttention,
    FullAttention,
    LatentAttention,
    RecurrentState,
    SlidingWindow,
)
from planner.quant.formats import CPU_ALIGNMENT, QuantFormat, cuda_bytes, ggml_format, host_bytes
from planner.units import round_up

_SPARSE_RATIO, _HEAVY_RATIO = 4, 128  # DSV4_CSA_RATIO, DSV4_HCA_RATIO


@dataclass(frozen=True, slots=True)
class CacheBytes:
    """What each device and the host hold of caches and of recurrent state."""

    kv: tuple[int, ...]
    state: tuple[int, ...]
    kv_host: int
    state_host: int


def place_caches(run: Run) -> CacheBytes:
    """Return the bytes of caches and state on each device and the host."""
    arch, placement, settings, context = run.arch, run.placement, run.settings, run.context
    kv, state = [0] * (placement.n_devices + 1), [0] * (placement.n_devices + 1)
    widest_v = padded_v(arch, settings, context)
    kinds = (ggml_format(settings.cache_type_k), ggml_format(settings.cache_type_v))
    hybrid = any(isinstance(s, RecurrentState) for g in arch.groups for s in g.caches)
    for group in arch.groups:
        unused = group.mtp and not (group.in_gguf and traits(arch).predictions_cached)
        if unused or (not group.caches and (hybrid or not widest_v)):
            continue
        counts = placement.counts(group) if settings.kv_offload else {HOST: group.count}
        for device, count in counts.items():
            padded = run.cuda and device != HOST
            if not group.caches:  # no attention, yet a cache of both: K of no width, V of the widest
                cells = (widest_v, context.n_ctx_seq, context.n_stream)
                kv[device] += count * _size(kinds[1], cells, padded)
            for spec in group.caches:
                if isinstance(spec, RecurrentState):
                    state[device] += count * recurrent_bytes(spec, context, cuda=padded)
                    continue
                kv[device] += count * cache_bytes(spec, context, kinds, widest_v, cuda=padded)
                if isinstance(spec, CompressedAttention):
                    state[device] += count * _compressor_state(spec, context, cuda=padded)
    return CacheBytes(tuple(kv[:-1]), tuple(state[:-1]), kv[-1], state[-1])


def _size(kind: QuantFormat, shape: tuple[int, ...], cuda: bool) -> int:
    if not all(shape):
        return 0
    return cuda_bytes(shape, kind) if cuda else host_bytes(shape, kind)


def cache_bytes(
    spec: CacheSpec,
    context: Context,
    kinds: tuple[QuantFormat, QuantFormat],
    widest_v: int = 0,
    *,
    cuda: bool = True,
) -> int:
    """Bytes of one layer's cache; `widest_v`: without flash attention every V row has the widest one's size."""
    kind_k, kind_v = kinds
    if isinstance(spec, LatentAttention):
        cells = (context.n_ctx_seq, context.n_stream)
        size = _size(kind_k, (spec.k_elements, *cells), cuda)
        if spec.indexer is not None:
            size += _size(kind_k, (spec.indexer.row_elements, *cells), cuda)
        return size
    if isinstance(spec, CompressedAttention):
        return _compressed(spec, context, kind_k, cuda)
    if isinstance(spec, RecurrentState) or not spec.owns_cache:
        return 0
    count = context.n_ctx_seq
    if isinstance(spec, SlidingWindow):
        count = context.swa_cells(spec.window)
    cells = (count, context.n_stream)
    size = _size(kind_k, (spec.k_elements, *cells), cuda) + _size(
        kind_v, (widest_v or spec.v_elements, *cells), cuda
    )
    if isinstance(spec, FullAttention) and spec.indexer is not None:
        # a cache of its own (llama_kv_cache_msa): a row of K a token, and one of V that nobody reads
        row = (spec.indexer.head_dim, *cells)
        size += _size(kind_k, row, cuda) + (spec.indexer.rows - 1) * _size(kind_v, row, cuda)
    return size


def _compressed(spec: CompressedAttention, context: Context, kind: QuantFormat, cuda: bool) -> int:
    """DeepSeek V4: streams stay apart, also where the cache is unified (llama-kv-cache-dsv4.cpp)."""
    streams = context.n_seq_max
    window = min(context.n_ctx_seq, spec.window + context.n_ubatch)
    cells = context.n_ctx_seq if context.swa_full else round_up(window, 256)
    size = _size(kind, (spec.head_dim, cells, streams), cuda)
    if spec.ratio in (_SPARSE_RATIO, _HEAVY_RATIO):
        entries = round_up(max(1, -(-context.n_ctx_seq // spec.ratio)), 256)
        size += _size(kind, (spec.head_dim, entries, streams), cuda)
        if spec.ratio == _SPARSE_RATIO and spec.indexer is not None:
            size += _size(kind, (spec.indexer.head_dim, entries, streams), cuda)
    return size


def _compressor_state(spec: CompressedAttention, context: Context, *, cuda: bool) -> int:
    planes, f32 = context.n_seq_max * (1 + context.n_rs_seq), ggml_format("F32")
    if spec.ratio == _SPARSE_RATIO:
        rows = 2 * _SPARSE_RATIO
        widths = [2 * spec.head_dim] + ([2 * spec.indexer.head_dim] if spec.indexer else [])
    elif spec.ratio == _HEAVY_RATIO:
        rows, widths = _HEAVY_RATIO, [spec.head_dim]
    else:
        return 0
    return sum(2 * _size(f32, (width, rows, planes), cuda) for width in widths)


def recurrent_bytes(spec: RecurrentState, context: Context, *, cuda: bool = True) -> int:
    """Bytes of one layer's convolution history and state, F32 (hparams.n_embd_r and n_embd_s)."""
    rows, f32 = context.n_seq_max * (1 + context.n_rs_seq), ggml_format("F32")
    return _size(f32, (spec.conv_elements, rows), cuda) + _size(f32, (spec.state_elements, rows), cuda)


def padded_v(arch: Architecture, settings: LlamaCppSettings, context: Context) -> int:
    """Elements that every row of V is padded to where V is kept transposed; 0 where it isn't.

    Where "auto" turns flash attention off, the cache is there already, made as for flash attention.
    """
    if context.flash_attn or (settings.flash_attn == "auto" and traits(arch).flash_attention):
        return 0
    return _widest(tuple(spec for group in arch.groups for spec in group.caches))


@lru_cache(maxsize=1024)
def _widest(specs: Iterable[CacheSpec]) -> int:
    return max(
        (s.v_elements for s in specs if isinstance(s, FullAttention | SlidingWindow)),
        default=0,
    )


def output_bytes(arch: Architecture, settings: LlamaCppSettings, context: Context) -> int:
    """Bytes of the output buffer in (pinned) host memory: logits, and embeddings where asked for."""
    width = arch.vocab_size + (arch.hidden_size if settings.embeddings else 0)
    return round_up(4 * width * context.n_seq_max, CPU_ALIGNMENT)
