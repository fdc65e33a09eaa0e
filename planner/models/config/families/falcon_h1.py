"""Falcon-H1: attention and Mamba-2 side by side in every layer.

llama.cpp b11434: src/models/falcon-h1.cpp.
"""

from __future__ import annotations

from typing import Final

from planner.models.config.dims import read_dims
from planner.models.config.families.mamba2 import mamba2_tensors, read_mamba2
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    dense,
    full_attention,
    linear,
    norm,
    outside,
    qkv,
    read_dense,
    repeated,
    tensor,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope


def build_falcon_h1(c: Reader) -> Blueprint:
    """Build Falcon-H1: attention and Mamba-2 side by side in every layer."""
    d = read_dims(c)
    state = read_mamba2(
        c, inner=c.integer("mamba_d_ssm", default=c.integer("mamba_expand", default=2) * d.hidden)
    )
    attention = full_attention(d)
    bias = c.flag("attention_bias", default=False)
    block = read_dense(c)
    tensors = [
        *mamba2_tensors(
            d.hidden,
            state,
            conv_bias=c.flag("mamba_conv_bias", default=True),
            gate_norm=c.flag("mamba_rms_norm", default=False),
        ),
        *qkv(d, bias=bias),
        *linear("attn_output", d.q, d.hidden, bias),
        *norm("attn_norm", d.hidden),
        tensor("ffn_norm", d.hidden),  # without ".weight": src/models/falcon-h1.cpp
        *dense(d.hidden, block.intermediate, bias=c.flag("mlp_bias", default=False)),
    ]
    tied = c.flag("tie_word_embeddings", default=False)
    groups = repeated(d, LayerBlueprint((attention, state), block, tensors))
    return Blueprint("falcon-h1", d, groups, outside(d, tied), tied, read_rope(c, d))


FAMILIES: Final[dict[str, Builder]] = {"falcon_h1": build_falcon_h1}
