"""LFM3: short convolutions, windows and full attention in turn; llama.cpp doesn't run it.

Its tensors are those of its class in transformers 5.24.0 (models/*/modeling_*.py), under GGUF's names.
"""

from __future__ import annotations

from typing import Final

from planner.models.cache import RecurrentState
from planner.models.config.dims import read_dims
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    dense,
    grouped,
    norm,
    outside,
    qk_norms,
    qkv,
    read_dense,
    short_convolution,
    tensor,
    window_or_full,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope


def build_lfm3(c: Reader) -> Blueprint:
    """Build LFM3: short convolutions, windows and full attention in turn, sandwich norms."""
    d = read_dims(c)
    kinds = c.texts("layer_types") or [
        "full_attention" if il % 4 == 2 else "sliding_attention" if il % 4 == 0 and il else "conv"
        for il in range(d.layers)
    ]
    c.per_layer("layer_types", d.layers, kinds)
    kernel = c.integer("conv_L_cache", default=7, high=64)
    window = c.integer("sliding_window", default=256, high=1 << 31)
    state = RecurrentState(kind="short_conv", conv_kernel=kernel, conv_channels=d.hidden, state_elements=0)
    block = read_dense(c)
    sandwich = c.flag("use_sandwich_norm", default=True)
    gate = c.flag("use_attention_gate", default=True)

    def layer(kind: str) -> LayerBlueprint:
        tensors = [
            *norm("attn_norm", d.hidden),
            *norm("ffn_norm", d.hidden),
            *dense(d.hidden, block.intermediate),
        ]
        if sandwich:
            tensors += [*norm("post_attention_norm", d.hidden), *norm("post_ffw_norm", d.hidden)]
        if kind == "conv":
            tensors += short_convolution(d.hidden, kernel)
            return LayerBlueprint((state,), block, tensors)
        tensors += [*qkv(d), tensor("attn_output.weight", d.q, d.hidden), *qk_norms(d.head_dim, d.head_dim)]
        tensors += [tensor("attn_gate.weight", d.hidden, d.heads)] if gate else []
        return LayerBlueprint((window_or_full(d, "sliding" in kind, window),), block, tensors)

    tied = c.flag("tie_word_embeddings", default=True)
    return Blueprint(None, d, grouped(kinds[: d.layers], layer), outside(d, tied), tied, read_rope(c, d))


FAMILIES: Final[dict[str, Builder]] = {"lfm3": build_lfm3}
