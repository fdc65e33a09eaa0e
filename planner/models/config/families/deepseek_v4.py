"""DeepSeek V4: a window of 128 tokens beside compressed entries, hyper-connections, hash-routed first layers.

llama.cpp b11434: src/models/deepseek4.cpp; conversion/deepseek.py (the prediction layer goes to a file of its
own).
"""

from __future__ import annotations

from typing import Final

from planner.errors import InputError
from planner.fast_dataclass import replace
from planner.models.cache import CompressedAttention, Indexer
from planner.models.config.dims import read_dims
from planner.models.config.families.latent_attention import hyper_connections, hyper_head
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    experts,
    grouped,
    nextn,
    norm,
    outside,
    read_experts,
    tensor,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope

_RATIOS = {
    "sliding_attention": 0,
    "compressed_sparse_attention": 4,
    "heavily_compressed_attention": 128,
}


def compress_ratios(c: Reader, n_layer: int) -> list[int]:
    """Return how many tokens an entry stands for, a layer; 0: the window only."""
    if listed := c.integers("compress_ratios", high=1 << 16):
        c.per_layer("compress_ratios", n_layer, listed)
        return listed
    kinds = c.texts("layer_types")
    if not kinds:
        raise InputError(f"{c.where}: compress_ratios is missing: not a complete config.json")
    c.per_layer("layer_types", n_layer, kinds)
    return [_RATIOS.get(kind, 0) for kind in kinds]


def build_deepseek4(c: Reader) -> Blueprint:
    """Build DeepSeek V4."""
    d = read_dims(c)
    ratios = compress_ratios(c, d.layers)
    moe = read_experts(c)
    streams, q_rank = c.integer("hc_mult", default=4, high=64), c.integer("q_lora_rank")
    o_groups, o_rank = c.integer("o_groups", high=1024), c.integer("o_lora_rank")
    n_hash = c.integer("num_hash_layers", default=3, low=0, high=1024)
    indexer = Indexer(c.integer("index_n_heads"), c.integer("index_head_dim"), c.integer("index_topk"))
    window = c.integer("sliding_window", default=128, high=1 << 31)
    mix = (2 + streams) * streams

    def layer(kind: tuple[int, bool]) -> LayerBlueprint:
        ratio, hashed = kind
        tensors = [
            *norm("attn_norm", d.hidden),
            tensor("attn_sinks.weight", d.heads),
            tensor("attn_q_a.weight", d.hidden, q_rank),
            *norm("attn_q_a_norm", q_rank),
            tensor("attn_q_b.weight", q_rank, d.q),
            tensor("attn_kv.weight", d.hidden, d.head_dim),
            *norm("attn_kv_a_norm", d.head_dim),
            tensor("attn_output_a.weight", d.q // o_groups, o_rank, o_groups),
            tensor("attn_output_b.weight", o_groups * o_rank, d.hidden),
            *hyper_connections(d.hidden, streams, "attn", mix, 3),
            *hyper_connections(d.hidden, streams, "ffn", mix, 3),
        ]
        if ratio:
            width = (2 if ratio == 4 else 1) * d.head_dim
            tensors += [
                tensor("attn_compressor_kv.weight", d.hidden, width),
                tensor("attn_compressor_gate.weight", d.hidden, width),
                tensor("attn_compressor_ape.weight", width, ratio),
                *norm("attn_compressor_norm", d.head_dim),
            ]
        if ratio == 4:
            size = indexer.head_dim
            tensors += [
                tensor("indexer.proj.weight", d.hidden, indexer.n_head),
                tensor("indexer.attn_q_b.weight", q_rank, indexer.n_head * size),
                tensor("indexer_compressor_kv.weight", d.hidden, 2 * size),
                tensor("indexer_compressor_gate.weight", d.hidden, 2 * size),
                tensor("indexer_compressor_ape.weight", 2 * size, ratio),
                *norm("indexer_compressor_norm", size),
            ]
        tensors += experts(d.hidden, moe, router_bias=not hashed)
        if hashed:  # token ids to expert ids
            tensors.append(tensor("ffn_gate_tid2eid.weight", moe.n_expert_used, d.vocab))
        tensors += norm("ffn_norm", d.hidden)
        cache = CompressedAttention(d.heads, d.head_dim, window, ratio, indexer if ratio == 4 else None)
        return LayerBlueprint((cache,), moe, tensors)

    def prediction(kind: tuple[int, bool]) -> LayerBlueprint:
        base = layer(kind)
        head = [replace(t, name=f"nextn.{t.name}") for t in hyper_head(d.hidden, streams)]
        extra = nextn(d, embed=False, head=False) + head
        return LayerBlueprint(base.caches, base.feed_forward, base.tensors + extra)

    n_mtp = c.integer("num_nextn_predict_layers", default=0, low=0, high=16)
    groups = grouped([(ratios[il], il < n_hash) for il in range(d.layers)], layer)
    groups += grouped([(0, False)] * n_mtp, prediction, first=d.layers, mtp=True, in_gguf=False)
    tied = c.flag("tie_word_embeddings", default=False)
    rope_dim = c.integer("qk_rope_head_dim", default=64)
    return Blueprint(
        "deepseek4",
        d,
        groups,
        outside(d, tied, extra=hyper_head(d.hidden, streams)),
        tied,
        read_rope(c, d, head_dim=rope_dim),
    )


FAMILIES: Final[dict[str, Builder]] = {
    "deepseek_v4": build_deepseek4,
    "deepseek_ref": build_deepseek4,  # as some republished files call it
}
