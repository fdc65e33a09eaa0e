"""Mamba-2 beside attention: Granite 4, Nemotron-H and Nemotron 3, Falcon-H1.

llama.cpp b11434: src/models/granite-hybrid.cpp, nemotron-h.cpp, falcon-h1.cpp.
"""

from __future__ import annotations

from dataclasses import replace

from planner.errors import InputError
from planner.models.architecture import FeedForward, NoFeedForward
from planner.models.cache import CacheSpec, FullAttention, RecurrentState
from planner.models.config.families.parts import (
    Dims,
    Draft,
    Layer,
    Tensors,
    dense,
    experts,
    grouped,
    linear,
    linear_layers,
    nextn,
    norm,
    outside,
    qkv,
    read_dense,
    read_dims,
    read_experts,
    tensor,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope


def read_mamba2(c: Reader, *, inner: int | None = None) -> RecurrentState:
    """Read a Mamba-2 layer's state under the names that model families use for it."""
    heads = c.integer("mamba_n_heads", "mamba_num_heads", high=1 << 16)
    stated = (
        0 if c.data.get("mamba_d_head") == "auto" else c.integer("mamba_d_head", "mamba_head_dim", default=0)
    )
    head_dim = stated or (inner or 0) // heads
    d_inner = inner or heads * head_dim
    groups = c.integer("mamba_n_groups", "n_groups", default=1, high=1 << 12)
    d_state = c.integer("mamba_d_state", "ssm_state_size", "state_size")
    if head_dim * heads != d_inner:
        raise InputError(f"{c.where}: {heads} Mamba heads don't divide {d_inner}")
    return RecurrentState(
        kind="mamba2",
        conv_kernel=c.integer("mamba_d_conv", "conv_kernel", default=4, high=64),
        conv_channels=d_inner + 2 * groups * d_state,
        state_elements=d_inner * d_state,
        n_head=heads,
        head_dim=head_dim,
        d_state=d_state,
        n_group=groups,
        d_inner=d_inner,
    )


def mamba2_tensors(hidden: int, s: RecurrentState, *, conv_bias: bool, gate_norm: bool = True) -> Tensors:
    """Return a Mamba-2 layer's tensors, without the norm before it."""
    return [
        tensor("ssm_in.weight", hidden, s.d_inner + s.conv_channels + s.n_head),
        tensor("ssm_conv1d.weight", s.conv_kernel, s.conv_channels),
        *([tensor("ssm_conv1d.bias", s.conv_channels)] if conv_bias else []),
        tensor("ssm_dt.bias", s.n_head),
        tensor("ssm_a", 1, s.n_head),
        tensor("ssm_d", 1, s.n_head),
        *([tensor("ssm_norm.weight", s.d_inner // s.n_group, s.n_group)] if gate_norm else []),
        tensor("ssm_out.weight", s.d_inner, hidden),
    ]


def build_granite_hybrid(c: Reader) -> Draft:
    """Build Granite 4: Mamba-2 layers with a few attention layers, dense or with experts."""
    d = read_dims(c)
    head_dim = d.hidden // d.heads
    d = Dims(d.hidden, d.layers, d.vocab, d.heads, d.kv_heads, head_dim, d.context)
    recurrent = linear_layers(c, d.layers)
    state = (
        read_mamba2(c, inner=c.integer("mamba_expand", default=2, high=16) * d.hidden)
        if any(recurrent)
        else None
    )
    attention = FullAttention(d.heads, d.kv_heads, d.head_dim, d.head_dim)
    has_experts = c.integer("num_local_experts", default=0, low=0) > 0
    tied = c.flag("tie_word_embeddings", default=True)

    def layer(is_recurrent: bool) -> Layer:
        tensors = norm("attn_norm", d.hidden)
        cache: CacheSpec = attention
        if is_recurrent and state is not None:
            cache = state
            tensors += mamba2_tensors(d.hidden, state, conv_bias=c.flag("mamba_conv_bias", default=True))
        else:
            tensors += qkv(d, bias=c.flag("attention_bias", default=False))
            tensors += linear("attn_output", d.q, d.hidden)
        tensors += norm("ffn_norm", d.hidden)
        block: FeedForward
        if has_experts:
            block = mix = read_experts(c, "intermediate_size")
            tensors += experts(d.hidden, mix)
        else:
            block = plain = read_dense(c, "shared_intermediate_size")
            tensors += dense(d.hidden, plain.intermediate)
        return Layer((cache,), block, tensors)

    # Without any Mamba layer it is written as plain granite (conversion/granite.py).
    return Draft(
        "granitehybrid" if any(recurrent) else "granite",
        d,
        grouped(recurrent, layer),
        outside(d, tied),
        tied,
        read_rope(c, d),
    )


_PATTERN = {"M": "mamba", "*": "attention", "E": "moe", "-": "mlp"}


def nemotron_layers(c: Reader, n_layer: int) -> list[str]:
    """Return what each layer of Nemotron-H is: mamba, attention, moe or mlp."""
    if pattern := c.text("hybrid_override_pattern"):
        kinds = [_PATTERN.get(letter, "") for letter in pattern]
    else:
        kinds = c.texts("layers_block_type") or []
    if len(kinds) != n_layer or not set(kinds) <= set(_PATTERN.values()):
        raise c.wrong("hybrid_override_pattern", f"{n_layer} of the letters M * E - (or layers_block_type)")
    return kinds


def build_nemotron_h(c: Reader) -> Draft:
    """Build Nemotron-H and Nemotron 3: each layer is one block, of Mamba-2, attention or feed-forward."""
    if kinds := c.texts("layers_block_type"):
        c = Reader({**c.data, "num_hidden_layers": len(kinds)}, c.where)
    d = read_dims(c)
    state = read_mamba2(c)
    bias = c.flag("attention_bias", "use_bias", default=False)
    has_experts = c.has("n_routed_experts") and c.has("num_experts_per_tok")
    latent = c.integer("moe_latent_size", default=0, low=0)

    def attention() -> tuple[CacheSpec, Tensors]:
        tensors = qkv(d, bias=bias) + linear("attn_output", d.q, d.hidden, bias)
        return FullAttention(d.heads, d.kv_heads, d.head_dim, d.head_dim), tensors

    def mixture() -> tuple[FeedForward, Tensors]:
        moe = replace(read_experts(c, gated=False), latent=latent)
        extra = linear("ffn_latent_down", d.hidden, latent) if latent else []
        extra += linear("ffn_latent_up", latent, d.hidden) if latent else []
        return moe, extra + experts(d.hidden, moe, router_bias=True)

    def layer(kind: str) -> Layer:
        tensors = norm("attn_norm", d.hidden)
        if kind == "mamba":
            conv_bias = c.flag("use_conv_bias", "mamba_conv_bias", default=True)
            return Layer(
                (state,), NoFeedForward(), tensors + mamba2_tensors(d.hidden, state, conv_bias=conv_bias)
            )
        if kind == "attention":
            cache, own = attention()
            return Layer((cache,), NoFeedForward(), tensors + own)
        if kind == "moe":
            block, own = mixture()
            return Layer((), block, tensors + own)
        plain = read_dense(c, gated=False)
        bias = c.flag("mlp_bias", default=False)
        return Layer((), plain, tensors + dense(d.hidden, plain.intermediate, gated=False, bias=bias))

    def prediction(kind: str) -> Layer:
        cache, own = attention()
        block, more = mixture()
        extra = nextn(d, embed=False, head=False) + norm("attn_norm", d.hidden) + own
        return Layer((cache,), block, extra + norm("post_attention_norm", d.hidden) + more)

    groups = grouped(nemotron_layers(c, d.layers), layer)
    if has_experts:
        n_mtp = c.integer("num_nextn_predict_layers", default=0, low=0, high=16)
        groups += grouped(["mtp"] * n_mtp, prediction, first=d.layers, mtp=True)
    tied = c.flag("tie_word_embeddings", default=False)
    arch = "nemotron_h_moe" if has_experts else "nemotron_h"
    return Draft(arch, d, groups, outside(d, tied), tied, None)


def build_falcon_h1(c: Reader) -> Draft:
    """Build Falcon-H1: attention and Mamba-2 side by side in every layer."""
    d = read_dims(c)
    state = read_mamba2(
        c, inner=c.integer("mamba_d_ssm", default=c.integer("mamba_expand", default=2) * d.hidden)
    )
    attention = FullAttention(d.heads, d.kv_heads, d.head_dim, d.head_dim)
    bias = c.flag("attention_bias", default=False)
    block = read_dense(c)
    tensors = [
        *mamba2_tensors(
            d.hidden,
            state,
            conv_bias=c.flag("mamba_conv_bias", default=True),
            gate_norm=c.flag("mamba_rms_norm", default=False),
        ),
        *qkv(d, bias=bias),
        *linear("attn_output", d.q, d.hidden, bias),
        *norm("attn_norm", d.hidden),
        tensor("ffn_norm", d.hidden),  # without ".weight": src/models/falcon-h1.cpp
        *dense(d.hidden, block.intermediate, bias=c.flag("mlp_bias", default=False)),
    ]
    tied = c.flag("tie_word_embeddings", default=False)
    groups = grouped([0] * d.layers, lambda _: Layer((attention, state), block, tensors))
    return Draft("falcon-h1", d, groups, outside(d, tied), tied, read_rope(c, d))
