"""Families with tensors of their own that few still run: GPT-2, StarCoder, BLOOM, Falcon, DBRX, Grok, Arctic.

llama.cpp b11434: src/models/ gpt2, starcoder, bloom, falcon, dbrx, grok, arctic .cpp and their conversion/*.py.
"""

from __future__ import annotations

from planner.errors import InputError
from planner.models.architecture import DenseFeedForward, MixtureOfExperts
from planner.models.cache import FullAttention
from planner.models.config.families.parts import (
    Dims,
    Draft,
    Layer,
    Tensors,
    dense,
    experts,
    grouped,
    linear,
    norm,
    outside,
    qkv,
    read_dims,
    read_experts,
    tensor,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope


def _uniform(c: Reader, arch: str, d: Dims, layer: Layer, around: Tensors, tied: bool, rope: bool) -> Draft:
    groups = grouped([0] * d.layers, lambda _: layer)
    return Draft(arch, d, groups, around, tied, read_rope(c, d) if rope else None)


def _attention(d: Dims) -> FullAttention:
    return FullAttention(d.heads, d.kv_heads, d.head_dim, d.head_dim)


def _layer_norm_block(d: Dims, size: int) -> Layer:
    """Return a layer of GPT-2's make: LayerNorm, biases everywhere, no gate."""
    tensors = [
        *norm("attn_norm", d.hidden, True),
        *qkv(d, bias=True, fused=True),
        *linear("attn_output", d.q, d.hidden, True),
        *norm("ffn_norm", d.hidden, True),
        *dense(d.hidden, size, gated=False, bias=True),
    ]
    return Layer((_attention(d),), DenseFeedForward(size, gated=False), tensors)


def build_gpt2(c: Reader) -> Draft:
    """Build GPT-2."""
    d = read_dims(c)
    size = c.integer("n_inner", "intermediate_size", default=4 * d.hidden)
    positions = [tensor("position_embd.weight", d.hidden, d.context)]
    around = outside(d, True, norm_bias=True, extra=positions)
    return _uniform(c, "gpt2", d, _layer_norm_block(d, size), around, True, False)


def build_gpt_bigcode(c: Reader) -> Draft:
    """Build StarCoder: GPT-2 with one K and V head."""
    multi = c.flag("multi_query", default=True)
    d = read_dims(Reader({**c.data, "num_key_value_heads": 1}, c.where) if multi else c)
    size = c.integer("n_inner", "intermediate_size", default=4 * d.hidden)
    tied = c.flag("tie_word_embeddings", default=True)
    around = outside(d, tied, norm_bias=True, extra=[tensor("position_embd.weight", d.hidden, d.context)])
    return _uniform(c, "starcoder", d, _layer_norm_block(d, size), around, tied, False)


def build_bloom(c: Reader) -> Draft:
    """Build BLOOM: GPT-2's layers, ALiBi instead of positions."""
    d = read_dims(c)
    around = outside(d, True, norm_bias=True, extra=norm("token_embd_norm", d.hidden, True))
    return _uniform(c, "bloom", d, _layer_norm_block(d, 4 * d.hidden), around, True, False)


def build_falcon(c: Reader) -> Draft:
    """Build Falcon: attention and feed-forward in parallel, two norms in the new decoder."""
    new = c.flag("new_decoder_architecture", default=False)
    keys = {} if new or not c.flag("multi_query", default=True) else {"num_kv_heads": 1}
    d = read_dims(Reader({**c.data, **keys}, c.where))
    size = c.integer("ffn_hidden_size", "intermediate_size", default=4 * d.hidden)
    tensors = [
        *norm("attn_norm", d.hidden, True),
        *(norm("attn_norm_2", d.hidden, True) if new else []),
        *qkv(d, fused=True),
        tensor("attn_output.weight", d.q, d.hidden),
        *dense(d.hidden, size, gated=False),
    ]
    layer = Layer((_attention(d),), DenseFeedForward(size, gated=False), tensors)
    tied = c.flag("tie_word_embeddings", default=True)
    rope = not c.flag("alibi", default=False)
    return _uniform(c, "falcon", d, layer, outside(d, tied, norm_bias=True), tied, rope)


def build_dbrx(c: Reader) -> Draft:
    """Build DBRX."""
    inner, attention = c.section("ffn_config"), c.section("attn_config")
    if inner is None or attention is None:
        raise InputError(f"{c.where}: ffn_config or attn_config is missing: not a complete config.json")
    d = read_dims(Reader({**c.data, "num_key_value_heads": attention.integer("kv_n_heads")}, c.where))
    n_expert = inner.integer("moe_num_experts", high=1 << 14)
    moe = MixtureOfExperts(
        n_expert, inner.integer("moe_top_k", high=n_expert), inner.integer("ffn_hidden_size")
    )
    tensors = [
        *norm("attn_norm", d.hidden),
        *qkv(d, fused=True),
        tensor("attn_output.weight", d.q, d.hidden),
        *norm("attn_output_norm", d.hidden),
        *experts(d.hidden, moe),
    ]
    tied = c.flag("tie_word_embeddings", default=False)
    return _uniform(c, "dbrx", d, Layer((_attention(d),), moe, tensors), outside(d, tied), tied, True)


def build_grok(c: Reader) -> Draft:
    """Build Grok-1 and Grok-2 (with a dense block beside the experts)."""
    d = read_dims(c)
    residual = c.flag("residual_moe", default=False)
    dense_size = c.integer("intermediate_size") if residual else 0
    base = read_experts(c)
    moe = MixtureOfExperts(
        base.n_expert, base.n_expert_used, base.intermediate, dense_intermediate=dense_size
    )
    tensors = [
        *norm("attn_norm", d.hidden),
        *qkv(d),
        tensor("attn_output.weight", d.q, d.hidden),
        *norm("attn_output_norm", d.hidden),
        *norm("ffn_norm", d.hidden),
        *(dense(d.hidden, dense_size) if residual else []),
        *experts(d.hidden, moe),
        *norm("post_ffw_norm" if residual else "layer_output_norm", d.hidden),
    ]
    tied = c.flag("tie_word_embeddings", default=True)
    return _uniform(c, "grok", d, Layer((_attention(d),), moe, tensors), outside(d, tied), tied, True)


def build_arctic(c: Reader) -> Draft:
    """Build Snowflake Arctic: a dense block of the hidden size beside the experts."""
    d = read_dims(c)
    base = read_experts(c, "intermediate_size")
    moe = MixtureOfExperts(base.n_expert, base.n_expert_used, base.intermediate, dense_intermediate=d.hidden)
    tensors = [
        *norm("attn_norm", d.hidden),
        *qkv(d),
        tensor("attn_output.weight", d.q, d.hidden),
        *norm("ffn_norm", d.hidden),
        *dense(d.hidden, d.hidden),
        *norm("ffn_norm_exps", d.hidden),
        *experts(d.hidden, moe),
    ]
    tied = c.flag("tie_word_embeddings", default=False)
    return _uniform(c, "arctic", d, Layer((_attention(d),), moe, tensors), outside(d, tied), tied, True)


def build_phi2(c: Reader) -> Draft:
    """Build Phi-1, Phi-1.5 and Phi-2: attention and feed-forward in parallel, biases everywhere."""
    d = read_dims(c)
    size = c.integer("intermediate_size", "n_inner", default=4 * d.hidden)
    tensors = [
        *norm("attn_norm", d.hidden, True),
        *qkv(d, bias=True),
        *linear("attn_output", d.q, d.hidden, True),
        *dense(d.hidden, size, gated=False, bias=True),
    ]
    layer = Layer((_attention(d),), DenseFeedForward(size, gated=False), tensors)
    around = outside(d, False, norm_bias=True, extra=[tensor("output.bias", d.vocab)])
    return _uniform(c, "phi2", d, layer, around, False, True)
