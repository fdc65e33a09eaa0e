"""Decoders whose layers differ in size or in kind: Nemotron NAS, Llama 3.2 Vision, MiniMax-M3, LongCat.

Nemotron NAS and MiniMax-M3 as in llama.cpp b11434 (src/models/deci.cpp, minimax-m3.cpp); llama.cpp doesn't
run the others: their tensors are those of the safetensors files under GGUF's names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from planner.errors import InputError
from planner.models.architecture import DenseFeedForward, FeedForward, NoFeedForward
from planner.models.cache import CacheSpec, FullAttention, Indexer
from planner.models.config.families.decoder import rope_factors
from planner.models.config.families.decoder_keys import minimax_m3_keys
from planner.models.config.families.latent_attention import latent_tensors, read_latent
from planner.models.config.families.parts import (
    Dims,
    Draft,
    Layer,
    dense,
    experts,
    grouped,
    norm,
    outside,
    qk_norms,
    qkv,
    read_dense,
    read_dims,
    read_experts,
    sparse_layers,
    tensor,
)
from planner.models.config.reader import MAX_LAYERS, Reader
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


def build_nemotron_nas(c: Reader) -> Draft:
    """Build a Llama whose layers were pruned by architecture search (Nemotron Super and Ultra)."""
    d = read_dims(c)
    blocks = nas_blocks(c, d)
    if len(blocks) != d.layers:
        raise c.wrong("block_configs", f"a list of {d.layers} objects")

    def layer(block: NasBlock) -> Layer:
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
        return Layer(caches, feed_forward, tensors)

    tied = c.flag("tie_word_embeddings", default=False)
    around = outside(d, tied, extra=rope_factors(c, d))
    return Draft("deci", d, grouped(blocks, layer), around, tied, read_rope(c, d))


def build_mllama(c: Reader) -> Draft:
    """Build Llama 3.2 Vision (text): every fifth layer attends to the image, whose K and V are cached."""
    d = read_dims(c)
    crossing = set(c.integers("cross_attention_layers", high=MAX_LAYERS) or range(3, d.layers, 5))
    block = read_dense(c)

    def layer(crosses: bool) -> Layer:
        tensors = [
            *norm("attn_norm", d.hidden),
            *qkv(d),
            tensor("attn_output.weight", d.q, d.hidden),
            *norm("ffn_norm", d.hidden),
            *dense(d.hidden, block.intermediate),
        ]
        if crosses:
            tensors += qk_norms(d.head_dim, d.head_dim)
            tensors += [tensor("cross_attn_gate.weight", 1), tensor("cross_ffn_gate.weight", 1)]
        return Layer((FullAttention(d.heads, d.kv_heads, d.head_dim, d.head_dim),), block, tensors)

    tied = c.flag("tie_word_embeddings", default=False)
    around = outside(d, tied)
    around[0] = tensor("token_embd.weight", d.hidden, d.vocab + 8)  # eight rows for image tokens
    return Draft(
        None,
        d,
        grouped([il in crossing for il in range(d.layers)], layer),
        around,
        tied,
        read_rope(c, d),
        exact=False,
        notes=("cross-attention layers cache the image's K and V: counted as if they cached the text's",),
    )


def build_minimax_m3(c: Reader) -> Draft:
    """Build MiniMax-M3: layers with experts attend to blocks that an index chooses."""
    c = Reader({**c.data, **minimax_m3_keys(c)}, c.where)
    d = read_dims(c)
    index = c.section("sparse_attention_config")
    heads = index.integer("sparse_num_index_heads", default=4) if index else 0
    size = index.integer("sparse_index_dim", default=128) if index else 0
    blocks = index.integer("sparse_topk_blocks", default=16) if index else 0

    def layer(sparse: bool) -> Layer:
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
            tensors += [
                tensor("indexer.q_proj.weight", d.hidden, heads * size),
                tensor("indexer.k_proj.weight", d.hidden, size),
                *norm("indexer.q_norm", size),
                *norm("indexer.k_norm", size),
            ]
        own = Indexer(heads, size, blocks, rows=2) if sparse and heads and size else None
        attention = FullAttention(d.heads, d.kv_heads, d.head_dim, d.head_dim, indexer=own)
        return Layer((attention,), feed_forward, tensors)

    tied = c.flag("tie_word_embeddings", default=False)
    return Draft(
        "minimax-m3",
        d,
        grouped(sparse_layers(c, d.layers), layer),
        outside(d, tied),
        tied,
        read_rope(c, d),
    )


def build_longcat(c: Reader) -> Draft:
    """Build LongCat-Flash: two latent attentions and two dense blocks around one set of experts a layer."""
    d = read_dims(c, head_dim=c.integer("qk_rope_head_dim"))
    attention = read_latent(c, d.heads)
    moe = read_experts(c)
    zero = c.integer("zero_expert_num", default=0, low=0, high=1 << 14)
    dense_size = c.integer("ffn_hidden_size", "intermediate_size")
    own = latent_tensors(d.hidden, attention)
    tensors = [
        *own,
        *(replace(t, name=f"second.{t.name}") for t in own),
        *norm("ffn_norm", d.hidden),
        *norm("second.ffn_norm", d.hidden),
        *dense(d.hidden, dense_size),
        *(replace(t, name=f"second.{t.name}") for t in dense(d.hidden, dense_size)),
        tensor("ffn_gate_inp.weight", d.hidden, moe.n_expert + zero),
        tensor("exp_probs_b.bias", moe.n_expert + zero),
        *[t for t in experts(d.hidden, moe) if t.name != "ffn_gate_inp.weight"],
    ]
    whole = replace(moe, dense_intermediate=2 * dense_size)
    tied = c.flag("tie_word_embeddings", default=False)
    groups = grouped([0] * d.layers, lambda _: Layer((attention, attention), whole, tensors))
    rope = read_rope(c, d, head_dim=attention.qk_rope_head_dim)
    return Draft(None, d, groups, outside(d, tied), tied, rope)
