"""MiniMax-01's layers in llama.cpp's graphs: lightning attention, and residuals of what was normalised.

src/models/minimax-01.cpp, llama.cpp b11434.
"""

from __future__ import annotations

from collections.abc import Callable

from planner.engines.llama_cpp.graph.builder import Builder, Layer
from planner.engines.llama_cpp.graph.feed_forward import experts
from planner.engines.llama_cpp.graph.ggml.tensor import (
    F32,
    Tensor,
    cont,
    copy_into,
    mul_mat,
    permute,
    reshape,
    same,
    view,
)
from planner.engines.llama_cpp.graph.recurrent import states
from planner.models.cache import RecurrentState

Mix = Callable[[Builder, Layer, Tensor], Tensor]


def minimax_01_layer(b: Builder, layer: Layer, inp: Tensor, mix: Mix) -> Tensor:
    """One layer; `mix` is the attention of those that aren't recurrent."""
    entered = b.norm(inp, layer, "attn_norm")
    spec = layer.caches[0]
    cur = _lightning(b, layer, spec, entered) if isinstance(spec, RecurrentState) else mix(b, layer, entered)
    if layer.last:
        cur, entered = b.select(cur, entered)
    cur = b.norm(same("add", cur, same("scale", entered)), layer, "ffn_norm")
    return same("add", experts(b, layer, cur), same("scale", cur))


def _lightning(b: Builder, layer: Layer, spec: RecurrentState, cur: Tensor) -> Tensor:
    tokens, seqs, width, heads = b.batch.n_seq_tokens, b.batch.n_seqs, spec.head_dim, spec.n_head
    slopes = b.input("slopes", F32, heads)
    q_decays, k_decays = (b.input(n, F32, 1, heads, tokens, seqs) for n in ("q_decay", "k_decay"))
    decays = b.input("diagonal_decay", F32, tokens, tokens, heads, seqs)
    history, memory = b.state(spec, layer, convolution=True), b.state(spec, layer, convolution=False)
    b.graph.expand(states(b, history))
    slope = same("scale", slopes)
    cur = reshape(cur, cur.ne[0], tokens, 1, seqs)
    mixed = same("unary", mul_mat(layer.need("attn_qkv.weight"), cur))
    mixed = reshape(mixed, 3 * width, heads, tokens, seqs)
    q, k, v = (view(mixed, (width, heads, tokens, seqs), mixed.nb[1:], i * 4 * width) for i in range(3))
    before = reshape(states(b, memory), width, width, heads, seqs)
    q_decay, k_decay, decay = (_exponential(same("scale", t)) for t in (q_decays, k_decays, decays))
    earlier = mul_mat(before, permute(same("mul", q, q_decay), 0, 2, 1, 3))
    scores = mul_mat(permute(k, 0, 2, 1, 3), permute(q, 0, 2, 1, 3))
    columns = cont(permute(v, 1, 2, 0, 3))
    here = mul_mat(columns, same("mul", scores, decay))
    flow = b.graph.expand(same("add", earlier, here))
    block = reshape(_exponential(same("scale", slope)), 1, 1, heads)
    kept = same("mul", before, block)
    fresh = mul_mat(cont(permute(same("mul", k, k_decay), 1, 2, 0, 3)), columns)
    target = view(memory, (spec.state_elements * seqs,), ())
    b.graph.expand(copy_into(same("add", kept, fresh), target))
    flow = cont(permute(flow, 0, 2, 1, 3))
    flow = b.norm(reshape(flow, width * heads, tokens, 1, seqs), layer, "attn_norm_2")
    gate = same("unary", mul_mat(layer.need("attn_gate.weight"), cur))
    cur = mul_mat(layer.need("attn_output.weight"), same("mul", gate, flow))
    return reshape(cur, cur.ne[0], tokens * seqs)


def _exponential(cur: Tensor) -> Tensor:
    return same("unary", cur)
