"""Multi-head latent attention: DeepSeek V2, V3, R1, V3.2, Kimi K2, GLM-4.7-Flash, GLM-5, Mistral 4, Hy4.

llama.cpp b11434: src/models/deepseek2.cpp, deepseek32.cpp, glm-dsa.cpp, mistral4.cpp, hy-v4.cpp; kv_b is
stored as its halves k_b and v_b (conversion/deepseek.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Literal

from planner.fast_dataclass import dataclass, replace
from planner.models.cache import Indexer, LatentAttention
from planner.models.config.dims import read_dims
from planner.models.config.families.decoder_keys import first_dense_keys
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    Tensors,
    feed_forward,
    grouped,
    nextn,
    norm,
    outside,
    sparse_layers,
    tensor,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope


@dataclass(frozen=True, slots=True, kw_only=True)
class MlaStyle:
    """How one family's layers differ from DeepSeek V3's."""

    arch: str | None
    prepare: Callable[[Reader], Mapping[str, Any]] | None = None  # gives odd keys their usual names
    mtp: Literal["none", "not in gguf", "yes"] = "none"
    mtp_vocab: bool = True  # the prediction layer has copies of embedding and head
    indexer: bool = False
    router_bias: bool | None = None  # None: where the file's topk_method is noaux_tc
    hyper: bool = False  # hyper-connections and an attention with sinks and gates (Hy4)
    tied: bool = False
    exact: bool = True
    notes: tuple[str, ...] = ()


def read_latent(c: Reader, heads: int, *, indexer: bool = False) -> LatentAttention:
    """Read the dimensions of multi-head latent attention."""
    return LatentAttention(
        n_head=heads,
        kv_lora_rank=c.integer("kv_lora_rank"),
        qk_rope_head_dim=c.integer("qk_rope_head_dim", low=0),
        qk_nope_head_dim=c.integer("qk_nope_head_dim"),
        v_head_dim=c.integer("v_head_dim"),
        q_lora_rank=c.integer("q_lora_rank", default=0, low=0) or None,
        indexer=Indexer(
            n_head=c.integer("index_n_heads"),
            head_dim=c.integer("index_head_dim"),
            top_k=c.integer("index_topk"),
        )
        if indexer
        else None,
    )


def latent_tensors(hidden: int, a: LatentAttention) -> Tensors:
    """Return the tensors of multi-head latent attention, norms included."""
    n_head, rank, rope, nope, v = (
        a.n_head,
        a.kv_lora_rank,
        a.qk_rope_head_dim,
        a.qk_nope_head_dim,
        a.v_head_dim,
    )
    tensors = norm("attn_norm", hidden)
    if a.q_lora_rank:
        tensors += norm("attn_q_a_norm", a.q_lora_rank)
    tensors += norm("attn_kv_a_norm", rank)
    if a.q_lora_rank:
        tensors.append(tensor("attn_q_a.weight", hidden, a.q_lora_rank))
        tensors.append(tensor("attn_q_b.weight", a.q_lora_rank, n_head * (nope + rope)))
    else:
        tensors.append(tensor("attn_q.weight", hidden, n_head * (nope + rope)))
    tensors.append(tensor("attn_kv_a_mqa.weight", hidden, rank + rope))
    tensors.append(tensor("attn_k_b.weight", nope, rank, n_head))
    tensors.append(tensor("attn_v_b.weight", rank, v, n_head))
    tensors.append(tensor("attn_output.weight", n_head * v, hidden))
    return tensors


def indexer_tensors(hidden: int, a: LatentAttention) -> Tensors:
    """Return the sparse-attention indexer's tensors (src/models/deepseek32.cpp)."""
    if a.indexer is None:
        return []
    heads, size = a.indexer.n_head, a.indexer.head_dim
    return [
        *norm("indexer.k_norm", size, bias=True),
        tensor("indexer.proj.weight", hidden, heads),
        tensor("indexer.attn_k.weight", hidden, size),
        tensor("indexer.attn_q_b.weight", a.q_lora_rank or hidden, heads * size),
    ]


def indexed_layers(c: Reader, n_layer: int) -> list[bool]:
    """Return which layers have an indexer of their own: the others reuse the last one's choice (GLM-5.2).

    As in GlmMoeDsaConfig of transformers 5.24.0: a list, a pattern ("FSSF"), else a frequency.
    """
    if kinds := c.texts("indexer_types"):
        c.per_layer("indexer_types", n_layer, kinds)
        return [kind == "full" for kind in kinds[:n_layer]]
    if pattern := c.text("index_topk_pattern"):
        c.per_layer("index_topk_pattern", n_layer, list(pattern))
        return [kind == "F" for kind in pattern[:n_layer]]
    every = c.integer("index_topk_freq", default=1, high=1024)
    offset = c.integer("index_skip_topk_offset", default=2, low=0, high=1024)
    return [max(il - offset + 1, 0) % every == 0 for il in range(n_layer)]


def hyper_connections(hidden: int, streams: int, part: str, mix: int, scales: int) -> Tensors:
    """Return the hyper-connection's tensors around one block ("attn" or "ffn")."""
    return [
        tensor(f"hc_{part}_fn.weight", streams * hidden, mix),
        tensor(f"hc_{part}_base.weight", mix),
        tensor(f"hc_{part}_scale.weight", scales),
    ]


def hyper_head(hidden: int, streams: int) -> Tensors:
    """Return what joins the streams of hyper-connections before the head."""
    return [
        tensor("output_hc_fn.weight", streams * hidden, streams),
        tensor("output_hc_base.weight", streams),
        tensor("output_hc_scale.weight", 1),
    ]


def build_mla(c: Reader, s: MlaStyle) -> Blueprint:
    """Build the layers of a model with multi-head latent attention."""
    if s.prepare:
        c = c.updated(s.prepare(c))
    d = read_dims(c, head_dim=c.integer("qk_rope_head_dim"))
    whole = read_latent(c, d.heads, indexer=s.indexer)
    without = replace(whole, indexer=None)
    indexed = indexed_layers(c, d.layers) if s.indexer else [False] * d.layers
    bias = s.router_bias if s.router_bias is not None else c.text("topk_method") == "noaux_tc"
    streams = c.integer("hc_mult", default=4, high=64) if s.hyper else 0

    def layer(kind: tuple[bool, bool]) -> LayerBlueprint:
        sparse, has_indexer = kind
        attention = whole if has_indexer else without
        block, tensors = feed_forward(c, d, sparse, router_bias=bias)
        own = latent_tensors(d.hidden, attention) + indexer_tensors(d.hidden, attention)
        if s.hyper:
            own.append(tensor("attn_sinks.weight", d.heads))
            own.append(tensor("attn_gate.weight", d.hidden, d.heads * attention.v_head_dim))
            for part in ("attn", "ffn"):
                own += hyper_connections(d.hidden, streams, part, 2 * streams, 2)
        return LayerBlueprint((attention,), block, own + tensors)

    def prediction(kind: tuple[bool, bool]) -> LayerBlueprint:
        base = layer(kind)
        return LayerBlueprint(
            base.caches, base.feed_forward, base.tensors + nextn(d, embed=s.mtp_vocab, head=s.mtp_vocab)
        )

    groups = grouped(list(zip(sparse_layers(c, d.layers), indexed, strict=True)), layer)
    n_mtp = c.integer("num_nextn_predict_layers", default=0, low=0, high=16) if s.mtp != "none" else 0
    if n_mtp:
        key = (True, s.indexer)
        groups += grouped([key] * n_mtp, prediction, first=d.layers, mtp=True, in_gguf=s.mtp == "yes")
    tied = c.flag("tie_word_embeddings", default=s.tied)
    return Blueprint(
        gguf_arch=s.arch,
        dims=d,
        groups=groups,
        outside=outside(d, tied, extra=hyper_head(d.hidden, streams) if s.hyper else []),
        tied=tied,
        rope=read_rope(c, d, head_dim=whole.qk_rope_head_dim),
        exact=s.exact,
        notes=s.notes,
    )


_HY4: Final = MlaStyle(arch="hy_v4", prepare=first_dense_keys, router_bias=True, indexer=True, hyper=True)
_MISTRAL_LARGE4: Final = MlaStyle(
    arch=None,
    router_bias=True,
    indexer=True,
    exact=False,
    notes=("layers are taken for DeepSeek V3.2's: the published description has no list of tensors",),
)
_STYLES: Final[dict[str, MlaStyle]] = {
    "deepseek_v2": MlaStyle(arch="deepseek2"),
    "deepseek_v3": MlaStyle(arch="deepseek2", mtp="not in gguf", router_bias=True),
    "deepseek_v32": MlaStyle(arch="deepseek32", mtp="yes", router_bias=True, indexer=True),
    "kimi_k2": MlaStyle(arch="deepseek2", mtp="not in gguf", router_bias=True),
    "glm4_moe_lite": MlaStyle(arch="deepseek2", prepare=first_dense_keys, mtp="yes", router_bias=True),
    "glm_moe_dsa": MlaStyle(arch="glm-dsa", mtp="yes", mtp_vocab=False, router_bias=True, indexer=True),
    "mistral4": MlaStyle(arch="mistral4", router_bias=False),
    "mistral_large4": _MISTRAL_LARGE4,
    "mistral_large4_text": _MISTRAL_LARGE4,
    "hy_v4": _HY4,
    "hy_v4_vl": _HY4,
}
FAMILIES: Final[dict[str, Builder]] = {kind: partial(build_mla, s=style) for kind, style in _STYLES.items()}
