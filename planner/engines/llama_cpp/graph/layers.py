"""One layer of each kind of architecture, and the whole graph from embeddings to logits.

The graph builders of src/models/*.cpp, llama.cpp b11434: what they have in common, told apart by the
tensors that a layer has and by the architecture's traits.
"""

from __future__ import annotations

from collections.abc import Sequence

from planner.engines.llama_cpp.graph import deepseek_v4 as deepseek4
from planner.engines.llama_cpp.graph import gemma as gemma
from planner.engines.llama_cpp.graph.attention import attention, cached, latent
from planner.engines.llama_cpp.graph.builder import Builder, Layer
from planner.engines.llama_cpp.graph.feed_forward import dense, experts, feed_forward, shared
from planner.engines.llama_cpp.graph.ggml.tensor import (
    F32,
    Tensor,
    cont,
    mul_mat,
    reshape,
    same,
    view,
)
from planner.engines.llama_cpp.graph.kimi_k3 import kimi_k3_layer, mean
from planner.engines.llama_cpp.graph.minimax_01 import minimax_01_layer
from planner.engines.llama_cpp.graph.minimax_m3 import block_attention, block_sparse
from planner.engines.llama_cpp.graph.recurrent import recurrent
from planner.engines.llama_cpp.traits import RowsDropped
from planner.models.architecture import NoFeedForward
from planner.models.cache import (
    CompressedAttention,
    FullAttention,
    LatentAttention,
    RecurrentState,
    SlidingWindow,
)


def build(b: Builder, layers: Sequence[Layer], table: Tensor, output: tuple[Layer, str]) -> None:
    """Fill the builder's graph: `table` is the input embedding, `output` the head's weights and its name."""
    inputs_first = b.context.build.inputs_first and b.traits.crops_early
    if "per_layer_token_embd.weight" in b.outside and inputs_first:
        gemma.looked_up(b)
    cur = b.embeddings(table)
    inputs = gemma.per_layer_inputs(b, cur) if "per_layer_token_embd.weight" in b.outside else None
    alternating = inputs is not None and "altup_proj.weight" in b.outside
    if alternating:
        cur = gemma.spread(b, cur)
    compressed = any(isinstance(s, CompressedAttention) for layer in layers for s in layer.caches)
    if compressed:
        cur = deepseek4.spread(b, cur)
    b.graph.bounds.append(len(b.graph.nodes))
    for layer in layers:
        if compressed:
            cur = deepseek4.deepseek4_layer(b, layer, cur)
        elif "attn_res_score.weight" in layer:
            cur = kimi_k3_layer(b, layer, cur, mix)
        elif b.traits.normed_residuals:
            cur = minimax_01_layer(b, layer, cur, mix)
        elif inputs is not None and alternating:
            cur = gemma.gemma3n_layer(b, layer, cur, inputs)
        else:
            cur = gemma.gemma4_tail(b, layer, decoder_layer(b, layer, cur), inputs)
        b.graph.bounds.append(len(b.graph.nodes))
    if alternating:
        cur = gemma.gather(b, cur)
    head, name = output
    if compressed:
        cur = deepseek4.gather(b, head, cur)
    elif b.banked is not None:
        cur = mean(b, cur, head.need("output_res_score.weight"))
    if b.traits.rows_dropped is RowsDropped.BEFORE_NORM:
        cur.output = True
        (cur,) = b.select(cur)
    cur = b.norm(cur, head, "output_norm")
    cur.output = True  # t_embd or t_h_nextn
    if b.traits.rows_dropped is RowsDropped.AFTER_NORM:
        (cur,) = b.select(cur)
        cur.output = True
    logits = mul_mat(head.need(name), cur)
    bias = head.get("output.bias")
    if bias is not None:
        logits = same("add", logits, bias)
    logits.output = True
    b.graph.expand(logits)


def decoder_layer(b: Builder, layer: Layer, inp: Tensor) -> Tensor:
    """Return one layer's output."""
    if b.traits.pruned_blocks and not (layer.caches and "ffn_norm.weight" in layer):
        return _pruned(b, layer, inp)
    if isinstance(layer.group.feed_forward, NoFeedForward) or not layer.caches:
        return _single_block(b, layer, inp)
    if len(layer.caches) > 1:
        return _parallel_mixers(b, layer, inp)
    cur = b.norm(inp, layer, "attn_norm") if "attn_norm.weight" in layer else inp
    entered = cur
    if "attn_norm_2.weight" in layer:
        cur = b.norm(inp, layer, "attn_norm_2")
    if b.expands_norm:
        b.graph.expand(cur)
    cur = mix(b, layer, cur)
    sandwiched = "post_ffw_norm.weight" in layer and "post_attention_norm.weight" in layer
    if sandwiched and b.traits.norm_first:
        cur = b.norm(cur, layer, "post_attention_norm")
    if layer.last and b.traits.rows_dropped is RowsDropped.AFTER_LAST_ATTENTION:
        if b.traits.parallel:
            cur, inp, entered = b.select(cur, inp, entered)
        else:
            cur, inp = b.select(cur, inp)
    if b.traits.parallel:
        fed = feed_forward(b, layer, entered)
        first, second = (cur, inp) if b.traits.residual_last else (inp, cur)
        return same("add", same("add", fed, first), second)
    if sandwiched and not b.traits.norm_first:
        cur = b.norm(cur, layer, "post_attention_norm")
    if "attn_output_norm.weight" in layer and "ffn_norm.weight" in layer:
        cur = b.norm(cur, layer, "attn_output_norm")
    joined = add_residual(b, cur, inp)
    if "ffn_norm_exps.weight" in layer:  # Arctic: experts of the layer's input beside a dense block
        fed = same("add", dense(b, layer, b.norm(joined, layer, "ffn_norm")), joined)
        return same("add", experts(b, layer, b.norm(inp, layer, "ffn_norm_exps")), fed)
    if "ffn_norm.weight" in layer:
        cur = b.norm(joined, layer, "ffn_norm")
    elif not sandwiched:
        cur = b.norm(joined, layer, "post_attention_norm")
    else:
        cur = joined
    twofold = "pre_ffw_norm_2.weight" in layer
    cur = gemma.two_feed_forwards(b, layer, joined) if twofold else feed_forward(b, layer, cur)
    for name in ("post_ffw_norm", "layer_output_norm"):
        if f"{name}.weight" in layer:
            cur = b.norm(cur, layer, name)
    return add_residual(b, cur, joined)


def add_residual(b: Builder, cur: Tensor, residual: Tensor) -> Tensor:
    """Add a block's result to what went in, in the architecture's order."""
    if b.traits.residual_scale:
        cur = same("scale", cur)
    return same("add", residual, cur) if b.traits.residual_first else same("add", cur, residual)


def mix(b: Builder, layer: Layer, cur: Tensor) -> Tensor:
    """The layer's attention or recurrent block."""
    spec = layer.caches[0]
    if isinstance(spec, RecurrentState):
        return recurrent(b, layer, spec, cur)
    if isinstance(spec, LatentAttention):
        return latent(b, layer, spec, cur)
    if not isinstance(spec, FullAttention | SlidingWindow):
        raise KeyError(type(spec).__name__)
    if layer.need("attn_q.weight" if "attn_q.weight" in layer else "attn_qkv.weight").ne[1] == (
        2 * spec.n_head * spec.head_dim_k
    ):
        return _gated_attention(b, layer, spec, cur)
    if isinstance(spec, FullAttention) and block_sparse(b, spec):
        return block_attention(b, layer, spec, cur)
    return attention(b, layer, spec, cur)


def _gated_attention(b: Builder, layer: Layer, spec: FullAttention | SlidingWindow, cur: Tensor) -> Tensor:
    """Attention whose query projection holds a gate for each head too (Qwen3-Next, Qwen3.5)."""
    n, width, heads = b.batch.n_tokens, spec.head_dim_k, spec.n_head
    both = b.linear(layer, "attn_q", cur)
    k, v = b.linear(layer, "attn_k", cur), b.linear(layer, "attn_v", cur)
    step = 8 * width
    q = b.norm(view(both, (width, heads, n), (step, step * heads)), layer, "attn_q_norm")
    k = b.norm(reshape(k, width, spec.n_head_kv, n), layer, "attn_k_norm")
    gate = cont(view(both, (width, heads, n), (step, step * heads), 4 * width), width * heads, n)
    v = reshape(v, width, spec.n_head_kv, n)
    cur = cached(b, layer, spec, b.rope(q, layer), b.rope(k, layer), v)
    cur = same("mul", cur, same("unary", gate))
    return mul_mat(layer.need("attn_output.weight"), cur)


def _single_block(b: Builder, layer: Layer, inp: Tensor) -> Tensor:
    """A layer that only mixes or only feeds forward (Nemotron-H)."""
    cur = b.norm(inp, layer, "attn_norm")
    if layer.caches:
        cur = mix(b, layer, cur)
    elif "ffn_gate_inp.weight" in layer:
        latent_in = layer.get("ffn_latent_down.weight")
        narrow = cur if latent_in is None else mul_mat(latent_in, cur)
        logits = mul_mat(layer.need("ffn_gate_inp.weight"), cur)
        routed = experts(b, layer, narrow, logits)
        latent_out = layer.get("ffn_latent_up.weight")
        if latent_out is not None:
            routed = mul_mat(latent_out, routed)
        cur = same("add", routed, shared(b, layer, cur))
    else:
        cur = dense(b, layer, cur)
    if layer.last and b.traits.rows_dropped is RowsDropped.AFTER_LAST_ATTENTION:
        cur, inp = b.select(cur, inp)
    return same("add", cur, inp)


def _pruned(b: Builder, layer: Layer, inp: Tensor) -> Tensor:
    """A layer of Nemotron Super or Ultra without attention, with a matrix in its place, or without feed-forward."""
    if "ffn_norm.weight" not in layer:
        if layer.caches:  # writes its cache for nothing
            mix(b, layer, b.norm(inp, layer, "attn_norm"))
        return inp
    cur = inp
    if "attn_output.weight" in layer:
        cur = mul_mat(layer.need("attn_output.weight"), b.norm(inp, layer, "attn_norm"))
    if layer.last:
        cur, inp = b.select(cur, inp)
    if "attn_output.weight" in layer:
        cur = same("add", cur, inp)
    return same("add", feed_forward(b, layer, b.norm(cur, layer, "ffn_norm")), cur)


def _parallel_mixers(b: Builder, layer: Layer, inp: Tensor) -> Tensor:
    """Attention and a state-space block side by side (Falcon-H1)."""
    sums: list[Tensor] = []
    for spec in sorted(layer.caches, key=lambda s: isinstance(s, RecurrentState)):
        cur = b.norm(inp, layer, "attn_norm")
        if isinstance(spec, RecurrentState):
            sums.append(recurrent(b, layer, spec, cur))
        else:
            assert isinstance(spec, FullAttention | SlidingWindow)
            sums.append(attention(b, layer, spec, cur))
    joined = same("add", Tensor("add", F32, sums[0].ne, (sums[0], sums[1])), inp)
    if layer.last:
        (joined,) = b.select(joined)
    cur = feed_forward(b, layer, b.norm(joined, layer, "ffn_norm"))
    return same("add", cur, joined)
