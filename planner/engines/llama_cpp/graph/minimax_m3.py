"""Block-sparse attention of MiniMax M3 in llama.cpp's graphs: an indexer's choice of blocks as a mask.

src/models/minimax-m3.cpp, llama.cpp b11434, for batches of more than one token a sequence. What the indexer
looks at grows with the positions in the cache: when memory is reserved there are none yet.
"""

from __future__ import annotations

from typing import Final

from planner.engines.llama_cpp.graph.attention import hadamard, memory, project, read_rows, write_rows
from planner.engines.llama_cpp.graph.builder import AttentionInput, Builder, Layer
from planner.engines.llama_cpp.graph.ggml.tensor import (
    F16,
    F32,
    I32,
    I64,
    Tensor,
    as_view,
    cast,
    concat,
    cont,
    get_rows,
    mul_mat,
    permute,
    repeat,
    reshape,
    same,
    set_rows,
    transpose,
    view,
)
from planner.models.cache import FullAttention, Indexer

_POSITIONS: Final = 256  # get_n_pos in src/llama-kv-cache-msa.cpp, of an empty cache
_BLOCK: Final = 128  # attention.indexer.block_size of the released model


def block_sparse(b: Builder, spec: FullAttention) -> bool:
    """True where a layer's blocks are chosen: not without flash attention, nor in a cache that sequences share."""
    shared = b.context.n_stream < b.context.n_seq_max
    return spec.indexer is not None and b.flash and not shared


def block_attention(b: Builder, layer: Layer, spec: FullAttention, cur: Tensor) -> Tensor:
    """Project, choose blocks, attend to them and project back."""
    indexer = spec.indexer
    assert indexer is not None
    q, k, v = project(b, layer, spec, cur)
    assert k is not None and v is not None
    q, k = b.rope(q, layer), b.rope(k, layer)
    wanted, keys = _indexed(b, layer, indexer, cur)
    inputs = b.attention_input(spec)
    if inputs.k_rot is not None:
        q, k = hadamard(q, inputs.k_rot), hadamard(k, inputs.k_rot)
    if inputs.v_rot is not None:
        v = hadamard(v, inputs.v_rot)
    for tensor in (q, k, v):
        b.graph.expand(tensor)
    home, streams = b.cache_home(layer), b.context.n_stream
    stores = []
    for kind, rows, size, idxs in (
        (b.kind_k, k, spec.k_elements, inputs.k_idxs),
        (b.kind_v, v, spec.v_elements, inputs.v_idxs),
    ):
        assert idxs is not None
        store = memory(kind, (size, inputs.n_kv, streams), home)
        b.graph.expand(write_rows(store, rows, idxs))
        stores.append(store)
    rows_k = read_rows(stores[0], spec.head_dim_k, spec.n_head_kv)
    rows_v = read_rows(stores[1], spec.head_dim_v, spec.n_head_kv)
    result: Tensor | None = None
    for stream in range(streams):
        mask = _mask(b, indexer, (wanted, keys), inputs, stream)
        part = _attend(spec, _stream(q, b.batch.n_tokens // streams, stream), rows_k, rows_v, mask, stream)
        result = part if result is None else concat(result, part, 1)
    assert result is not None
    if inputs.v_rot is not None:
        result = hadamard(result, inputs.v_rot)
    return b.linear(layer, "attn_output", result)


def _indexed(b: Builder, layer: Layer, indexer: Indexer, cur: Tensor) -> tuple[Tensor, Tensor]:
    """The indexer's queries of this batch, and its keys of all cells."""
    n, width = b.batch.n_tokens, indexer.head_dim
    q = reshape(mul_mat(layer.need("indexer.q_proj.weight"), cur), width, indexer.n_head, n)
    k = reshape(mul_mat(layer.need("indexer.k_proj.weight"), cur), width, 1, n)
    q = b.rope(b.norm(q, layer, "indexer.q_norm"), layer)
    k = b.rope(b.norm(k, layer, "indexer.k_norm"), layer)
    store = memory(b.kind_k, (width, b.context.n_ctx_seq, b.context.n_stream), b.cache_home(layer))
    b.graph.expand(write_rows(store, k, b.input("k_idxs_indexer", I64, n)))
    return q, read_rows(store, width, 1)


def _add_into(a: Tensor, b: Tensor) -> Tensor:
    """ggml_add_inplace."""
    result = as_view("add", a, a.ne, a.nb)
    result.src = [a, b]
    return result


def _stream(a: Tensor, tokens: int, stream: int) -> Tensor:
    return view(a, (a.ne[0], a.ne[1], tokens), a.nb[1:3], stream * tokens * a.nb[2])


def _mask(
    b: Builder, indexer: Indexer, indexed: tuple[Tensor, Tensor], inputs: AttentionInput, stream: int
) -> Tensor:
    """Mask of one stream for each group of heads: the causal one, and all blocks hidden but the chosen."""
    n, streams, heads, cells = b.batch.n_tokens, b.context.n_stream, indexer.n_head, inputs.n_kv
    each, blocks = n // streams, _POSITIONS // _BLOCK
    best = min(indexer.top_k, blocks)
    bias = b.input("block_bias", F32, blocks, n)
    visible = b.input("position_mask", F32, _POSITIONS, n)
    slots = b.input("position_slots", I32, _POSITIONS, streams)
    cell_blocks = b.input("cell_blocks", I32, cells, streams)
    causal = b.once("mask_f32", lambda: cast(inputs.mask, F32))
    wanted, keys = indexed
    queries = _stream(wanted, each, stream)
    rows = view(keys, (keys.ne[0], cells), (keys.nb[2],), stream * keys.nb[3])
    row = visible.nb[1]
    seen = view(visible, (_POSITIONS, 1, each), (row, row), stream * each * row)
    row = bias.nb[1]
    forced = view(bias, (blocks, 1, each), (row, row), stream * each * row)
    at = view(slots, (_POSITIONS,), (), stream * slots.nb[1])
    score = mul_mat(get_rows(rows, at), reshape(queries, queries.ne[0], heads * each))
    score = reshape(score, _POSITIONS, heads, each)
    score = _add_into(score, seen)
    pooled = Tensor("pool", F32, (blocks, heads, each, 1), (score,))
    chosen = Tensor("top_k", I32, (best, heads, each, 1), (same("add", pooled, forced),))
    hidden = repeat(cast(same("scale", forced), F16), blocks, heads, each)
    zeros = same("scale", cast(chosen, F32))
    open_ones = set_rows(
        reshape(hidden, 1, blocks, heads * each),
        reshape(zeros, 1, best, heads * each),
        reshape(chosen, best, heads * each),
    )
    by_head = cont(permute(reshape(open_ones, blocks, heads, each), 0, 2, 1, 3))
    columns = cont(transpose(reshape(by_head, blocks, each * heads)))
    cell_block = view(cell_blocks, (cells,), (), stream * cell_blocks.nb[1])
    wide = cont(transpose(get_rows(columns, cell_block)))
    wide = reshape(wide, cells, each, heads)
    mine = view(causal, (cells, each, 1), (causal.nb[1], causal.nb[3]), stream * causal.nb[3])
    wide = _add_into(wide, mine)
    return cast(reshape(wide, cells, each, 1, heads), F16)


def _attend(spec: FullAttention, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, stream: int) -> Tensor:
    """build_attn_msa_fa: groups of heads side by side as sequences."""
    groups, tokens = spec.n_head_kv, q.ne[2]
    each = spec.n_head // groups
    q = permute(reshape(q, q.ne[0], each, groups, tokens), 0, 2, 3, 1)
    k, v = (permute(view(t, (*t.ne[:3], 1), t.nb[1:], stream * t.nb[3]), 0, 3, 1, 2) for t in (k, v))
    cur = Tensor("flash_attn", F32, (v.ne[0], q.ne[2], q.ne[1], q.ne[3]), (q, k, v, mask))
    cur = permute(cur, 0, 1, 3, 2)
    cur = cur if cur.contiguous else cont(cur)
    return reshape(cur, spec.head_dim_v * spec.n_head, tokens)
