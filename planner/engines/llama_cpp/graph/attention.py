"""Attention in llama.cpp's graphs: the cache written and read, with and without flash attention, and MLA.

build_attn, build_attn_mha and build_qkv in src/llama-graph.cpp, cpy_k, cpy_v, get_k and get_v in
src/llama-kv-cache.cpp, and the MLA part of src/models/deepseek2.cpp, llama.cpp b11434. Operations that
always overwrite their source (scales of Q, soft caps) are left out: they cost no memory.
"""

from __future__ import annotations

from planner.engines.llama_cpp.graph import deepseek_sparse as sparse
from planner.engines.llama_cpp.graph.builder import Builder, Layer
from planner.engines.llama_cpp.graph.ggml.tensor import (
    F16,
    F32,
    Tensor,
    as_view,
    cast,
    concat,
    cont,
    mul_mat,
    permute,
    reshape,
    same,
    set_rows,
    transpose,
    view,
)
from planner.models.cache import FullAttention, LatentAttention, SlidingWindow
from planner.quant.formats import QuantFormat

Spec = FullAttention | SlidingWindow


def project(b: Builder, layer: Layer, spec: Spec, cur: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """build_qkv: Q, K and V as (head size, heads, tokens); no K and V where another layer's cache is read."""
    n = b.batch.n_tokens
    width_k, width_v = spec.head_dim_k, spec.head_dim_v
    if "attn_qkv.weight" in layer:
        qkv = b.linear(layer, "attn_qkv", cur)
        e, row = qkv.kind.bytes, qkv.nb[1]
        k_at = width_k * spec.n_head * e
        v_at = k_at + width_k * spec.n_head_kv * e
        q = view(qkv, (width_k, spec.n_head, n), (width_k * e, row))
        k = view(qkv, (width_k, spec.n_head_kv, n), (width_k * e, row), k_at)
        v = view(qkv, (width_v, spec.n_head_kv, n), (width_v * e, row), v_at)
        if "attn_q_norm.weight" in layer:
            q, k = b.norm(q, layer, "attn_q_norm"), b.norm(k, layer, "attn_k_norm")
        return q, k, v
    q = b.linear(layer, "attn_q", cur)
    if not spec.owns_cache:
        return normed(b, layer, "attn_q_norm", q, width_k, spec.n_head), None, None
    k = b.linear(layer, "attn_k", cur)
    v = k if spec.v_from_k else b.linear(layer, "attn_v", cur)
    v = reshape(v, width_v, spec.n_head_kv, n)
    return (
        normed(b, layer, "attn_q_norm", q, width_k, spec.n_head),
        normed(b, layer, "attn_k_norm", k, width_k, spec.n_head_kv),
        same("rms_norm", v) if b.traits.normed_values else v,
    )


def normed(b: Builder, layer: Layer, name: str, cur: Tensor, width: int, heads: int) -> Tensor:
    """Reshape to heads, normalised before (over the whole row) or after (a head at a time) where a norm exists."""
    scale = layer.get(name + ".weight")
    if scale is None or b.traits.rope_first:
        return reshape(cur, width, heads, b.batch.n_tokens)
    if scale.ne[0] != width:
        cur = b.norm(cur, layer, name)
        return reshape(cur, width, heads, b.batch.n_tokens)
    return b.norm(reshape(cur, width, heads, b.batch.n_tokens), layer, name)


def attention(b: Builder, layer: Layer, spec: Spec, cur: Tensor) -> Tensor:
    """Project, rotate, attend and project back."""
    entered = cur
    q, k, v = project(b, layer, spec, cur)
    q = b.rope(q, layer)
    if k is not None:
        k = b.rope(k, layer)
    if b.traits.rope_first and "attn_q_norm.weight" in layer:
        q = b.norm(q, layer, "attn_q_norm")
        k = b.norm(k, layer, "attn_k_norm") if k is not None else None
    if b.traits.attention_scale and not b.rotates(layer):
        q = same("mul", q, b.input("attention_scale", F32, 1, 1, b.batch.n_tokens))
    cur = cached(b, layer, spec, q, k, v)
    gate = layer.get("attn_gate.weight")
    if gate is not None:
        cur = _gated(spec, cur, same("unary", mul_mat(gate, entered)))
    if "attn_output.weight" not in layer:
        return cur
    return b.linear(layer, "attn_output", cur)


def _gated(spec: Spec, cur: Tensor, gate: Tensor) -> Tensor:
    """Multiply by a gate, one number for each head or for each element."""
    if gate.ne[0] != spec.n_head:
        return same("mul", cur, gate)
    heads = reshape(cur, spec.head_dim_v, spec.n_head, cur.ne[1])
    return reshape(same("mul", heads, reshape(gate, 1, spec.n_head, gate.ne[1])), *cur.ne)


def hadamard(cur: Tensor, rotation: Tensor) -> Tensor:
    """llama_mul_mat_hadamard: rotate pieces of each head."""
    n, ne = rotation.ne[0], cur.ne
    pieces = cur.elements // n
    flat = reshape(cur, n, pieces) if cur.contiguous else cont(cur, n, pieces)
    return reshape(mul_mat(rotation, flat), *ne)


def cached(b: Builder, layer: Layer, spec: Spec, q: Tensor, k: Tensor | None, v: Tensor | None) -> Tensor:
    """build_attn for a cache of K and V: write this batch's rows, attend over all cells."""
    inputs = b.attention_input(spec)
    if inputs.k_rot is not None:
        q = hadamard(q, inputs.k_rot)
        k = hadamard(k, inputs.k_rot) if k is not None else None
    if inputs.v_rot is not None and v is not None:
        v = hadamard(v, inputs.v_rot)
    b.graph.expand(q)
    for tensor in (k, v) if b.sliding else (v, k):
        if tensor is not None:
            b.graph.expand(tensor)
    home, cells, streams = b.cache_home(layer), inputs.n_kv, b.context.n_stream
    width_v = spec.v_elements if b.rows_v else b.widest_v()
    store_k = memory(b.kind_k, (spec.k_elements, cells, streams), home)
    store_v = memory(b.kind_v, (width_v, cells, streams), home)
    if k is not None:
        b.graph.expand(write_rows(store_k, k, inputs.k_idxs))
    if v is not None and inputs.v_idxs is not None:
        write = write_rows if b.rows_v else _write_transposed
        b.graph.expand(write(store_v, v, inputs.v_idxs))
    rows = read_rows(store_k, spec.head_dim_k, spec.n_head_kv)
    if b.rows_v:
        values = read_rows(store_v, spec.head_dim_v, spec.n_head_kv)
    else:
        e, k_v = b.kind_v, cells
        values = view(
            store_v,
            (k_v, spec.n_head_kv, spec.head_dim_v, streams),
            (e.row_bytes(k_v * spec.head_dim_v), e.row_bytes(k_v), e.row_bytes(k_v * width_v)),
        )
    cur = attend(b, layer, q, (rows, values), inputs.mask)
    if inputs.v_rot is not None:
        cur = hadamard(cur, inputs.v_rot)
    return cur


def memory(kind: QuantFormat, ne: tuple[int, int, int], home: int) -> Tensor:
    """Return a cache's memory as a leaf."""
    tensor = Tensor("none", kind, (*ne, 1))
    tensor.home = home
    return tensor


def write_rows(store: Tensor, rows: Tensor, idxs: Tensor) -> Tensor:
    """cpy_k, and cpy_v where V isn't transposed."""
    width = rows.ne[0] * rows.ne[1]
    flat = view(rows, (width, rows.ne[2]), (rows.nb[2],))
    if store.ne[2] > 1:
        store = reshape(store, store.ne[0], store.ne[1] * store.ne[2])
    return set_rows(store, flat, idxs)


def _write_transposed(store: Tensor, rows: Tensor, idxs: Tensor) -> Tensor:
    """cpy_v without flash attention: one element a row."""
    width, n = rows.ne[0] * rows.ne[1], rows.ne[2]
    flat = reshape(rows, width, n) if rows.nb[2] == width * rows.kind.bytes else cont(rows, width, n)
    if width < store.ne[0]:
        flat = Tensor("pad", flat.kind, (store.ne[0], n, 1, 1), (flat,))
    column = reshape(flat, 1, flat.elements)
    return set_rows(reshape(store, 1, store.elements), column, idxs)


def read_rows(store: Tensor, width: int, heads: int) -> Tensor:
    """get_k, and get_v where V isn't transposed."""
    row = store.kind.row_bytes
    return view(
        store,
        (width, heads, store.ne[1], store.ne[2]),
        (row(width), row(store.ne[0]), row(store.ne[0] * store.ne[1])),
    )


def attend(
    b: Builder,
    layer: Layer,
    q: Tensor,
    kv: tuple[Tensor, Tensor],
    mask: Tensor,
    expand_v: Tensor | None = None,
) -> Tensor:
    """build_attn_mha: (head size × heads, tokens); `expand_v` takes MLA's latent values back to heads."""
    k, v = kv
    transposed = v.nb[1] > v.nb[2]
    streams = k.ne[3]
    each = q.ne[2] // streams
    q = view(q, (q.ne[0], q.ne[1], each, streams), (q.nb[1], q.nb[2], q.nb[2] * each))
    q, k, v = (permute(t, 0, 2, 1, 3) for t in (q, k, v))
    sinks = layer.get("attn_sinks.weight")
    if b.flash:
        if transposed:
            v = transpose(v)
        k = cast(k, F16) if k.kind is F32 else k
        v = cast(v, F16) if v.kind is F32 else v
        src = (q, k, v, mask) if sinks is None else (q, k, v, mask, sinks)
        cur = Tensor("flash_attn", F32, (v.ne[0], q.ne[2], q.ne[1], q.ne[3]), src)
        b.flash_nodes.append((cur, layer.home))
        if expand_v is not None:
            cur = mul_mat(expand_v, permute(cur, 0, 2, 1, 3))
            cur = cont(permute(cur, 0, 2, 1, 3))
        cur = reshape(cur, cur.ne[0] * cur.ne[1], cur.ne[2] * cur.ne[3])
    else:
        kq = mul_mat(k, q)
        for op in b.traits.soft_caps:
            kq = same(op, kq)
        kq = Tensor("soft_max", F32, kq.ne, (kq, mask) if sinks is None else (kq, mask, sinks))
        if not transposed:
            v = cont(transpose(v))
        cur = mul_mat(v, kq)
        if expand_v is not None:
            cur = mul_mat(expand_v, cur)
        cur = permute(cur, 0, 2, 1, 3)
        cur = cont(cur, cur.ne[0] * cur.ne[1], cur.ne[2] * cur.ne[3])
        if not b.settings.kv_offload:
            b.graph.pinned.append((cur, b.host))
    return b.graph.expand(cur)


def latent(b: Builder, layer: Layer, spec: LatentAttention, cur: Tensor) -> Tensor:
    """MLA with absorbed projections: one row of latent and rotated parts a token, shared by all heads."""
    low = None
    if "attn_q_a.weight" in layer:
        low = b.norm(mul_mat(layer.need("attn_q_a.weight"), cur), layer, "attn_q_a_norm")
    if spec.indexer is not None and low is not None:
        b.chosen = sparse.chosen_tokens(b, layer, spec.indexer, cur, low)
    rows = mul_mat(layer.need("attn_kv_a_mqa.weight"), cur)
    q = (
        mul_mat(layer.need("attn_q.weight"), cur)
        if low is None
        else mul_mat(layer.need("attn_q_b.weight"), low)
    )
    q = reshape(q, spec.qk_nope_head_dim + spec.qk_rope_head_dim, spec.n_head, b.batch.n_tokens)
    rank, rope, n = spec.kv_lora_rank, spec.qk_rope_head_dim, b.batch.n_tokens
    nope = spec.qk_nope_head_dim
    row = (rank + rope) * rows.kind.bytes
    compressed = view(rows, (rank, n), (row,))
    k_rope = view(rows, (rope, 1, n), (row, row), rank * rows.kind.bytes)
    k_rope = b.rope(k_rope, layer)
    compressed = b.norm(compressed, layer, "attn_kv_a_norm")
    q_nope = view(q, (nope, spec.n_head, n), (q.nb[1], q.nb[2]))
    q_rope = view(q, (rope, spec.n_head, n), (q.nb[1], q.nb[2]), nope * q.kind.bytes)
    q_rope = b.rope(q_rope, layer)
    absorbed = mul_mat(layer.need("attn_k_b.weight"), permute(q_nope, 0, 2, 1, 3))
    q = concat(permute(absorbed, 0, 2, 1, 3), q_rope, 0)
    compressed = reshape(compressed, rank, 1, n)
    k = concat(compressed, k_rope, 0)
    inputs = b.attention_input(spec)
    b.graph.expand(q)
    b.graph.expand(compressed)
    b.graph.expand(k)
    store = memory(b.kind_k, (spec.k_elements, inputs.n_kv, b.context.n_stream), b.cache_home(layer))
    b.graph.expand(write_rows(store, k, inputs.k_idxs))
    keys = read_rows(store, spec.k_elements, 1)
    values = as_view("view", keys, (rank, *keys.ne[1:]), keys.nb)
    # layers without an indexer of their own take the last one's choice
    mask = inputs.mask if b.chosen is None else sparse.sparse_mask(inputs.mask, b.chosen)
    attended = attend(b, layer, q, (keys, values), mask, layer.need("attn_v_b.weight"))
    gate = layer.get("attn_gate.weight")
    if gate is not None and gate.ne[1] != spec.n_head:
        attended = same("mul", attended, same("unary", mul_mat(gate, cur)))
    elif gate is not None:  # one number a head
        gates = same("unary", reshape(mul_mat(gate, cur), 1, spec.n_head, n))
        gated = same("mul", reshape(attended, spec.v_head_dim, spec.n_head, n), gates)
        attended = cont(gated, spec.v_head_dim * spec.n_head, n)
    return b.linear(layer, "attn_output", attended)
