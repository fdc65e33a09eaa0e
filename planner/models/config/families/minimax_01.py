"""MiniMax-Text-01 and MiniMax-M1: lightning attention, every eighth layer attends in full.

llama.cpp b11434: src/models/minimax-01.cpp and its converter in conversion/.
"""

from __future__ import annotations

from typing import Final

from planner.models.cache import RecurrentState
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
from planner.models.config.rope import read_rope


def build_minimax01(c: Reader) -> Blueprint:
    """Build MiniMax-Text-01 and MiniMax-M1: lightning attention, every eighth layer attends in full."""
    d = read_dims(c)
    state = RecurrentState(
        kind="lightning",
        conv_kernel=1,
        conv_channels=0,
        state_elements=d.heads * d.head_dim * d.head_dim,
        n_head=d.heads,
        head_dim=d.head_dim,
        d_state=d.head_dim,
        d_inner=d.q,
    )
    attention = full_attention(d)

    def layer(attends: bool) -> LayerBlueprint:
        tensors = norm("attn_norm", d.hidden)
        if attends:
            tensors += qkv(d)
        else:
            tensors += [
                *norm("attn_norm_2", d.q),
                tensor("attn_qkv.weight", d.hidden, 3 * d.q),
                tensor("attn_gate.weight", d.hidden, d.q),
            ]
        tensors.append(tensor("attn_output.weight", d.q, d.hidden))
        block, more = feed_forward(c, d, True, "intermediate_size")
        return LayerBlueprint((attention if attends else state,), block, tensors + more)

    tied = c.flag("tie_word_embeddings", default=False)
    attends = _minimax_attention(c, d.layers)
    return Blueprint("minimax-01", d, grouped(attends, layer), outside(d, tied), tied, read_rope(c, d))


def _minimax_attention(c: Reader, n_layer: int) -> list[bool]:
    if kinds := c.texts("layer_types"):
        c.per_layer("layer_types", n_layer, kinds)
        return ["full" in kind for kind in kinds[:n_layer]]
    listed = c.integers("attn_type_list", high=1)
    if listed:
        c.per_layer("attn_type_list", n_layer, listed)
        return [bool(v) for v in listed[:n_layer]]
    return [il % 8 == 7 for il in range(n_layer)]


FAMILIES: Final[dict[str, Builder]] = {
    "minimax": build_minimax01,
    "minimax_m1": build_minimax01,
    "minimax_text_01": build_minimax01,
}
