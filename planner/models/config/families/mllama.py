"""Llama 3.2 Vision (text): layers that attend to the image; llama.cpp doesn't run it.

Its tensors are those of the safetensors files under GGUF's names.
"""

from __future__ import annotations

from typing import Final

from planner.models.config.dims import read_dims
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    dense,
    full_attention,
    grouped,
    norm,
    outside,
    qk_norms,
    qkv,
    read_dense,
    tensor,
)
from planner.models.config.reader import MAX_LAYERS, Reader
from planner.models.config.rope import read_rope


def build_mllama(c: Reader) -> Blueprint:
    """Build Llama 3.2 Vision (text): every fifth layer attends to the image, whose K and V are cached."""
    d = read_dims(c)
    crossing = set(c.integers("cross_attention_layers", high=MAX_LAYERS) or range(3, d.layers, 5))
    block = read_dense(c)

    def layer(crosses: bool) -> LayerBlueprint:
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
        return LayerBlueprint((full_attention(d),), block, tensors)

    tied = c.flag("tie_word_embeddings", default=False)
    around = outside(d, tied)
    around[0] = tensor("token_embd.weight", d.hidden, d.vocab + 8)  # eight rows for image tokens
    return Blueprint(
        None,
        d,
        grouped([il in crossing for il in range(d.layers)], layer),
        around,
        tied,
        read_rope(c, d),
        exact=False,
        notes=("cross-attention layers cache the image's K and V: counted as if they cached the text's",),
    )


FAMILIES: Final[dict[str, Builder]] = {"mllama": build_mllama, "mllama_text_model": build_mllama}
