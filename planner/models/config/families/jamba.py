"""Jamba: Mamba-1 beside attention.

llama.cpp b11434: src/models/jamba.cpp and its converter in conversion/.
"""

from __future__ import annotations

from typing import Final

from planner.models.cache import CacheSpec, RecurrentState
from planner.models.config.dims import read_dims
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    feed_forward,
    full_attention,
    grouped,
    norm,
    outside,
    qkv,
    tensor,
)
from planner.models.config.reader import Reader


def build_jamba(c: Reader) -> Blueprint:
    """Build Jamba: one attention layer in attn_layer_period, the others are Mamba-1."""
    d = read_dims(c)
    d_inner, d_state = (
        c.integer("mamba_expand", default=2, high=16) * d.hidden,
        c.integer("mamba_d_state", default=16),
    )
    auto = c.data.get("mamba_dt_rank") in (None, "auto")
    rank = -(-d.hidden // 16) if auto else c.integer("mamba_dt_rank")
    state = RecurrentState(
        kind="mamba1",
        conv_kernel=c.integer("mamba_d_conv", default=4, high=64),
        conv_channels=d_inner,
        state_elements=d_inner * d_state,
        d_state=d_state,
        d_inner=d_inner,
    )
    attention = full_attention(d)
    every, offset = (
        c.integer("attn_layer_period", default=8),
        c.integer("attn_layer_offset", default=4, low=0),
    )
    moe_every = c.integer("expert_layer_period", default=2)
    moe_offset = c.integer("expert_layer_offset", default=1, low=0)
    many = c.integer("num_experts", default=16) > 1

    def layer(kind: tuple[bool, bool]) -> LayerBlueprint:
        attends, has_experts = kind
        tensors = norm("attn_norm", d.hidden)
        cache: CacheSpec = attention if attends else state
        if attends:
            tensors += [*qkv(d), tensor("attn_output.weight", d.q, d.hidden)]
        else:
            tensors += [
                tensor("ssm_in.weight", d.hidden, 2 * d_inner),
                tensor("ssm_conv1d.weight", state.conv_kernel, d_inner),
                tensor("ssm_conv1d.bias", d_inner),
                tensor("ssm_x.weight", d_inner, rank + 2 * d_state),
                *norm("ssm_dt_norm", rank),
                tensor("ssm_dt.weight", rank, d_inner),
                tensor("ssm_dt.bias", d_inner),
                *norm("ssm_b_norm", d_state),
                *norm("ssm_c_norm", d_state),
                tensor("ssm_a", d_state, d_inner),
                tensor("ssm_d", d_inner),
                tensor("ssm_out.weight", d_inner, d.hidden),
            ]
        block, more = feed_forward(c, d, has_experts, "intermediate_size")
        return LayerBlueprint((cache,), block, tensors + more)

    kinds = [(il % every == offset, many and il % moe_every == moe_offset) for il in range(d.layers)]
    tied = c.flag("tie_word_embeddings", default=False)
    return Blueprint("jamba", d, grouped(kinds, layer), outside(d, tied), tied, None)


FAMILIES: Final[dict[str, Builder]] = {"jamba": build_jamba}
