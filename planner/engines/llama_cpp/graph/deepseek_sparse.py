"""DeepSeek sparse attention in llama.cpp's graphs: the indexer's choice of tokens, and a mask of them.

src/models/deepseek32.cpp, glm-dsa.cpp and build_attn for llm_graph_input_attn_k_dsa in src/llama-graph.cpp,
llama.cpp b11434, with the fused indexer.
"""

from __future__ import annotations

from planner.engines.llama_cpp.graph.builder import Builder, Layer
from planner.engines.llama_cpp.graph.ggml.tensor import (
    F16,
    F32,
    I32,
    I64,
    Tensor,
    cont,
    leaf,
    mul_mat,
    reshape,
    same,
    set_rows,
    view,
)
from planner.models.cache import Indexer
from planner.quant.formats import QuantFormat


def chosen_tokens(b: Builder, layer: Layer, indexer: Indexer, cur: Tensor, compressed: Tensor) -> Tensor:
    """Return the indices of the tokens that each query attends to; `compressed` is the low-rank query."""
    n, cells, streams = b.batch.n_tokens, b.context.n_ctx_seq, b.context.n_stream
    width, heads = indexer.head_dim, indexer.n_head
    q = reshape(mul_mat(layer.need("indexer.attn_q_b.weight"), compressed), width, heads, n)
    q = b.rope(q, layer)
    k = b.norm(mul_mat(layer.need("indexer.attn_k.weight"), cur), layer, "indexer.k_norm", "norm")
    k = b.rope(reshape(k, width, 1, n), layer)
    size = 64
    while width % (2 * size) == 0:
        size *= 2
    rotation = b.input("k_rot_indexer", F32, size, size)
    q, k = mul_mat(rotation, q), mul_mat(rotation, k)
    store = Tensor("none", b.kind_k, (width, cells, streams, 1))
    store.home = b.cache_home(layer)
    rows = view(k, (width, n), (k.nb[2],))
    whole = reshape(store, width, cells * streams) if streams > 1 else store
    b.graph.expand(set_rows(whole, rows, b.input("k_idxs_indexer", I64, n)))
    weights = mul_mat(layer.need("indexer.proj.weight"), cur)
    row = store.kind.row_bytes
    keys = view(store, (width, 1, cells, streams), (row(width), row(width), row(width * cells)))
    each = n // streams
    q = view(q, (width, heads, each, streams), (q.nb[1], q.nb[2], q.nb[3] // streams))
    weights = view(
        weights,
        (heads, each, 1, streams),
        (weights.nb[1], weights.nb[2] // streams, weights.nb[3] // streams),
    )
    mask = b.input("mask_indexer", F16, cells, each, 1, streams)
    score = Tensor("indexer", F32, (cells, each, 1, streams), (q, keys, same("scale", weights), mask))
    best = Tensor("top_k", I32, (min(cells, indexer.top_k), each, 1, streams), (score,))
    return cont(best)


def sparse_mask(mask: Tensor, chosen: Tensor, kind: QuantFormat = F32) -> Tensor:
    """Return a mask that leaves the chosen tokens visible; `kind` is that of the zeros written into it."""
    cells, each, _, streams = mask.ne
    hidden = same("fill", mask)
    column = view(hidden, (1, cells, each, streams), hidden.nb[:3])
    top, n = chosen.ne[0], chosen.ne[1]
    flat = view(chosen, (top, n, streams, 1), (chosen.nb[1], chosen.nb[2], streams * chosen.nb[3]))
    zeros = same("fill", leaf(kind, 1, top, n, streams))
    open_ones = set_rows(column, zeros, flat)
    back = view(open_ones, (cells, each, 1, streams), (open_ones.nb[2], open_ones.nb[3], open_ones.nb[3]))
    return same("add", back, mask)
