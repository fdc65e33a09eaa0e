"""Muse Spark (text): llama.cpp doesn't run it.

Its tensors are those of its class in transformers 5.24.0 (models/*/modeling_*.py), under GGUF's names.
"""

from __future__ import annotations

from typing import Final

from planner.fast_dataclass import replace
from planner.models.architecture import FeedForward
from planner.models.config.dims import read_dims
from planner.models.config.families.decoder_keys import windows_listed
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    dense,
    experts,
    grouped,
    norm,
    outside,
    qkv,
    read_dense,
    read_experts,
    sparse_layers,
    tensor,
    window_or_full,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope


def build_muse_spark(c: Reader) -> Blueprint:
    """Build Muse Spark (text): experts in a narrower space, gates on attention and residuals."""
    d = read_dims(c)
    keys = Reader({"sliding_window": 2048, **c.data}, c.where)
    window, slides = windows_listed(keys, d.layers, period=4)
    if not c.has("layer_types"):  # every fourth is full, counted from the last
        slides = [(d.layers - 1 - il) % 4 != 0 for il in range(d.layers)]
    inner = c.integer("moe_hidden_size")
    moe = replace(read_experts(c), latent=inner)
    kinds = sparse_layers(c, d.layers)

    def layer(kind: tuple[bool, bool]) -> LayerBlueprint:
        slide, sparse = kind
        tensors = [
            *norm("attn_norm", d.hidden),
            *qkv(d),
            tensor("attn_gate.weight", d.hidden, d.q),
            tensor("attn_output.weight", d.q, d.hidden),
            *norm("post_attention_norm", d.hidden),
            *norm("ffn_norm", d.hidden),
            *norm("post_ffw_norm", d.hidden),
            tensor("attn_residual_gate.weight", d.hidden),
            tensor("ffn_residual_gate.weight", d.hidden),
        ]
        block: FeedForward = moe
        if sparse:
            tensors.append(tensor("ffn_latent_down.weight", d.hidden, inner))
            tensors += [*norm("ffn_latent_norm", inner), *norm("ffn_latent_post_norm", inner)]
            tensors.append(tensor("ffn_latent_up.weight", inner, d.hidden))
            tensors += experts(d.hidden, moe)
        else:
            block = plain = read_dense(c)
            tensors += dense(d.hidden, plain.intermediate)
        return LayerBlueprint((window_or_full(d, slide, window),), block, tensors)

    tied = c.flag("tie_word_embeddings", default=False)
    groups = grouped(list(zip(slides, kinds, strict=True)), layer)
    note = "tensors as in transformers' class: no checkpoint was there to check them against"
    return Blueprint(None, d, groups, outside(d, tied), tied, read_rope(c, d), exact=False, notes=(note,))


FAMILIES: Final[dict[str, Builder]] = {"muse_spark": build_muse_spark, "muse_spark_text": build_muse_spark}
