"""The graph of a multi-token-prediction layer: what llama.cpp's draft context computes on the main model's weights.

graph_mtp in src/models/*.cpp and build_sampling in src/llama-graph.cpp, llama.cpp b11434: the hidden state of
the last layer and the next token's embedding are joined, pass one decoder layer, and yield logits, of which
each sequence keeps the ten best (common/speculative.cpp, sampled on the device by default).
"""

from __future__ import annotations

from typing import Final

from planner.engines.llama_cpp.graph.builder import Builder, Layer
from planner.engines.llama_cpp.graph.feed_forward import experts, shared
from planner.engines.llama_cpp.graph.ggml.tensor import (
    F32,
    I32,
    Tensor,
    concat,
    get_rows,
    mul_mat,
    reshape,
    same,
    view,
)
from planner.engines.llama_cpp.graph.layers import decoder_layer, mix
from planner.engines.llama_cpp.traits import Rope, RowsDropped
from planner.fast_dataclass import replace
from planner.models.cache import CacheSpec, LatentAttention

_KEPT: Final = 10  # tokens that a draft's sampler keeps


def dense_caches(caches: tuple[CacheSpec, ...]) -> tuple[CacheSpec, ...]:
    """Return a prediction layer's caches: it attends to all tokens, without an indexer (llama-model.cpp)."""
    return tuple(replace(s, indexer=None) if isinstance(s, LatentAttention) else s for s in caches)


def build_draft(
    b: Builder, layer: Layer, table: Tensor, output: tuple[Layer, str], *, sampled: bool = True
) -> None:
    """Fill the builder's graph; arguments as for llama_graph_layers.build, with the prediction layer alone.

    `sampled`: the draft's tokens are chosen on the device, as llama-server does.
    """
    rules, n = b.traits.prediction, b.batch.n_tokens
    assert rules is not None
    b.expands_norm = False
    own = layer.get("nextn.embed_tokens.weight") if rules.own_vocabulary else None
    tokens = get_rows(table if own is None else own, b.input("tokens", I32, n))
    hidden = b.norm(b.input("hidden", F32, b.arch.hidden_size, n), layer, "nextn.hnorm")
    joined = concat(b.norm(tokens, layer, "nextn.enorm"), hidden, 0)
    cur = b.linear(layer, "nextn.eh_proj", joined)
    layer.caches = dense_caches(layer.caches)
    if rules.joint_block:
        cur = _nemotron(b, layer, cur)
    else:
        rope = Rope.ALWAYS if rules.rotates else b.traits.rope
        b.traits = replace(b.traits, rows_dropped=RowsDropped.AFTER_LAST_ATTENTION, rope=rope)
        layer.last = rules.early
        cur = decoder_layer(b, layer, cur)
    head, name = output
    if rules.state_before_norm:
        (cur,) = b.select(cur)
        cur.output = True
    cur = _head_norm(b, layer, head, cur, rules.norm)
    if not rules.state_before_norm:
        cur.output = True  # t_h_nextn
        if not rules.early:
            (cur,) = b.select(cur)
    own = layer.get("nextn.shared_head_head.weight") if rules.own_vocabulary else None
    logits = mul_mat(head.need(name) if own is None else own, cur)
    logits.output = True
    b.graph.expand(logits)
    if sampled:
        _sample(b, logits)


def _head_norm(b: Builder, layer: Layer, head: Layer, cur: Tensor, op: str) -> Tensor:
    """The prediction layer's own norm before the head, else the model's."""
    for name in ("nextn.shared_head_norm", "layer_output_norm"):
        if f"{name}.weight" in layer:
            return b.norm(cur, layer, name, op)
    return b.norm(cur, head, "output_norm")


def _nemotron(b: Builder, layer: Layer, inp: Tensor) -> Tensor:
    """Attention and experts in one layer, which Nemotron's main layers keep apart; only rows with an output."""
    cur = same("add", mix(b, layer, b.norm(inp, layer, "attn_norm")), inp)
    (joined,) = b.select(cur)
    cur = b.norm(joined, layer, "post_attention_norm")
    logits = mul_mat(layer.need("ffn_gate_inp.weight"), cur)
    down, up = layer.get("ffn_latent_down.weight"), layer.get("ffn_latent_up.weight")
    routed = experts(b, layer, cur if down is None else mul_mat(down, cur), logits)
    if up is not None:
        routed = mul_mat(up, routed)
    return same("add", same("add", routed, shared(b, layer, cur)), joined)


def _sample(b: Builder, logits: Tensor) -> None:
    """build_sampling with a chain of llama_sampler_top_k for each sequence; one row more than there are outputs."""
    width = logits.ne[0]
    rows = Tensor("pad", F32, (width, logits.ne[1] + 1, 1, 1), (logits,))
    for seq in range(b.batch.n_seqs):
        row = reshape(view(rows, (width,), (), seq * rows.nb[1]), width)
        best = Tensor("top_k", I32, (_KEPT, 1, 1, 1), (row,))
        kept = get_rows(reshape(row, 1, width), best)
        best.output = kept.output = True
        b.graph.expand(kept)
