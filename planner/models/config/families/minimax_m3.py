"""MiniMax-M3: attention to blocks that an index chooses.

llama.cpp b11434: src/models/minimax-m3.cpp.
"""

from __future__ import annotations

from typing import Final

from planner.models.architecture import FeedForward
from planner.models.cache import FullAttention, Indexer
from planner.models.config.dims import read_dims
from planner.models.config.families.decoder_keys import minimax_m3_keys
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    dense,
    experts,
    grouped,
    norm,
    outside,
    projected_indexer,
    qk_norms,
    qkv,
    read_dense,
    read_experts,
    sparse_layers,
    tensor,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope


def build_minimax_m3(c: Reader) -> Blueprint:
    """Build MiniMax-M3: layers with experts attend to blocks that an index chooses."""
    c = c.updated(minimax_m3_keys(c))
    d = read_dims(c)
    index = c.section("sparse_attention_config")
    heads = index.integer("sparse_num_index_heads", default=4) if index else 0
    size = index.integer("sparse_index_dim", default=128) if index else 0
    blocks = index.integer("sparse_topk_blocks", default=16) if index else 0

    def layer(sparse: bool) -> LayerBlueprint:
        tensors = [
            *qkv(d),
            tensor("attn_output.weight", d.q, d.hidden),
            *norm("attn_norm", d.hidden),
            *qk_norms(d.head_dim, d.head_dim),
            *norm("ffn_norm", d.hidden),
        ]
        feed_forward: FeedForward
        if sparse:
            feed_forward = moe = read_experts(c)
            tensors += experts(d.hidden, moe, router_bias=True)
        else:
            feed_forward = plain = read_dense(c)
            tensors += dense(d.hidden, plain.intermediate)
        if sparse and size:
            tensors += projected_indexer(d.hidden, heads, size)
        own = Indexer(heads, size, blocks, rows=2) if sparse and heads and size else None
        attention = FullAttention(d.heads, d.kv_heads, d.head_dim, d.head_dim, indexer=own)
        return LayerBlueprint((attention,), feed_forward, tensors)

    tied = c.flag("tie_word_embeddings", default=False)
    return Blueprint(
        "minimax-m3",
        d,
        grouped(sparse_layers(c, d.layers), layer),
        outside(d, tied),
        tied,
        read_rope(c, d),
    )


FAMILIES: Final[dict[str, Builder]] = {
    "minimax_m3": build_minimax_m3,
    "minimax_m3_vl": build_minimax_m3,
    "minimax_m3_vl_text": build_minimax_m3,
}
