"""Decoders of one attention and one feed-forward a layer: most families, each described by a Style.

A Style says how a family's tensors differ from Llama's; dimensions come from the configuration. Read in
llama.cpp b11434, src/models/*.cpp (the file is named after gguf_arch) and conversion/*.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from planner.models.architecture import FeedForward
from planner.models.cache import CacheSpec, FullAttention, SlidingWindow
from planner.models.family_blocks import (
    Dims,
    Draft,
    Layer,
    Tensors,
    dense,
    experts,
    grouped,
    nextn,
    norm,
    outside,
    qk_norms,
    qkv,
    read_dense,
    read_dims,
    read_experts,
    sparse_layers,
    tensor,
)
from planner.models.hf_reader import Reader
from planner.models.hf_rope import read_rope

Kind = tuple[bool, bool]  # slides, has experts
Windows = Callable[[Reader, int], tuple[int, list[bool]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How one family's layers differ from Llama's."""

    arch: str | None
    tied: bool = False  # the family's default of tie_word_embeddings
    norm_bias: bool = False  # LayerNorm
    pre_norm: bool = True  # False: norms only after attention and feed-forward (OLMo 2)
    post_norms: bool = False  # norms after attention and feed-forward, beside those before (Gemma 2)
    ffn_norm: str | None = "ffn_norm"  # the norm's name before the feed-forward; None: parallel blocks
    qkv_bias: bool | None = None  # None: the file's attention_bias
    out_bias: bool | None = None
    fused_qkv: bool = False
    qk_norm: Literal["", "head", "row"] = ""
    attn_gate: int = 0  # 1: one gate a head; 2: one an element of the attention's output
    sinks: bool = False
    gated: bool = True
    fused_ffn: bool = False
    ffn_bias: bool | None = None  # None: the file's mlp_bias
    moe: bool = False
    expert_bias: bool = False
    router_bias: bool = False  # exp_probs_b
    shared_router: bool = False  # a scalar gate of the shared expert (Qwen 2 MoE)
    windows: Windows | None = None
    chunked: bool = False
    rope_freqs: bool = False  # a tensor where the file has llama3 scaling
    rope_float32: bool = False
    mtp_embed: bool = False  # the prediction layer has its own copies of embedding and head
    exact: bool = True
    notes: tuple[str, ...] = ()


def build(c: Reader, s: Style) -> Draft:
    """Build the layers that a configuration and a family's Style describe."""
    d = read_dims(c)
    window, slides = s.windows(c, d.layers) if s.windows else (0, [False] * d.layers)
    sparse = sparse_layers(c, d.layers) if s.moe else [False] * d.layers
    tied = c.flag("tie_word_embeddings", default=s.tied)

    def layer(kind: Kind) -> Layer:
        return build_layer(c, d, s, kind, window)

    groups = grouped(list(zip(slides, sparse, strict=True)), layer)
    n_mtp = c.integer("num_nextn_predict_layers", default=0, low=0, high=16) if s.mtp_embed else 0
    if n_mtp:

        def prediction(kind: Kind) -> Layer:
            base = layer(kind)
            extra = nextn(d, embed=s.mtp_embed, head=s.mtp_embed)
            return Layer(base.caches, base.feed_forward, base.tensors + extra)

        groups += grouped([(False, s.moe)] * n_mtp, prediction, first=d.layers, mtp=True)
    extra = rope_factors(c, d) if s.rope_freqs else []
    return Draft(
        gguf_arch=s.arch,
        dims=d,
        groups=groups,
        outside=outside(d, tied, norm_bias=s.norm_bias, extra=extra),
        tied=tied,
        rope=read_rope(c, d, float32=s.rope_float32),
        exact=s.exact,
        notes=s.notes,
    )


def build_layer(c: Reader, d: Dims, s: Style, kind: Kind, window: int) -> Layer:
    """Build one layer of a kind."""
    slides, sparse = kind
    cache: CacheSpec
    if slides:
        cache = SlidingWindow(d.heads, d.kv_heads, d.head_dim, d.head_dim, window, chunked=s.chunked)
    else:
        cache = FullAttention(d.heads, d.kv_heads, d.head_dim, d.head_dim)
    feed_forward, tensors = build_ffn(c, d, s, sparse)
    return Layer((cache,), feed_forward, build_attention(c, d, s) + tensors)


def build_attention(c: Reader, d: Dims, s: Style) -> Tensors:
    """Return an attention block's tensors, its norms included."""
    stated = c.flag("attention_bias", "use_bias", default=False)
    bias = s.qkv_bias if s.qkv_bias is not None else stated
    out_bias = s.out_bias if s.out_bias is not None else stated
    tensors = norm("attn_norm", d.hidden, s.norm_bias) if s.pre_norm else []
    tensors += qkv(d, bias=bias, fused=s.fused_qkv)
    tensors.append(tensor("attn_output.weight", d.q, d.hidden))
    if out_bias:
        tensors.append(tensor("attn_output.bias", d.hidden))
    if s.qk_norm:
        tensors += qk_norms(d.head_dim, d.head_dim) if s.qk_norm == "head" else qk_norms(d.q, d.kv)
    if s.attn_gate:
        tensors.append(tensor("attn_gate.weight", d.hidden, d.heads if s.attn_gate == 1 else d.q))
    if s.sinks:
        tensors.append(tensor("attn_sinks.weight", d.heads))
    if s.post_norms:
        tensors += norm("post_attention_norm", d.hidden, s.norm_bias)
    return tensors


def build_ffn(c: Reader, d: Dims, s: Style, sparse: bool) -> tuple[FeedForward, Tensors]:
    """Return a feed-forward block and its tensors, its norms included."""
    tensors = norm(s.ffn_norm, d.hidden, s.norm_bias) if s.ffn_norm and s.pre_norm else []
    feed_forward: FeedForward
    if sparse:
        moe = read_experts(c, gated=s.gated)
        feed_forward = moe
        tensors += experts(d.hidden, moe, router_bias=s.router_bias, bias=s.expert_bias)
        if s.shared_router and moe.shared_intermediate:
            tensors.append(tensor("ffn_gate_inp_shexp.weight", d.hidden))
    else:
        block = read_dense(c, gated=s.gated)
        feed_forward = block
        bias = s.ffn_bias if s.ffn_bias is not None else c.flag("mlp_bias", default=False)
        tensors += dense(d.hidden, block.intermediate, gated=s.gated, fused=s.fused_ffn, bias=bias)
    if s.post_norms:
        tensors += norm("post_ffw_norm", d.hidden, s.norm_bias)
    return feed_forward, tensors


def rope_factors(c: Reader, d: Dims) -> Tensors:
    """Return the rope_freqs tensor that the converter writes for llama3 scaling (conversion/llama.py,
    generate_extra_tensors), or the two of long rope (conversion/phi.py)."""
    scaling = c.section("rope_parameters", "rope_scaling")
    if scaling is None:
        return []
    kind = scaling.text("rope_type", "type").lower()
    partial = c.number("partial_rotary_factor", default=1.0, high=1.0)
    rotary = int(scaling.number("partial_rotary_factor", default=partial, high=1.0) * d.head_dim)
    if kind == "llama3":
        return [tensor("rope_freqs.weight", d.head_dim // 2)]
    if kind in ("longrope", "su"):
        return [
            tensor("rope_factors_long.weight", rotary // 2),
            tensor("rope_factors_short.weight", rotary // 2),
        ]
    return []


def windows_listed(
    c: Reader, n_layer: int, *, period: int = 1, full_first: bool = False
) -> tuple[int, list[bool]]:
    """Return the window and which layers slide: as layer_types lists them, else one full layer of every
    `period` (sliding_window_pattern)."""
    window = c.integer("sliding_window", "sliding_window_size", default=0, low=0, high=1 << 31)
    if kinds := c.texts("layer_types"):
        c.per_layer("layer_types", n_layer, kinds)
        return window, [window > 0 and ("sliding" in k or "local" in k) for k in kinds[:n_layer]]
    pattern = c.data.get("sliding_window_pattern")
    if isinstance(pattern, str):  # EXAONE 4: "LLLG"
        period = max(len(pattern), 1)
    elif isinstance(pattern, int) and not isinstance(pattern, bool):
        period = c.integer("sliding_window_pattern", low=1, high=1024)
    if window <= 0:
        return 0, [False] * n_layer
    return window, [(il % period != 0) if full_first else (il % period < period - 1) for il in range(n_layer)]


def windows(period: int, *, full_first: bool = False) -> Windows:
    """Return a rule of one full layer in every `period` where the file lists none."""
    return lambda c, n: windows_listed(c, n, period=period, full_first=full_first)
