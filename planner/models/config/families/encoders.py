"""Encoders that make embeddings or judge passages: BERT, RoBERTa and XLM-R, nomic-bert, ModernBERT.

llama.cpp b11434: src/models/ bert, nomic-bert, nomic-bert-moe, modern-bert .cpp and conversion/bert.py. The pooler
of the checkpoint, which nobody uses for embeddings, is not converted, nor are the two rows of positions that
RoBERTa's padding takes.
"""

from __future__ import annotations

from typing import Final

from planner.fast_dataclass import replace
from planner.models.architecture import DenseFeedForward, FeedForward, MixtureOfExperts
from planner.models.cache import CacheSpec, FullAttention, SlidingWindow
from planner.models.config.dims import Dims, read_dims
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    Tensors,
    dense,
    grouped,
    linear,
    norm,
    qkv,
    repeated,
    tensor,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope


def _sees_all(d: Dims) -> FullAttention:
    """Return what a layer keeps in which every token sees all others: nothing."""
    return FullAttention(d.heads, d.kv_heads, d.head_dim, d.head_dim, owns_cache=False)


def _around(c: Reader, d: Dims, *, places: int, bias: bool = True) -> Tensors:
    """Return embeddings of tokens, kinds and places with their norm, and the head of a classifier."""
    kinds = c.integer("type_vocab_size", default=0, low=0)
    tensors = [tensor("token_embd.weight", d.hidden, d.vocab)]
    if kinds:
        tensors.append(tensor("token_types.weight", d.hidden, kinds))
    if places:
        tensors.append(tensor("position_embd.weight", d.hidden, places))
    tensors += norm("token_embd_norm", d.hidden, bias)
    named = c.texts("architectures") or ["Model"]
    if named[0].endswith("ForSequenceClassification"):
        labels = len(c.section("id2label").data) if c.section("id2label") else 1  # type: ignore[union-attr]
        tensors += [*linear("cls", d.hidden, d.hidden, bias), *linear("cls.output", d.hidden, labels, True)]
    return tensors


def _bert_layer(d: Dims, size: int, *, gated: bool = False) -> LayerBlueprint:
    fed = [*dense(d.hidden, size, fused=True), tensor("ffn_down.bias", d.hidden)]
    tensors = [
        *qkv(d, bias=True),
        *linear("attn_output", d.q, d.hidden, True),
        *norm("attn_output_norm", d.hidden, True),
        *(fed if gated else dense(d.hidden, size, gated=False, bias=True)),
        *norm("layer_output_norm", d.hidden, True),
    ]
    return LayerBlueprint((_sees_all(d),), DenseFeedForward(size, gated=gated), tensors)


def build_bert(c: Reader) -> Blueprint:
    """Build BERT: learned places, norms after attention and feed-forward; Jina's has gates and ALiBi instead."""
    d = read_dims(c)
    size = c.integer("intermediate_size")
    if c.text("position_embedding_type") == "alibi":
        around = _around(c, d, places=0)
        return Blueprint(
            "jina-bert-v2", d, repeated(d, _bert_layer(d, size, gated=True)), around, False, None
        )
    around = _around(c, d, places=d.context)
    return Blueprint("bert", d, repeated(d, _bert_layer(d, size)), around, False, None)


def build_roberta(c: Reader) -> Blueprint:
    """Build RoBERTa and XLM-R: BERT, whose first places belong to the padding."""
    d = read_dims(c)
    padding = c.integer("pad_token_id", default=1, low=0) + 1
    return build_bert(c.updated({"max_position_embeddings": d.context - padding}))


def build_nomic(c: Reader) -> Blueprint:
    """Build nomic-bert: rotated places; gated feed-forward without biases, or experts in every second layer."""
    d = read_dims(c)
    size = c.integer("n_inner", "intermediate_size")
    every = c.integer("moe_every_n_layers", default=0, low=0)
    bias = c.flag("qkv_proj_bias", default=False)
    gated = not every
    moe = None
    if every:
        moe = MixtureOfExperts(
            n_expert=c.integer("num_experts"),
            n_expert_used=c.integer("moe_top_k"),
            intermediate=size,
            gated=False,
        )

    def layer(sparse: bool) -> LayerBlueprint:
        feed: FeedForward = moe if sparse and moe is not None else DenseFeedForward(size, gated=gated)
        block = (
            [
                tensor("ffn_gate_inp.weight", d.hidden, moe.n_expert),
                tensor("ffn_down_exps.weight", size, d.hidden, moe.n_expert),
                tensor("ffn_up_exps.weight", d.hidden, size, moe.n_expert),
            ]
            if sparse and moe is not None
            else dense(d.hidden, size, gated=gated, bias=bool(every))
        )
        tensors = [
            *qkv(d, fused=True, bias=bias),
            *linear("attn_output", d.q, d.hidden, bias),
            *norm("attn_output_norm", d.hidden, True),
            *block,
            *norm("layer_output_norm", d.hidden, True),
        ]
        return LayerBlueprint((_sees_all(d),), feed, tensors)

    sparse = [bool(every) and il % every == 1 for il in range(d.layers)]
    name = "nomic-bert-moe" if every else "nomic-bert"
    return Blueprint(name, d, grouped(sparse, layer), _around(c, d, places=0), False, read_rope(c, d))


def build_modern(c: Reader) -> Blueprint:
    """Build ModernBERT: norms before attention and feed-forward, two layers of three with a window."""
    d = read_dims(c)
    size = c.integer("intermediate_size")
    window = c.integer("local_attention", default=128)
    every = c.integer("global_attn_every_n_layers", default=3)

    def layer(key: tuple[bool, bool]) -> LayerBlueprint:
        first, slides = key
        spec: CacheSpec = _sees_all(d)
        if slides:
            spec = SlidingWindow(d.heads, d.kv_heads, d.head_dim, d.head_dim, window, owns_cache=False)
        tensors = [
            *([] if first else norm("attn_norm", d.hidden)),
            *qkv(d, fused=True),
            tensor("attn_output.weight", d.q, d.hidden),
            *norm("ffn_norm", d.hidden),
            *dense(d.hidden, size, fused=True),
        ]
        return LayerBlueprint((spec,), DenseFeedForward(size), tensors)

    keys = [(il == 0, il % every != 0) for il in range(d.layers)]
    around = [
        tensor("token_embd.weight", d.hidden, d.vocab),
        *norm("token_embd_norm", d.hidden),
        *norm("output_norm", d.hidden),
    ]
    named = c.texts("architectures") or ["Model"]
    if named[0].endswith("ForSequenceClassification"):
        around += [
            tensor("cls.weight", d.hidden, d.hidden),
            *norm("cls.norm", d.hidden),
            *linear("cls.output", d.hidden, 1, True),
        ]
    rope = read_rope(c, d)
    return Blueprint(
        "modern-bert",
        d,
        grouped(keys, layer),
        around,
        False,
        None if rope is None else replace(rope, kinds=2),
    )


FAMILIES: Final[dict[str, Builder]] = {
    "bert": build_bert,
    "roberta": build_roberta,
    "xlm-roberta": build_roberta,
    "nomic_bert": build_nomic,
    "modernbert": build_modern,
}
