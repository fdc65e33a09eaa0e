"""Inkling (text): relative positions and short convolutions in attention; llama.cpp doesn't run it.

Its tensors are those of its class in transformers 5.24.0 (models/*/modeling_*.py), under GGUF's names.
"""

from __future__ import annotations

from typing import Final

from planner.fast_dataclass import replace
from planner.models.architecture import FeedForward
from planner.models.cache import RecurrentState
from planner.models.config.dims import read_dims
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    dense,
    experts,
    grouped,
    norm,
    outside,
    qk_norms,
    qkv,
    read_dense,
    read_experts,
    sparse_layers,
    tensor,
    window_or_full,
)
from planner.models.config.reader import Reader


def build_inkling(c: Reader) -> Blueprint:
    """Build Inkling (text): windows with heads of their own, relative positions, four short convolutions."""
    size = c.integer("dense_intermediate_size", default=0, low=0)
    if size:  # such files call an expert's width intermediate_size
        keys = {"moe_intermediate_size": c.integer("intermediate_size"), "intermediate_size": size}
        c = c.updated(keys)
    d = read_dims(c)
    window = c.integer("sliding_window_size", default=512, high=1 << 31)
    listed = c.integers("local_layer_ids", high=1024)
    kinds = c.texts("layer_types")
    if kinds:
        c.per_layer("layer_types", d.layers, kinds)
    local = set(listed) if listed is not None else {il for il in range(d.layers) if (il + 1) % 6}
    slides = ["sliding" in k for k in kinds[: d.layers]] if kinds else [il in local for il in range(d.layers)]
    sliding = replace(
        d,
        heads=c.integer("swa_num_attention_heads", default=d.heads, high=1 << 14),
        kv_heads=c.integer("swa_num_key_value_heads", default=d.kv_heads, high=1 << 14),
        head_dim=c.integer("swa_head_dim", default=d.head_dim, high=1 << 14),
    )
    kernel = c.integer("conv_kernel_size", "sconv_kernel_size", default=4, high=64)
    rank, extent = c.integer("d_rel", default=16), c.integer("rel_extent", default=1024)
    first_dense = c.integer("dense_mlp_idx", default=0, low=0)
    sparse = (
        sparse_layers(c, d.layers)
        if c.has("mlp_layer_types")
        else [il >= first_dense for il in range(d.layers)]
    )

    def layer(kind: tuple[bool, bool]) -> LayerBlueprint:
        slide, has_experts = kind
        a = sliding if slide else d
        channels = 2 * a.kv + 2 * d.hidden
        state = RecurrentState(
            kind="short_conv", conv_kernel=kernel, conv_channels=channels, state_elements=0
        )
        tensors = [
            *norm("attn_norm", d.hidden),
            *qkv(a),
            tensor("attn_rel.weight", d.hidden, a.heads * rank),
            tensor("attn_rel_proj.weight", window if slide else extent, rank),
            tensor("attn_output.weight", a.q, d.hidden),
            *qk_norms(a.head_dim, a.head_dim),
            tensor("shortconv.conv.weight", kernel, channels),
            *norm("ffn_norm", d.hidden),
        ]
        block: FeedForward
        if has_experts:
            block = moe = read_experts(c)
            tensors += [t for t in experts(d.hidden, moe) if t.name != "ffn_gate_inp.weight"]
            tensors.append(tensor("ffn_gate_inp.weight", d.hidden, moe.n_expert + moe.n_shared))
            tensors.append(tensor("exp_probs_b.bias", moe.n_expert))
        else:
            block = plain = read_dense(c)
            tensors += dense(d.hidden, plain.intermediate)
        return LayerBlueprint((window_or_full(a, slide, window), state), block, tensors)

    tied = c.flag("tie_word_embeddings", default=False)
    around = outside(d, tied, extra=norm("token_embd_norm", d.hidden))
    groups = grouped(list(zip(slides, sparse, strict=True)), layer)
    return Blueprint(None, d, groups, around, tied, None)


FAMILIES: Final[dict[str, Builder]] = {
    "inkling": build_inkling,
    "inkling_mm_model": build_inkling,
    "inkling_text": build_inkling,
}
