"""Gemma 3n (text): layers that share caches, alternating updates, per-layer embeddings.

llama.cpp b11434: src/models/gemma3n.cpp; conversion/gemma.py.
"""

from __future__ import annotations

from typing import Final

from planner.errors import InputError
from planner.models.architecture import DenseFeedForward
from planner.models.config.dims import read_dims
from planner.models.config.families.decoder_keys import windows_listed
from planner.models.config.families.gemma4 import gemma_cache, per_layer_embeddings
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    dense,
    grouped,
    norm,
    outside,
    qk_norms,
    qkv,
    tensor,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope

_GEMMA3N = {
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 256,
    "vocab_size": 262400,
    "max_position_embeddings": 32768,
    "sliding_window": 512,
}


def build_gemma3n(c: Reader) -> Blueprint:
    """Build Gemma 3n (text): alternating updates, low-rank residuals, per-layer embeddings."""
    c = c.with_defaults(_GEMMA3N)
    d = read_dims(c)
    window, slides = windows_listed(c, d.layers, period=5)
    listed = isinstance(c.data.get("intermediate_size"), list)
    sizes = (
        (c.integers("intermediate_size", low=1) or [])
        if listed
        else [c.integer("intermediate_size")] * d.layers
    )
    c.per_layer("intermediate_size", d.layers, sizes)
    shared = c.integer("num_kv_shared_layers", default=15, low=0, high=1024)
    if shared >= d.layers:
        raise InputError(f"{c.where}: num_kv_shared_layers is {shared} of {d.layers} layers")
    per_layer = c.integer("hidden_size_per_layer_input", default=256)
    altup, rank = c.integer("altup_num_inputs", default=4, high=64), c.integer("laurel_rank", default=64)

    def layer(kind: tuple[bool, bool, int]) -> LayerBlueprint:
        slide, owns, size = kind
        tensors = [
            *norm("attn_norm", d.hidden),
            *qkv(d),
            tensor("attn_output.weight", d.q, d.hidden),
            *qk_norms(d.head_dim, d.head_dim),
            *norm("post_attention_norm", d.hidden),
            *norm("ffn_norm", d.hidden),
            *dense(d.hidden, size),
            *norm("post_ffw_norm", d.hidden),
            tensor("inp_gate.weight", d.hidden, per_layer),
            tensor("proj.weight", per_layer, d.hidden),
            *norm("post_norm", d.hidden),
            tensor("altup_correct_coef.weight", altup, altup),
            tensor("altup_correct_scale.weight", d.hidden),
            tensor("altup_predict_coef.weight", altup, altup * altup),
            tensor("altup_router.weight", d.hidden, altup),
            *norm("altup_router_norm", d.hidden),
            tensor("laurel_l.weight", d.hidden, rank),
            tensor("laurel_r.weight", rank, d.hidden),
            *norm("laurel_post_norm", d.hidden),
        ]
        return LayerBlueprint((gemma_cache(d, window, slide, owns, False),), DenseFeedForward(size), tensors)

    tied = c.flag("tie_word_embeddings", default=True)
    kinds = [(slides[il], il < d.layers - shared, sizes[il]) for il in range(d.layers)]
    extra = [
        tensor("altup_proj.weight", d.hidden, d.hidden, altup - 1),
        tensor("altup_unembd_proj.weight", d.hidden, d.hidden, altup - 1),
        *per_layer_embeddings(d, per_layer),
    ]
    groups = grouped(kinds, layer)
    return Blueprint("gemma3n", d, groups, outside(d, tied, extra=extra), tied, read_rope(c, d))


FAMILIES: Final[dict[str, Builder]] = {"gemma3n": build_gemma3n, "gemma3n_text": build_gemma3n}
