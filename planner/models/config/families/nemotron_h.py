"""Nemotron-H and Nemotron 3: each layer is one block, of Mamba-2, attention or feed-forward.

llama.cpp b11434: src/models/nemotron-h.cpp.
"""

from __future__ import annotations

from typing import Final

from planner.fast_dataclass import replace
from planner.models.architecture import FeedForward, NoFeedForward
from planner.models.cache import CacheSpec
from planner.models.config.dims import read_dims
from planner.models.config.families.mamba2 import mamba2_tensors, read_mamba2
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    Tensors,
    dense,
    experts,
    full_attention,
    grouped,
    linear,
    nextn,
    norm,
    outside,
    qkv,
    read_dense,
    read_experts,
)
from planner.models.config.reader import Reader

_PATTERN = {"M": "mamba", "*": "attention", "E": "moe", "-": "mlp"}


def nemotron_layers(c: Reader, n_layer: int) -> list[str]:
    """Return what each layer of Nemotron-H is: mamba, attention, moe or mlp."""
    if pattern := c.text("hybrid_override_pattern"):
        kinds = [_PATTERN.get(letter, "") for letter in pattern]
    else:
        kinds = c.texts("layers_block_type") or []
    if len(kinds) != n_layer or not set(kinds) <= set(_PATTERN.values()):
        raise c.wrong("hybrid_override_pattern", f"{n_layer} of the letters M * E - (or layers_block_type)")
    return kinds


def build_nemotron_h(c: Reader) -> Blueprint:
    """Build Nemotron-H and Nemotron 3: each layer is one block, of Mamba-2, attention or feed-forward."""
    if kinds := c.texts("layers_block_type"):
        c = c.updated({"num_hidden_layers": len(kinds)})
    d = read_dims(c)
    state = read_mamba2(c)
    bias = c.flag("attention_bias", "use_bias", default=False)
    has_experts = c.has("n_routed_experts") and c.has("num_experts_per_tok")
    latent = c.integer("moe_latent_size", default=0, low=0)

    def attention() -> tuple[CacheSpec, Tensors]:
        tensors = qkv(d, bias=bias) + linear("attn_output", d.q, d.hidden, bias)
        return full_attention(d), tensors

    def mixture() -> tuple[FeedForward, Tensors]:
        moe = replace(read_experts(c, gated=False), latent=latent)
        extra = linear("ffn_latent_down", d.hidden, latent) if latent else []
        extra += linear("ffn_latent_up", latent, d.hidden) if latent else []
        return moe, extra + experts(d.hidden, moe, router_bias=True)

    def layer(kind: str) -> LayerBlueprint:
        tensors = norm("attn_norm", d.hidden)
        if kind == "mamba":
            conv_bias = c.flag("use_conv_bias", "mamba_conv_bias", default=True)
            return LayerBlueprint(
                (state,), NoFeedForward(), tensors + mamba2_tensors(d.hidden, state, conv_bias=conv_bias)
            )
        if kind == "attention":
            cache, own = attention()
            return LayerBlueprint((cache,), NoFeedForward(), tensors + own)
        if kind == "moe":
            block, own = mixture()
            return LayerBlueprint((), block, tensors + own)
        plain = read_dense(c, gated=False)
        bias = c.flag("mlp_bias", default=False)
        return LayerBlueprint(
            (), plain, tensors + dense(d.hidden, plain.intermediate, gated=False, bias=bias)
        )

    def prediction(kind: str) -> LayerBlueprint:
        cache, own = attention()
        block, more = mixture()
        extra = nextn(d, embed=False, head=False) + norm("attn_norm", d.hidden) + own
        return LayerBlueprint((cache,), block, extra + norm("post_attention_norm", d.hidden) + more)

    groups = grouped(nemotron_layers(c, d.layers), layer)
    if has_experts:
        n_mtp = c.integer("num_nextn_predict_layers", default=0, low=0, high=16)
        groups += grouped(["mtp"] * n_mtp, prediction, first=d.layers, mtp=True)
    tied = c.flag("tie_word_embeddings", default=False)
    arch = "nemotron_h_moe" if has_experts else "nemotron_h"
    return Blueprint(arch, d, groups, outside(d, tied), tied, None)


FAMILIES: Final[dict[str, Builder]] = {"nemotron_h": build_nemotron_h}
