"""Granite 4: Mamba-2 layers with a few attention layers.

llama.cpp b11434: src/models/granite-hybrid.cpp; conversion/granite.py.
"""

from __future__ import annotations

from typing import Final

from planner.models.architecture import FeedForward
from planner.models.cache import CacheSpec
from planner.models.config.dims import Dims, read_dims
from planner.models.config.families.mamba2 import mamba2_tensors, read_mamba2
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    dense,
    experts,
    full_attention,
    grouped,
    linear,
    linear_layers,
    norm,
    outside,
    qkv,
    read_dense,
    read_experts,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope


def build_granite_hybrid(c: Reader) -> Blueprint:
    """Build Granite 4: Mamba-2 layers with a few attention layers, dense or with experts."""
    d = read_dims(c)
    head_dim = d.hidden // d.heads
    d = Dims(d.hidden, d.layers, d.vocab, d.heads, d.kv_heads, head_dim, d.context)
    recurrent = linear_layers(c, d.layers)
    state = (
        read_mamba2(c, inner=c.integer("mamba_expand", default=2, high=16) * d.hidden)
        if any(recurrent)
        else None
    )
    attention = full_attention(d)
    has_experts = c.integer("num_local_experts", default=0, low=0) > 0
    tied = c.flag("tie_word_embeddings", default=True)

    def layer(is_recurrent: bool) -> LayerBlueprint:
        tensors = norm("attn_norm", d.hidden)
        cache: CacheSpec = attention
        if is_recurrent and state is not None:
            cache = state
            tensors += mamba2_tensors(d.hidden, state, conv_bias=c.flag("mamba_conv_bias", default=True))
        else:
            tensors += qkv(d, bias=c.flag("attention_bias", default=False))
            tensors += linear("attn_output", d.q, d.hidden)
        tensors += norm("ffn_norm", d.hidden)
        block: FeedForward
        if has_experts:
            block = mix = read_experts(c, "intermediate_size")
            tensors += experts(d.hidden, mix)
        else:
            block = plain = read_dense(c, "shared_intermediate_size")
            tensors += dense(d.hidden, plain.intermediate)
        return LayerBlueprint((cache,), block, tensors)

    # Without any Mamba layer it is written as plain granite (conversion/granite.py).
    return Blueprint(
        "granitehybrid" if any(recurrent) else "granite",
        d,
        grouped(recurrent, layer),
        outside(d, tied),
        tied,
        read_rope(c, d),
    )


FAMILIES: Final[dict[str, Builder]] = {"granitemoehybrid": build_granite_hybrid}
