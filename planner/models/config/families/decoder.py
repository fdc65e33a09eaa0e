"""Decoders of one attention and one feed-forward a layer: most families, each described by a DecoderStyle.

A DecoderStyle says how a family's tensors differ from Llama's; dimensions come from the configuration. Read in
llama.cpp b11434, src/models/*.cpp (the file is named after gguf_arch) and conversion/*.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from planner.fast_dataclass import dataclass
from planner.models.architecture import FeedForward, LayerGroup
from planner.models.cache import CacheSpec, FullAttention, SlidingWindow
from planner.models.config.dims import Dims, read_dims
from planner.models.config.families.decoder_keys import Windows
from planner.models.config.families.parts import (
    Blueprint,
    LayerBlueprint,
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
    read_experts,
    sparse_layers,
    tensor,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope

Kind = tuple[bool, bool, Dims]  # slides, has experts, dimensions of its attention


@dataclass(frozen=True, slots=True, kw_only=True)
class Mtp:
    """What a family's multi-token-prediction layers are like; how many, the file says under `key`."""

    key: str = "num_nextn_predict_layers"
    default: int = 0
    embed: bool = False  # has a copy of the embedding
    head: bool = False  # has a head of its own
    head_norm: bool = True
    sparse: bool | None = None  # has experts; None: where the model has
    slides: bool = False
    in_gguf: bool = True
    out_norm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderStyle:
    """How one family's layers differ from Llama's."""

    arch: str | None
    prepare: Callable[[Reader], Mapping[str, Any]] | None = None  # gives odd keys their usual names
    tied: bool = False  # the family's default of tie_word_embeddings
    norm_bias: bool = False  # LayerNorm
    pre_norm: bool = True  # False: norms only after attention and feed-forward (OLMo 2)
    post_norms: bool = False  # norms after attention and feed-forward (Gemma 2)
    ffn_norm: str | None = "ffn_norm"  # the norm's name before the feed-forward; None: parallel blocks
    qkv_bias: bool | None = None  # None: the file's attention_bias
    out_bias: bool | None = None
    fused_qkv: bool = False
    qk_norm: Literal["", "head", "row"] = ""
    qk_norm_flag: str = ""  # the key that says whether this model of the family has them
    attn_gate: Literal["", "head", "element"] = ""  # a gate on the attention's output
    sinks: Literal["", "all", "sliding"] = ""
    gated: bool = True
    fused_ffn: bool = False
    ffn_bias: bool | None = None  # None: the file's mlp_bias
    moe: bool = False
    expert_bias: bool = False
    router_bias: bool = False  # exp_probs_b
    bare_router_bias: bool = False  # … without the suffix ".bias" (Hy3)
    shared_router: bool = False  # a scalar gate of the shared expert (Qwen 2 MoE)
    windows: Windows | None = None
    chunked: bool = False
    shapes: Callable[[Reader, Dims, list[bool]], list[Dims]] | None = None  # attention that differs by layer
    rope_freqs: bool = False  # the converter writes the factors of llama3 scaling or long rope
    rope_float32: bool = False
    mtp: Mtp | None = None
    exact: bool = True
    notes: tuple[str, ...] = ()


def build_decoder(c: Reader, s: DecoderStyle) -> Blueprint:
    """Build the layers that a configuration and a family's DecoderStyle describe."""
    if s.prepare:
        c = c.updated(s.prepare(c))
    d = read_dims(c)
    window, slides = s.windows(c, d.layers) if s.windows else (_ignored_window(c), [False] * d.layers)
    sparse = sparse_layers(c, d.layers) if s.moe else [False] * d.layers
    shapes = s.shapes(c, d, slides) if s.shapes else [d] * d.layers
    tied = c.flag("tie_word_embeddings", default=s.tied)
    groups = grouped(
        list(zip(slides, sparse, shapes, strict=True)), lambda kind: build_layer(c, d, s, kind, window)
    )
    groups += _predictions(c, d, s, window, shapes, slides)
    notes = s.notes
    if not s.windows and 0 < window < d.context:
        notes += (f"llama.cpp attends in full where vLLM slides over {window} tokens",)
    return Blueprint(
        gguf_arch=s.arch,
        dims=d,
        groups=groups,
        outside=outside(d, tied, norm_bias=s.norm_bias, extra=rope_factors(c, d) if s.rope_freqs else []),
        tied=tied,
        rope=read_rope(c, d, float32=s.rope_float32),
        exact=s.exact,
        notes=notes,
    )


def _ignored_window(c: Reader) -> int:
    """Return a window that the file states for all layers of a family whose graph in llama.cpp has none."""
    if not c.flag("use_sliding_window", default=True):
        return 0
    return c.integer("sliding_window", default=0, low=0, high=1 << 31)


def _predictions(
    c: Reader, d: Dims, s: DecoderStyle, window: int, shapes: list[Dims], slides: list[bool]
) -> tuple[LayerGroup, ...]:
    """Return the multi-token-prediction layers' groups, none where the family has none."""
    m = s.mtp
    if m is None:
        return ()
    count = c.integer(m.key, default=m.default, low=0, high=16)
    shape = next((d for d, slide in zip(shapes, slides, strict=True) if slide == m.slides), d)
    kind = (m.slides and bool(s.windows) and window > 0, s.moe if m.sparse is None else m.sparse, shape)

    def layer(kind: Kind) -> LayerBlueprint:
        base = build_layer(c, d, s, kind, window)
        extra = nextn(d, embed=m.embed, head=m.head, head_norm=m.head_norm)
        if m.out_norm:
            extra += norm("layer_output_norm", d.hidden)
        return LayerBlueprint(base.caches, base.feed_forward, base.tensors + extra)

    return grouped([kind] * count, layer, first=d.layers, mtp=True, in_gguf=m.in_gguf)


def build_layer(c: Reader, d: Dims, s: DecoderStyle, kind: Kind, window: int) -> LayerBlueprint:
    """Build one layer of a kind."""
    slides, sparse, shape = kind
    cache: CacheSpec
    v_dim = shape.v_dim or shape.head_dim
    if slides:
        cache = SlidingWindow(shape.heads, shape.kv_heads, shape.head_dim, v_dim, window, chunked=s.chunked)
    else:
        ignored = 0 if s.windows else window
        cache = FullAttention(shape.heads, shape.kv_heads, shape.head_dim, v_dim, window=ignored)
    feed_forward, tensors = build_ffn(c, d, s, sparse)
    return LayerBlueprint((cache,), feed_forward, build_attention(c, shape, s, slides) + tensors)


def build_attention(c: Reader, d: Dims, s: DecoderStyle, slides: bool = False) -> Tensors:
    """Return an attention block's tensors, its norms included."""
    stated = c.flag("attention_bias", "use_bias", default=False)
    bias = s.qkv_bias if s.qkv_bias is not None else stated
    out_bias = s.out_bias if s.out_bias is not None else stated
    tensors = norm("attn_norm", d.hidden, s.norm_bias) if s.pre_norm else []
    tensors += qkv(d, bias=bias, fused=s.fused_qkv)
    tensors.append(tensor("attn_output.weight", d.out, d.hidden))
    if out_bias:
        tensors.append(tensor("attn_output.bias", d.hidden))
    if s.qk_norm and (not s.qk_norm_flag or c.flag(s.qk_norm_flag, default=False)):
        q, k = (d.head_dim, d.head_dim) if s.qk_norm == "head" else (d.q, d.kv)
        tensors += qk_norms(q, k)
    if s.attn_gate:
        tensors.append(tensor("attn_gate.weight", d.hidden, d.heads if s.attn_gate == "head" else d.q))
    if s.sinks == "all" or (s.sinks == "sliding" and slides):
        tensors.append(tensor("attn_sinks.weight", d.heads))
    if s.post_norms:
        tensors += norm("post_attention_norm", d.hidden, s.norm_bias)
    return tensors


def build_ffn(c: Reader, d: Dims, s: DecoderStyle, sparse: bool) -> tuple[FeedForward, Tensors]:
    """Return a feed-forward block and its tensors, its norms included."""
    tensors = norm(s.ffn_norm, d.hidden, s.norm_bias) if s.ffn_norm and s.pre_norm else []
    feed_forward: FeedForward
    if sparse:
        moe = read_experts(c, gated=s.gated)
        feed_forward = moe
        tensors += experts(d.hidden, moe, router_bias=s.router_bias, bias=s.expert_bias)
        if s.bare_router_bias:
            tensors.append(tensor("exp_probs_b", moe.n_expert))
        if s.shared_router and moe.shared_intermediate:
            tensors.append(tensor("ffn_gate_inp_shexp.weight", d.hidden))
    else:
        block = read_dense(c, gated=s.gated)
        feed_forward = block
        bias = s.ffn_bias if s.ffn_bias is not None else c.flag("mlp_bias", "use_mlp_bias", default=False)
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
    scaling = scaling.section("full_attention") or scaling
    kind = scaling.text("rope_type", "type").lower()
    if kind == "llama3":
        return [tensor("rope_freqs.weight", d.head_dim // 2)]
    if kind in ("longrope", "su"):
        partial = c.number("partial_rotary_factor", default=1.0, high=1.0)
        rotary = int(scaling.number("partial_rotary_factor", default=partial, high=1.0) * d.head_dim)
        return [
            tensor("rope_factors_long.weight", rotary // 2),
            tensor("rope_factors_short.weight", rotary // 2),
        ]
    return []
