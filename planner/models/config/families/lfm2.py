"""LFM2: short convolutions beside attention.

llama.cpp b11434: src/models/lfm2.cpp, lfm2moe.cpp; conversion/lfm2.py.
"""

from __future__ import annotations

from functools import partial
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
    qk_norms,
    qkv,
    short_convolution,
    sparse_layers,
    tensor,
)
from planner.models.config.reader import MAX_LAYERS, Reader
from planner.models.config.rope import read_rope


def build_lfm2(c: Reader, arch: str) -> Blueprint:
    """Build LFM2: short convolutions with a few attention layers, dense or with experts."""
    d = read_dims(c)
    kernel = c.integer("conv_L_cache", default=3, high=64)
    state = RecurrentState(kind="short_conv", conv_kernel=kernel, conv_channels=d.hidden, state_elements=0)
    attention = full_attention(d)
    attends = lfm2_attention(c, d.layers)
    sparse = sparse_layers(c, d.layers) if arch == "lfm2moe" else [False] * d.layers
    size = lfm2_intermediate(c) if arch == "lfm2" else c.integer("intermediate_size")
    sized = c.updated({"intermediate_size": size})

    def layer(kind: tuple[bool, bool]) -> LayerBlueprint:
        is_attention, has_experts = kind
        block, tensors = feed_forward(sized, d, has_experts, "moe_intermediate_size", router_bias=True)
        tensors += norm("attn_norm", d.hidden)
        cache: CacheSpec = attention if is_attention else state
        if is_attention:
            tensors += qk_norms(d.head_dim, d.head_dim) + qkv(d)
            tensors.append(tensor("attn_output.weight", d.q, d.hidden))
        else:
            tensors += short_convolution(d.hidden, kernel)
        return LayerBlueprint((cache,), block, tensors)

    tied = c.flag("tie_embedding", "tie_word_embeddings", default=True)
    head = [] if tied else [tensor("output.weight", d.hidden, d.vocab)]
    around = [
        tensor("token_embd.weight", d.hidden, d.vocab),
        *norm("token_embd_norm", d.hidden),  # the output norm's name in this family's files
        *head,
    ]
    groups = grouped(list(zip(attends, sparse, strict=True)), layer)
    return Blueprint(arch, d, groups, around, tied, read_rope(c, d))


def lfm2_attention(c: Reader, n_layer: int) -> list[bool]:
    """Return which layers of LFM2 attend."""
    if kinds := c.texts("layer_types"):
        c.per_layer("layer_types", n_layer, kinds)
        return ["attention" in kind for kind in kinds[:n_layer]]
    listed = set(c.integers("full_attn_idxs", high=MAX_LAYERS) or range(n_layer))
    return [il in listed for il in range(n_layer)]


def lfm2_intermediate(c: Reader) -> int:
    """Return the feed-forward size that LFM2 derives from block_ff_dim (conversion/lfm2.py)."""
    size = c.integer("block_ff_dim", "intermediate_size")
    if not c.flag("block_auto_adjust_ff_dim", default=True):
        return size
    size = int(c.number("block_ffn_dim_multiplier", default=1.0, high=64) * int(2 * size / 3))
    multiple = c.integer("block_multiple_of", default=256)
    return -(-size // multiple) * multiple


FAMILIES: Final[dict[str, Builder]] = {
    "lfm2": partial(build_lfm2, arch="lfm2"),
    "lfm2_moe": partial(build_lfm2, arch="lfm2moe"),
}
