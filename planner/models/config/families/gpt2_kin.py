"""GPT-2 and what followed it closely: StarCoder, BLOOM, Falcon, Phi-2.

llama.cpp b11434: src/models/ gpt2, starcoder, bloom, falcon, phi2 .cpp and their conversion/*.py.
"""

from __future__ import annotations

from typing import Final

from planner.models.architecture import DenseFeedForward
from planner.models.config.dims import Dims, read_dims
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    dense,
    full_attention,
    linear,
    norm,
    outside,
    qkv,
    repeated,
    tensor,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope


def _layer_norm_block(d: Dims, size: int) -> LayerBlueprint:
    """Return a layer of GPT-2's make: LayerNorm, biases everywhere, no gate."""
    tensors = [
        *norm("attn_norm", d.hidden, True),
        *qkv(d, bias=True, fused=True),
        *linear("attn_output", d.q, d.hidden, True),
        *norm("ffn_norm", d.hidden, True),
        *dense(d.hidden, size, gated=False, bias=True),
    ]
    return LayerBlueprint((full_attention(d),), DenseFeedForward(size, gated=False), tensors)


def build_gpt2(c: Reader) -> Blueprint:
    """Build GPT-2."""
    d = read_dims(c)
    size = c.integer("n_inner", "intermediate_size", default=4 * d.hidden)
    positions = [tensor("position_embd.weight", d.hidden, d.context)]
    around = outside(d, True, norm_bias=True, extra=positions)
    return Blueprint("gpt2", d, repeated(d, _layer_norm_block(d, size)), around, True, None)


def build_gpt_bigcode(c: Reader) -> Blueprint:
    """Build StarCoder: GPT-2 with one K and V head."""
    multi = c.flag("multi_query", default=True)
    d = read_dims(c.updated({"num_key_value_heads": 1}) if multi else c)
    size = c.integer("n_inner", "intermediate_size", default=4 * d.hidden)
    tied = c.flag("tie_word_embeddings", default=True)
    around = outside(d, tied, norm_bias=True, extra=[tensor("position_embd.weight", d.hidden, d.context)])
    return Blueprint("starcoder", d, repeated(d, _layer_norm_block(d, size)), around, tied, None)


def build_bloom(c: Reader) -> Blueprint:
    """Build BLOOM: GPT-2's layers, ALiBi instead of positions."""
    d = read_dims(c)
    around = outside(d, True, norm_bias=True, extra=norm("token_embd_norm", d.hidden, True))
    return Blueprint("bloom", d, repeated(d, _layer_norm_block(d, 4 * d.hidden)), around, True, None)


def build_falcon(c: Reader) -> Blueprint:
    """Build Falcon: attention and feed-forward in parallel, two norms in the new decoder."""
    new = c.flag("new_decoder_architecture", default=False)
    keys = {} if new or not c.flag("multi_query", default=True) else {"num_kv_heads": 1}
    d = read_dims(c.updated(keys))
    size = c.integer("ffn_hidden_size", "intermediate_size", default=4 * d.hidden)
    tensors = [
        *norm("attn_norm", d.hidden, True),
        *(norm("attn_norm_2", d.hidden, True) if new else []),
        *qkv(d, fused=True),
        tensor("attn_output.weight", d.q, d.hidden),
        *dense(d.hidden, size, gated=False),
    ]
    layer = LayerBlueprint((full_attention(d),), DenseFeedForward(size, gated=False), tensors)
    tied = c.flag("tie_word_embeddings", default=True)
    rope = not c.flag("alibi", default=False)
    return Blueprint(
        "falcon",
        d,
        repeated(d, layer),
        outside(d, tied, norm_bias=True),
        tied,
        read_rope(c, d) if rope else None,
    )


def build_phi2(c: Reader) -> Blueprint:
    """Build Phi-1, Phi-1.5 and Phi-2: attention and feed-forward in parallel, biases everywhere."""
    d = read_dims(c)
    size = c.integer("intermediate_size", "n_inner", default=4 * d.hidden)
    tensors = [
        *norm("attn_norm", d.hidden, True),
        *qkv(d, bias=True),
        *linear("attn_output", d.q, d.hidden, True),
        *dense(d.hidden, size, gated=False, bias=True),
    ]
    layer = LayerBlueprint((full_attention(d),), DenseFeedForward(size, gated=False), tensors)
    around = outside(d, False, norm_bias=True, extra=[tensor("output.bias", d.vocab)])
    return Blueprint("phi2", d, repeated(d, layer), around, False, read_rope(c, d))


FAMILIES: Final[dict[str, Builder]] = {
    "gpt2": build_gpt2,
    "gpt_bigcode": build_gpt_bigcode,
    "bloom": build_bloom,
    "falcon": build_falcon,
    "phi": build_phi2,
}
