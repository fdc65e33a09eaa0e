"""Qwen4-Exp (text): gated delta nets between hyper-connections, n-gram embeddings.

llama.cpp b11434: src/models/qwen4exp.cpp.
"""

from __future__ import annotations

from typing import Final

from planner.models.architecture import Rope
from planner.models.cache import CacheSpec, FullAttention, Indexer
from planner.models.config.dims import read_dims
from planner.models.config.families.gated_delta import delta_net_tensors, read_delta_net
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    Tensors,
    experts,
    grouped,
    linear_layers,
    outside,
    projected_indexer,
    qk_norms,
    qkv,
    read_experts,
    tensor,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope


def _streams(hidden: int, count: int, rank: int, part: str) -> Tensors:
    wide = count * hidden
    return [
        tensor(f"hc_{part}_norm.weight", hidden, count),
        tensor(f"hc_{part}_down.weight", wide, rank),
        tensor(f"hc_{part}_up.weight", rank, wide),
        tensor(f"hc_{part}_inject.weight", wide, count),
    ]


def build_qwen4_exp(c: Reader) -> Blueprint:
    """Build Qwen4-Exp (text): Qwen3.5's layers between hyper-connections, n-gram embeddings at one layer."""
    d = read_dims(c)
    state, moe = read_delta_net(c), read_experts(c)
    count, rank = c.integer("hc_count", default=4, high=64), c.integer("hc_lowrank", default=320)
    heads = c.integer("indexer_n_heads", default=0, low=0)
    size = c.integer("indexer_head_dim", default=0, low=0)
    budget = c.integer("indexer_budget", default=2048)
    indexer = Indexer(heads, size, budget, rows=2) if heads and size else None
    wide = count * d.hidden
    ngram = {il - 1 for il in c.integers("ple_layer_ids", low=1, high=1024) or ()}

    def layer(kind: tuple[bool, bool]) -> LayerBlueprint:
        recurrent, hashed = kind
        tensors = _streams(d.hidden, count, rank, "attn") + _streams(d.hidden, count, rank, "ffn")
        cache: CacheSpec = state
        if recurrent:
            tensors += delta_net_tensors(d.hidden, state, joint=False)
        else:
            cache = FullAttention(d.heads, d.kv_heads, d.head_dim, d.head_dim, indexer=indexer)
            tensors += [*qkv(d, q=2 * d.q), tensor("attn_output.weight", d.q, d.hidden)]
            tensors += qk_norms(d.head_dim, d.head_dim)
            if heads and size:
                tensors += projected_indexer(d.hidden, heads, size)
        if hashed:
            tensors.append(tensor("ple_key.weight", d.hidden, wide))
            tensors.append(tensor("ple_value.weight", d.hidden, d.hidden))
            tensors += [tensor(f"ple_norm_{x}.weight", d.hidden, count) for x in ("key", "query", "conv")]
            tensors.append(tensor("ple_conv1d.weight", c.integer("ple_conv_kernel_size", default=4), wide))
        tensors += experts(d.hidden, moe)
        if moe.shared_intermediate:
            tensors.append(tensor("ffn_gate_inp_shexp.weight", d.hidden))
        return LayerBlueprint((cache,), moe, tensors)

    kinds = [(recurrent, il in ngram) for il, recurrent in enumerate(linear_layers(c, d.layers))]
    tied = c.flag("tie_word_embeddings", default=False)
    around = [t for t in outside(d, tied) if t.name != "output_norm.weight"]
    around.append(tensor("output_hc_norm.weight", d.hidden, count))
    around += [tensor("output_hc_down.weight", wide, rank), tensor("output_hc_up.weight", rank, wide)]
    notes: tuple[str, ...] = () if indexer else ("indexer_head_dim is not stated: its keys are not counted",)
    if ngram:
        tables = (c.integer("ngram_size", default=3, high=16) - 1) * c.integer("heads_per_ngram", default=8)
        width = c.integer("ple_embed_dim", default=d.hidden) // tables
        rows = tables * c.integer("ngram_vocab_size_base", default=20_000_000, high=1 << 31)
        around.append(tensor("per_layer_token_embd.weight", width, rows))
        notes += ("the n-gram tables are counted without the padding of their rows",)
    else:
        notes += ("ple_layer_ids is not stated: n-gram embeddings are not counted",)
    rope: Rope | None = read_rope(c, d)
    return Blueprint("qwen4exp", d, grouped(kinds, layer), around, tied, rope, exact=False, notes=notes)


FAMILIES: Final[dict[str, Builder]] = {"qwen4_exp": build_qwen4_exp, "qwen4_exp_text": build_qwen4_exp}
