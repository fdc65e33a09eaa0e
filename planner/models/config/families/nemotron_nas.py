"""Nemotron NAS (Super and Ultra): a Llama whose layers were pruned by architecture search.

llama.cpp b11434: src/models/deci.cpp; conversion/deci.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from planner.errors import InputError
from planner.fast_dataclass import replace
from planner.models.architecture import DenseFeedForward, FeedForward, NoFeedForward
from planner.models.cache import CacheSpec, FullAttention
from planner.models.config.dims import Dims, read_dims
from planner.models.config.families.decoder import rope_factors
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    dense,
    grouped,
    norm,
    outside,
    qkv,
    tensor,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope

NasBlock = tuple[int, int, int]  # Q heads (0: no attention), K/V heads (0: a linear layer), feed-forward size


def nas_blocks(c: Reader, d: Dims) -> list[NasBlock]:
    """Return what each layer of a Nemotron NAS model kept (conversion/deci.py)."""
    listed = c.data.get("block_configs")
    if not isinstance(listed, list) or len(listed) != d.layers:
        raise c.wrong("block_configs", f"a list of {d.layers} objects")
    return [_nas_block(Reader(b, f"{c.where}: block_configs"), d) for b in listed if isinstance(b, Mapping)]


def _nas_block(b: Reader, d: Dims) -> NasBlock:
    attention, feed_forward = b.section("attention"), b.section("ffn")
    if attention is None or feed_forward is None:
        raise InputError(f"{b.where}: attention or ffn is missing")
    heads = kv_heads = 0
    if attention.has("n_heads_in_group"):
        heads, kv_heads = d.heads, d.heads // attention.integer("n_heads_in_group", high=d.heads)
    elif attention.flag("replace_with_linear", default=False):
        heads = d.heads
    size = 0
    if feed_forward.has("ffn_mult"):
        size = -(-int(2 * feed_forward.number("ffn_mult", default=0, high=1000) * d.hidden / 3) // 256) * 256
    return heads, kv_heads, size


def build_nemotron_nas(c: Reader) -> Blueprint:
    """Build a Llama whose layers were pruned by architecture search (Nemotron Super and Ultra)."""
    d = read_dims(c)
    blocks = nas_blocks(c, d)
    if len(blocks) != d.layers:
        raise c.wrong("block_configs", f"a list of {d.layers} objects")

    def layer(block: NasBlock) -> LayerBlueprint:
        heads, kv_heads, size = block
        shape = replace(d, heads=heads, kv_heads=kv_heads)
        caches: tuple[CacheSpec, ...] = ()
        tensors = norm("attn_norm", d.hidden) if heads else []
        if kv_heads:
            caches = (FullAttention(heads, kv_heads, d.head_dim, d.head_dim),)
            tensors += [*qkv(shape), tensor("attn_output.weight", shape.q, d.hidden)]
        elif heads:
            tensors.append(tensor("attn_output.weight", d.hidden, d.hidden))
        feed_forward: FeedForward = DenseFeedForward(size) if size else NoFeedForward()
        if size:
            tensors += [*norm("ffn_norm", d.hidden), *dense(d.hidden, size)]
        return LayerBlueprint(caches, feed_forward, tensors)

    tied = c.flag("tie_word_embeddings", default=False)
    around = outside(d, tied, extra=rope_factors(c, d))
    return Blueprint("deci", d, grouped(blocks, layer), around, tied, read_rope(c, d))


FAMILIES: Final[dict[str, Builder]] = {"nemotron-nas": build_nemotron_nas}
