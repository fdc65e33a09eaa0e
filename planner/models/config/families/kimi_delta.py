"""Kimi delta attention beside latent attention: Kimi Linear, Kimi K3, Ling 3, GLM-5.3.

llama.cpp b11434: src/models/kimi-linear.cpp, kimi-k3.cpp, bailingmoe3.cpp, glm5-next.cpp.
"""

from __future__ import annotations

from functools import partial
from typing import Final, Literal

from planner.fast_dataclass import dataclass, replace
from planner.models.architecture import FeedForward
from planner.models.cache import CacheSpec, RecurrentState
from planner.models.config.dims import Dims, read_dims
from planner.models.config.families.latent_attention import (
    hyper_connections,
    indexed_layers,
    indexer_tensors,
    latent_tensors,
    read_latent,
)
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    Tensors,
    experts,
    feed_forward,
    grouped,
    nextn,
    norm,
    outside,
    read_experts,
    sparse_layers,
    tensor,
)
from planner.models.config.reader import MAX_LAYERS, Reader
from planner.models.config.rope import read_rope


@dataclass(frozen=True, slots=True, kw_only=True)
class KdaStyle:
    """How one family's layers differ from Kimi Linear's."""

    arch: str
    decay: Literal["low rank", "full"] = "low rank"  # ssm_f_a and ssm_f_b, or one matrix called ssm_f_a
    gate: Literal["low rank", "full", "ssm_g"] = "low rank"
    latent_gate: Literal["", "head", "element"] = ""
    indexer: bool = False  # pooled indexer keys (GLM-5.3)
    hyper: bool = False
    residual_scores: bool = False  # attention residuals (Kimi K3)
    flat_a: bool = False  # ssm_a has one dimension
    mtp: bool = False
    mtp_vocab: bool = True  # the prediction layer has copies of embedding and head
    mtp_out_norm: bool = False  # layer_output_norm instead of those and of the head's norm
    exact: bool = True
    notes: tuple[str, ...] = ()


def read_kda(c: Reader, heads: int, *, bounded: bool = False) -> RecurrentState:
    """Read a Kimi delta attention layer's state; `bounded`: its gate has a lower bound by default."""
    inner = c.section("linear_attn_config") or c
    head_dim = inner.integer("linear_head_dim", "head_dim", high=1 << 14)
    return RecurrentState(
        kind="kda",
        conv_kernel=inner.integer("short_conv_kernel_size", "linear_conv_kernel_dim", default=4, high=64),
        conv_channels=3 * heads * head_dim,
        state_elements=heads * head_dim * head_dim,
        n_head=heads,
        head_dim=head_dim,
        d_state=head_dim,
        n_group=heads,
        d_inner=heads * head_dim,
        bounded_gate=bounded or inner.has("gate_lower_bound"),
    )


def recurrent_layers(c: Reader, n_layer: int) -> list[bool]:
    """Return which layers are recurrent: by layer_types, by Kimi's lists (from 1), or by Ling's groups."""
    if kinds := c.texts("layer_types"):
        c.per_layer("layer_types", n_layer, kinds)
        return ["linear" in kind for kind in kinds[:n_layer]]
    inner = c.section("linear_attn_config")
    if inner is not None and (full := inner.integers("full_attn_layers", high=MAX_LAYERS)) is not None:
        return [il + 1 not in set(full) for il in range(n_layer)]
    size = c.integer("layer_group_size", default=4, high=MAX_LAYERS)
    whole = n_layer // size * size
    return [il < whole and (il + 1) % size != 0 for il in range(n_layer)]


def kda_tensors(hidden: int, r: RecurrentState, s: KdaStyle) -> Tensors:
    """Return a Kimi delta attention layer's tensors, norm included."""
    inner, head_dim = r.d_inner, r.head_dim
    tensors = norm("attn_norm", hidden)
    tensors += [tensor(f"ssm_conv1d_{x}.weight", r.conv_kernel, 1, inner, 1) for x in "qkv"]
    tensors += [tensor(f"attn_{x}.weight", hidden, inner) for x in "qkv"]
    tensors.append(tensor("ssm_f_a.weight", hidden, head_dim if s.decay == "low rank" else inner))
    if s.decay == "low rank":
        tensors.append(tensor("ssm_f_b.weight", head_dim, inner))
    tensors.append(tensor("ssm_beta.weight", hidden, r.n_head))
    tensors.append(tensor("ssm_a", r.n_head) if s.flat_a else tensor("ssm_a", 1, r.n_head))
    tensors.append(tensor("ssm_dt.bias", inner))
    if s.gate == "low rank":
        tensors.append(tensor("ssm_g_a.weight", hidden, head_dim))
        tensors.append(tensor("ssm_g_b.weight", head_dim, inner))
    else:
        tensors.append(tensor("ssm_g_a.weight" if s.gate == "full" else "ssm_g.weight", hidden, inner))
    tensors.append(tensor("ssm_norm.weight", head_dim))
    tensors.append(tensor("attn_output.weight", inner, hidden))
    return tensors


def build_kda(c: Reader, s: KdaStyle) -> Blueprint:
    """Build a model of Kimi delta attention and latent attention."""
    d = read_dims(c, head_dim=c.integer("qk_rope_head_dim", low=0) or 64)
    recurrent = recurrent_layers(c, d.layers)
    state = read_kda(c, d.heads, bounded=s.indexer)
    whole = read_latent(c, d.heads, indexer=s.indexer)
    pool = c.integer("index_kpool", default=16, high=1024) if s.indexer else 0
    if whole.indexer is not None:
        whole = replace(whole, indexer=replace(whole.indexer, rows=3, pool=pool))
    without = replace(whole, indexer=None)
    indexed = indexed_layers(c, d.layers) if s.indexer else [False] * d.layers
    streams = c.integer("hc_mult", default=4, high=64) if s.hyper else 0

    def attention(is_recurrent: bool, has_indexer: bool) -> tuple[CacheSpec, Tensors]:
        if is_recurrent:
            return state, kda_tensors(d.hidden, state, s)
        spec = whole if has_indexer else without
        tensors = latent_tensors(d.hidden, spec) + indexer_tensors(d.hidden, spec)
        if spec.indexer is not None:
            size = spec.indexer.head_dim
            tensors.append(tensor("indexer_compressor_gate.weight", d.hidden, size))
            tensors.append(tensor("indexer_compressor_ape.weight", size, pool))
        if s.latent_gate:
            width = d.heads if s.latent_gate == "head" else d.heads * spec.v_head_dim
            tensors.append(tensor("attn_gate.weight", d.hidden, width))
        return spec, tensors

    def layer(kind: tuple[bool, bool, bool]) -> LayerBlueprint:
        cache, tensors = attention(kind[0], kind[1])
        block, more = _feed_forward(c, d, kind[2])
        if s.residual_scores:
            tensors += [tensor("attn_res_score.weight", d.hidden), tensor("ffn_res_score.weight", d.hidden)]
        return LayerBlueprint((cache,), block, tensors + more)

    def streamed(kind: tuple[bool, bool, bool]) -> LayerBlueprint:
        base = layer(kind)
        mix = (2 + streams) * streams
        extra = [t for part in ("attn", "ffn") for t in hyper_connections(d.hidden, streams, part, mix, 3)]
        return LayerBlueprint(base.caches, base.feed_forward, base.tensors + extra)

    def prediction(kind: tuple[bool, bool, bool]) -> LayerBlueprint:
        base = layer(kind)
        own = s.mtp_vocab and not s.mtp_out_norm
        extra = nextn(d, embed=own, head=own, head_norm=not s.mtp_out_norm)
        extra += norm("layer_output_norm", d.hidden) if s.mtp_out_norm else []
        return LayerBlueprint(base.caches, base.feed_forward, base.tensors + extra)

    kinds = list(zip(recurrent, indexed, sparse_layers(c, d.layers), strict=True))
    groups = grouped(kinds, streamed if s.hyper else layer)
    n_mtp = c.integer("num_nextn_predict_layers", default=0, low=0, high=16) if s.mtp else 0
    groups += grouped([(False, s.indexer, True)] * n_mtp, prediction, first=d.layers, mtp=True)
    tied = c.flag("tie_word_embeddings", default=False)
    extra = [tensor("output_res_score.weight", d.hidden)] if s.residual_scores else []
    return Blueprint(
        s.arch,
        d,
        groups,
        outside(d, tied, extra=extra),
        tied,
        read_rope(c, d, head_dim=whole.qk_rope_head_dim) if whole.qk_rope_head_dim else None,
        exact=s.exact,
        notes=s.notes,
    )


def _feed_forward(c: Reader, d: Dims, sparse: bool) -> tuple[FeedForward, Tensors]:
    if not sparse:
        return feed_forward(c, d, False)
    tensors = norm("ffn_norm", d.hidden)
    moe = read_experts(c)
    latent = c.integer("routed_expert_hidden_size", default=0, low=0)
    if latent:
        moe = replace(moe, latent=latent)
        tensors.append(tensor("ffn_routed_down.weight", d.hidden, latent))
        tensors.append(tensor("ffn_routed_up.weight", latent, d.hidden))
        if c.flag("latent_moe_use_norm", default=False):
            tensors += norm("ffn_routed_norm", latent)
    return moe, tensors + experts(d.hidden, moe, router_bias=True)


_GLM5_NEXT: Final = KdaStyle(
    arch="glm5-next", indexer=True, hyper=True, flat_a=True, mtp=True, mtp_vocab=False
)
_STYLES: Final[dict[str, KdaStyle]] = {
    "kimi_linear": KdaStyle(arch="kimi-linear"),
    "kimi_k3": KdaStyle(
        arch="kimi-k3", gate="ssm_g", latent_gate="element", residual_scores=True, flat_a=True
    ),
    "bailing_hybrid": KdaStyle(
        arch="bailingmoe3", decay="full", gate="full", latent_gate="head", mtp=True, mtp_out_norm=True
    ),
    "glm5_next": _GLM5_NEXT,
    "glm5_next_text": _GLM5_NEXT,
}
FAMILIES: Final[dict[str, Builder]] = {kind: partial(build_kda, s=style) for kind, style in _STYLES.items()}
