"""Layers that keep a state beside layers that attend: gated delta nets (Qwen3-Next, Qwen3.5) and Mamba-2
(Granite 4).

llama.cpp b11434: src/models/qwen3next.cpp, qwen35.cpp, qwen35moe.cpp, granite-hybrid.cpp.
"""

from __future__ import annotations

from planner.errors import InputError
from planner.models.architecture import FeedForward
from planner.models.cache import CacheSpec, FullAttention, RecurrentState
from planner.models.family_blocks import (
    Dims,
    Draft,
    Layer,
    Tensors,
    dense,
    experts,
    grouped,
    linear,
    nextn,
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
from planner.models.hf_reader import Reader
from planner.models.hf_rope import read_rope


def read_delta_net(c: Reader) -> RecurrentState:
    """Read a gated delta net's state."""
    k_heads, v_heads = c.integer("linear_num_key_heads"), c.integer("linear_num_value_heads")
    k_dim, v_dim = c.integer("linear_key_head_dim"), c.integer("linear_value_head_dim")
    return RecurrentState(
        kind="gated_delta_net",
        conv_kernel=c.integer("linear_conv_kernel_dim", high=64),
        conv_channels=2 * k_heads * k_dim + v_heads * v_dim,
        state_elements=v_heads * k_dim * v_dim,
        n_head=v_heads,
        head_dim=v_dim,
        d_state=k_dim,
        n_group=k_heads,
        d_inner=v_heads * v_dim,
    )


def delta_net_tensors(hidden: int, s: RecurrentState, *, joint: bool) -> Tensors:
    """Return a gated delta net's tensors. `joint`: beta and alpha are one matrix (Qwen3-Next)."""
    gates = (
        [tensor("ssm_ba.weight", hidden, 2 * s.n_head)]
        if joint
        else [tensor("ssm_beta.weight", hidden, s.n_head), tensor("ssm_alpha.weight", hidden, s.n_head)]
    )
    return [
        tensor("attn_qkv.weight", hidden, s.conv_channels),
        tensor("attn_gate.weight", hidden, s.d_inner),
        tensor("ssm_conv1d.weight", s.conv_kernel, s.conv_channels),
        tensor("ssm_dt.bias", s.n_head),
        tensor("ssm_a", s.n_head),
        *gates,
        tensor("ssm_norm.weight", s.head_dim),
        tensor("ssm_out.weight", s.d_inner, hidden),
    ]


def read_mamba2(c: Reader, d: Dims, *, inner: int | None = None) -> RecurrentState:
    """Read a Mamba-2 layer's state under the names that model families use for it."""
    heads = c.integer("mamba_n_heads", "mamba_num_heads", high=1 << 16)
    head_dim = c.integer("mamba_d_head", "mamba_head_dim", default=0, low=0) or (inner or 0) // heads
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


def linear_layers(c: Reader, n_layer: int) -> list[bool]:
    """Return which layers keep a state: as layer_types lists them, else all but one in an interval."""
    if kinds := c.texts("layer_types", "layers_block_type"):
        c.per_layer("layer_types", n_layer, kinds)
        return [k in ("linear_attention", "mamba", "mamba2", "recurrent") for k in kinds[:n_layer]]
    interval = c.integer("full_attention_interval", default=4, high=1024)
    return [(il + 1) % interval != 0 for il in range(n_layer)]


def build_qwen_next(c: Reader, arch: str, *, moe: bool, joint: bool) -> Draft:
    """Build Qwen3-Next, Qwen3.5 and Qwen3.5 MoE: three delta nets, then one gated attention."""
    d = read_dims(c)
    state = read_delta_net(c)
    attention = FullAttention(d.heads, d.kv_heads, d.head_dim, d.head_dim)
    sparse = sparse_layers(c, d.layers) if moe else [False] * d.layers

    def layer(kind: tuple[bool, bool]) -> Layer:
        recurrent, has_experts = kind
        cache: CacheSpec = state if recurrent else attention
        tensors = [*norm("attn_norm", d.hidden), *norm("post_attention_norm", d.hidden)]
        if recurrent:
            tensors += delta_net_tensors(d.hidden, state, joint=joint)
        else:
            tensors += qkv(d, q=2 * d.q)  # the other half is the output's gate
            tensors.append(tensor("attn_output.weight", d.q, d.hidden))
            tensors += qk_norms(d.head_dim, d.head_dim)
        block: FeedForward
        if has_experts:
            block = mix = read_experts(c)
            tensors += experts(d.hidden, mix)
            if mix.shared_intermediate:
                tensors.append(tensor("ffn_gate_inp_shexp.weight", d.hidden))
        else:
            block = plain = read_dense(c)
            tensors += dense(d.hidden, plain.intermediate)
        return Layer((cache,), block, tensors)

    def prediction(kind: tuple[bool, bool]) -> Layer:
        base = layer(kind)
        return Layer(base.caches, base.feed_forward, base.tensors + nextn(d, embed=False, head=False))

    groups = grouped(list(zip(linear_layers(c, d.layers), sparse, strict=True)), layer)
    # Qwen3-Next's prediction layer is in the checkpoint but not in config.json (conversion/qwen.py).
    n_mtp = c.integer("mtp_num_hidden_layers", default=1 if joint else 0, low=0, high=16)
    groups += grouped([(False, moe)] * n_mtp, prediction, first=d.layers, mtp=True)
    tied = c.flag("tie_word_embeddings", default=False)
    return Draft(arch, d, groups, outside(d, tied), tied, read_rope(c, d))


def build_granite_hybrid(c: Reader) -> Draft:
    """Build Granite 4: Mamba-2 layers with a few attention layers, dense or with experts."""
    d = read_dims(c)
    head_dim = d.hidden // d.heads
    d = Dims(d.hidden, d.layers, d.vocab, d.heads, d.kv_heads, head_dim, d.context)
    recurrent = linear_layers(c, d.layers)
    state = (
        read_mamba2(c, d, inner=c.integer("mamba_expand", default=2, high=16) * d.hidden)
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
