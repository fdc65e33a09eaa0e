"""DeepSeek V4's layers in llama.cpp's graphs: compressed caches beside a window, hyper-connections.

src/models/deepseek4.cpp and dsv4_build_reserve_comp_plan in src/llama-kv-cache-dsv4.cpp, llama.cpp b11434,
with the fused operations. Layers that compress four tokens to an entry choose entries by an indexer ("csa",
with the indexer's own keys, "lid"), those that compress 128 see all ("hca").
"""

from __future__ import annotations

from typing import Final, NamedTuple

from planner.engines.llama_cpp.graph.attention import attend, hadamard, memory, read_rows, write_rows
from planner.engines.llama_cpp.graph.builder import Builder, Layer
from planner.engines.llama_cpp.graph.deepseek_sparse import sparse_mask
from planner.engines.llama_cpp.graph.feed_forward import experts, shared
from planner.engines.llama_cpp.graph.ggml.tensor import (
    F16,
    F32,
    I32,
    I64,
    Tensor,
    concat,
    cont,
    get_rows,
    mul_mat,
    permute,
    repeat,
    reshape,
    same,
    set_rows,
    sum_rows,
    view,
)
from planner.models.cache import CompressedAttention, Indexer

STREAMS: Final = 4  # hyper_connection.count: residual streams side by side
_OVERLAPPING: Final = 4  # compression whose blocks reach into the one before
_PADDING: Final = 256  # cells of a compressed cache


class _Kind(NamedTuple):
    """One compressed cache: its inputs' and tensors' names, and the width of an entry."""

    name: str
    tensors: str
    width: int


# hyper-connections


def spread(b: Builder, cur: Tensor) -> Tensor:
    """One residual stream as several."""
    width, n = cur.ne[0], cur.ne[1]
    return repeat(reshape(cur, width, 1, n), width, STREAMS, n)


def _enter(layer: Layer, name: str, streams: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """build_hc_pre: the streams' weighted sum, and how the block's result goes back."""
    width, count, n = streams.ne[:3]
    function, scale = layer.need(f"hc_{name}_fn.weight"), layer.need(f"hc_{name}_scale.weight")
    base = layer.need(f"hc_{name}_base.weight")
    mixes = mul_mat(function, same("rms_norm", reshape(streams, width * count, n)))
    parts = []
    for i in range(2):
        part = view(mixes, (count, n), (mixes.nb[1],), i * count * 4)
        part = same("mul", part, view(scale, (1,), (), i * 4))
        part = same("add", part, view(base, (count,), (), i * count * 4))
        parts.append(same("scale", same("unary", part)))
    comb = Tensor("hc_comb", F32, (count, count, n, 1), (mixes, scale, base))
    entered = Tensor("hc_pre", F32, (width, n, 1, 1), (streams, parts[0]))
    return entered, parts[1], comb


def gather(b: Builder, head: Layer, streams: Tensor) -> Tensor:
    """The tokens with an output, and build_hc_head."""
    width, count, n = streams.ne[:3]
    (flat,) = b.select(reshape(streams, width * count, n))
    n = flat.ne[1]
    streams = reshape(flat, width, count, n)
    mixes = mul_mat(head.need("output_hc_fn.weight"), same("rms_norm", reshape(streams, width * count, n)))
    mixes = same("mul", mixes, head.need("output_hc_scale.weight"))
    mixes = same("add", mixes, head.need("output_hc_base.weight"))
    mixes = same("scale", same("unary", mixes))
    result: Tensor | None = None
    for i in range(count):
        stream = view(streams, (width, n), (streams.nb[2],), i * streams.nb[1])
        part = same("mul", stream, view(mixes, (1, n), (mixes.nb[1],), i * mixes.nb[0]))
        result = part if result is None else same("add", result, part)
    assert result is not None
    return result


def deepseek4_layer(b: Builder, layer: Layer, streams: Tensor) -> Tensor:
    """One layer, from streams to streams."""
    spec = layer.caches[0]
    assert isinstance(spec, CompressedAttention)
    b.graph.expand(b.input("mask_raw", F16 if b.flash else F32, *_mask_shape(b, _window(b, spec))))
    entered, post, comb = _enter(layer, "attn", streams)
    cur = _attention(b, layer, spec, b.norm(entered, layer, "attn_norm"))
    streams = Tensor("hc_post", F32, streams.ne, (cur, streams, post, comb))
    entered, post, comb = _enter(layer, "ffn", streams)
    for tensor in (streams, post, comb):
        b.graph.expand(tensor)
    cur = b.norm(entered, layer, "ffn_norm")
    by_token = layer.get("ffn_gate_tid2eid.weight")
    chosen = None
    if by_token is not None:
        chosen = get_rows(by_token, b.input("tokens", I32, b.batch.n_tokens))
        chosen.kind = I32
    routed = experts(b, layer, cur, chosen=chosen)
    cur = same("add", routed, shared(b, layer, cur))
    return Tensor("hc_post", F32, streams.ne, (cur, streams, post, comb))


# attention


def _window(b: Builder, spec: CompressedAttention) -> int:
    return b.context.swa_cells(spec.window)


def _mask_shape(b: Builder, cells: int) -> tuple[int, int, int, int]:
    return cells, b.batch.n_tokens // b.context.n_stream, 1, b.context.n_stream


def _attention(b: Builder, layer: Layer, spec: CompressedAttention, cur: Tensor) -> Tensor:
    n, width, heads = b.batch.n_tokens, spec.head_dim, spec.n_head
    low = b.norm(mul_mat(layer.need("attn_q_a.weight"), cur), layer, "attn_q_a_norm")
    q = reshape(mul_mat(layer.need("attn_q_b.weight"), low), width, heads, n)
    q = b.rope(same("rms_norm", q), layer)
    kv = b.norm(mul_mat(layer.need("attn_kv.weight"), cur), layer, "attn_kv_a_norm")
    kv = b.rope(reshape(kv, width, 1, n), layer)
    overlapping = spec.ratio == _OVERLAPPING
    entries = _Kind("csa" if overlapping else "hca", "attn_compressor", width)
    store: Tensor | None = None
    if spec.ratio:
        store = _compress(b, layer, spec, entries, cur)
    keys: Tensor | None = None
    if spec.indexer is not None:
        keys = _compress(b, layer, spec, _Kind("lid", "indexer_compressor", spec.indexer.head_dim), cur)
    chosen = _chosen(b, layer, spec.indexer, keys, low, cur) if spec.indexer and keys else None
    rotation = _rotation(b, width, "k_rot_raw") if b.kind_k.quantised else None
    if rotation is not None:
        q, kv = hadamard(q, rotation), hadamard(kv, rotation)
    b.graph.expand(q)
    b.graph.expand(kv)
    cells = _window(b, spec)
    raw = memory(b.kind_k, (width, cells, b.context.n_stream), b.cache_home(layer))
    b.graph.expand(write_rows(raw, kv, b.input("k_idxs_raw", I64, n)))
    k = read_rows(raw, width, 1)
    kind = F16 if b.flash else F32
    mask = b.input("mask_raw", kind, *_mask_shape(b, cells))
    if store is not None:
        k = concat(k, read_rows(store, width, 1), 2)
        visible = b.input("mask_" + entries.name, kind, *_mask_shape(b, store.ne[1]))
        mask = concat(mask, visible if chosen is None else sparse_mask(visible, chosen, kind), 0)
    out = attend(b, layer, q, (k, k), mask)
    if rotation is not None:
        out = hadamard(out, rotation)
    return _project(b, layer, b.rope(reshape(out, width, heads, n), layer))


def _project(b: Builder, layer: Layer, out: Tensor) -> Tensor:
    """The output projection in two steps, the first for each group of heads."""
    first, n = layer.need("attn_output_a.weight"), out.ne[2]
    size, rank, groups = first.ne[:3]
    out = permute(reshape(out, size, groups, n), 0, 2, 1, 3)
    low = cont(permute(mul_mat(first, out), 0, 2, 1, 3), rank * groups, n)
    return mul_mat(layer.need("attn_output_b.weight"), low)


def _rotation(b: Builder, width: int, name: str) -> Tensor:
    size = 64
    while width % (2 * size) == 0:
        size *= 2
    return b.input(name, F32, size, size)


def _chosen(b: Builder, layer: Layer, indexer: Indexer, store: Tensor, low: Tensor, cur: Tensor) -> Tensor:
    """build_lid_top_k: the entries that each query attends to."""
    n, streams, width, heads = b.batch.n_tokens, b.context.n_stream, indexer.head_dim, indexer.n_head
    cells, each = store.ne[1], n // streams
    q = b.rope(reshape(mul_mat(layer.need("indexer.attn_q_b.weight"), low), width, heads, n), layer)
    q = hadamard(q, _rotation(b, width, "k_rot_lid"))
    weights = same("scale", mul_mat(layer.need("indexer.proj.weight"), cur))
    q = view(q, (width, heads, each, streams), (q.nb[1], q.nb[2], q.nb[3] // streams))
    weights = view(
        weights,
        (heads, each, 1, streams),
        (weights.nb[1], weights.nb[2] // streams, weights.nb[3] // streams),
    )
    mask = b.input("mask_lid", F16, *_mask_shape(b, cells))
    score = Tensor("indexer", F32, (cells, each, 1, streams), (q, read_rows(store, width, 1), weights, mask))
    return cont(Tensor("top_k", I32, (min(cells, indexer.top_k), each, 1, streams), (score,)))


# compression


def _compress(b: Builder, layer: Layer, spec: CompressedAttention, kind: _Kind, cur: Tensor) -> Tensor:
    """Compress what is complete of this batch and the state, write both back; return the cache."""
    n, streams, ratio = b.batch.n_tokens, b.context.n_stream, spec.ratio
    overlapping = ratio == _OVERLAPPING
    blocks = n // ratio + b.batch.n_seqs
    reads = (2 if overlapping else 1) * ratio * blocks
    state_rows = (2 * ratio if overlapping else ratio) * streams
    values = mul_mat(layer.need(kind.tensors + "_kv.weight"), cur)
    scores = mul_mat(layer.need(kind.tensors + "_gate.weight"), cur)
    places = get_rows(layer.need(kind.tensors + "_ape.weight"), b.input(f"{kind.name}_pos", I32, n))
    scores = same("add", scores, places)
    snapshots = b.context.n_rs_seq
    states = []
    for _ in range(2):
        state = memory(F32, (values.ne[0], state_rows * (1 + snapshots), 1), b.cache_home(layer))
        states.append(view(state, state.ne[:2], (state.nb[1],)))
    if snapshots:
        states = [_moved(b, s, s, f"{kind.name}_restore", state_rows) for s in states]
    sources = [
        concat(view(s, (s.ne[0], state_rows), (s.nb[1],)), fresh, 1)
        for s, fresh in zip(states, (values, scores), strict=True)
    ]
    read = b.input(f"{kind.name}_read", I32, reads)
    merge = _overlapping_blocks if overlapping else _blocks
    parts = merge(sources, read, (kind.width, ratio, blocks))
    weighted = same("mul", parts[0], same("soft_max", parts[1]))
    entry = cont(permute(sum_rows(weighted), 1, 0, 2, 3))
    entry = b.norm(entry, layer, kind.tensors + "_norm")
    entry = Tensor("rope", F32, entry.ne, (entry, b.input(f"{kind.name}_write_pos", I32, blocks)))
    if kind.name == "lid" or b.kind_k.quantised:
        entry = hadamard(entry, _rotation(b, kind.width, "k_rot_" + kind.name))
    cells = -(-b.context.n_ctx_seq // ratio // _PADDING) * _PADDING
    store = memory(b.kind_k, (kind.width, cells, streams), b.cache_home(layer))
    b.graph.expand(write_rows(store, entry, b.input(f"{kind.name}_write", I64, blocks)))
    if snapshots:
        for state, fresh in zip(states, (values, scores), strict=True):
            whole = concat(state, fresh, 1)
            rows = snapshots * state_rows
            b.graph.expand(_moved(b, whole, state, f"{kind.name}_snapshot", rows))
    persisted = min(n, state_rows)
    kept = [get_rows(t, b.input(f"{kind.name}_persist_from", I32, persisted)) for t in (values, scores)]
    written = [
        set_rows(s, t, b.input(f"{kind.name}_persist_to", I32, persisted))
        for s, t in zip(states, kept, strict=True)
    ]
    for tensor in written:
        b.graph.expand(tensor)
    return store


def _moved(b: Builder, source: Tensor, state: Tensor, name: str, rows: int) -> Tensor:
    """Rows of a source written into the state."""
    picked = get_rows(source, b.input(name + "_from", I32, rows))
    return set_rows(state, picked, b.input(name + "_to", I32, rows))


def _blocks(sources: list[Tensor], read: Tensor, shape: tuple[int, int, int]) -> list[Tensor]:
    """Values and scores of each block, a channel's tokens in a row."""
    rows = [reshape(get_rows(s, read), *shape) for s in sources]
    return [cont(permute(t, 1, 0, 2, 3)) for t in rows]


def _overlapping_blocks(sources: list[Tensor], read: Tensor, shape: tuple[int, int, int]) -> list[Tensor]:
    """The same, where a block also holds the first half of the channels of the one before."""
    width, ratio, blocks = shape
    read_rows_each = ratio * blocks
    extended = []
    for source in sources:
        row = same("scale", view(source, (source.ne[0],), ()))
        extended.append(concat(source, reshape(row, source.ne[0], 1), 1))
    rows = [get_rows(s, read) for s in extended]

    def half(t: Tensor, offset: int) -> Tensor:
        return reshape(cont(view(t, (width, read_rows_each), (t.nb[1],), offset)), *shape)

    before = [half(t, 0) for t in rows]
    now = [half(t, read_rows_each * t.nb[1] + 4 * width) for t in rows]
    both = [concat(x, y, 1) for x, y in zip(before, now, strict=True)]
    return [cont(permute(t, 1, 0, 2, 3)) for t in both]
