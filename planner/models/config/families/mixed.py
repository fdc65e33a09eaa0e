"""Attention beside other ways of mixing tokens: Mamba-1 (Jamba), short convolutions (LFM2), lightning
attention (MiniMax-01 and M1).

llama.cpp b11434: src/models/jamba.cpp, lfm2.cpp, lfm2moe.cpp, minimax-01.cpp and their conversion/*.py.
"""

from __future__ import annotations

from planner.models.architecture import FeedForward
from planner.models.cache import CacheSpec, FullAttention, RecurrentState
from planner.models.config.families.parts import (
    Dims,
    Draft,
    Layer,
    Tensors,
    dense,
    experts,
    grouped,
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
from planner.models.config.reader import MAX_LAYERS, Reader
from planner.models.config.rope import read_rope

Kind = tuple[bool, bool]  # attends, has experts


def build_jamba(c: Reader) -> Draft:
    """Build Jamba: one attention layer in attn_layer_period, the others are Mamba-1."""
    d = read_dims(c)
    d_inner, d_state = (
        c.integer("mamba_expand", default=2, high=16) * d.hidden,
        c.integer("mamba_d_state", default=16),
    )
    auto = c.data.get("mamba_dt_rank") in (None, "auto")
    rank = -(-d.hidden // 16) if auto else c.integer("mamba_dt_rank")
    state = RecurrentState(
        kind="mamba1",
        conv_kernel=c.integer("mamba_d_conv", default=4, high=64),
        conv_channels=d_inner,
        state_elements=d_inner * d_state,
        d_state=d_state,
        d_inner=d_inner,
    )
    attention = FullAttention(d.heads, d.kv_heads, d.head_dim, d.head_dim)
    every, offset = (
        c.integer("attn_layer_period", default=8),
        c.integer("attn_layer_offset", default=4, low=0),
    )
    moe_every = c.integer("expert_layer_period", default=2)
    moe_offset = c.integer("expert_layer_offset", default=1, low=0)
    many = c.integer("num_experts", default=16) > 1

    def layer(kind: Kind) -> Layer:
        attends, has_experts = kind
        tensors = norm("attn_norm", d.hidden)
        cache: CacheSpec = attention if attends else state
        if attends:
            tensors += [*qkv(d), tensor("attn_output.weight", d.q, d.hidden)]
        else:
            tensors += [
                tensor("ssm_in.weight", d.hidden, 2 * d_inner),
                tensor("ssm_conv1d.weight", state.conv_kernel, d_inner),
                tensor("ssm_conv1d.bias", d_inner),
                tensor("ssm_x.weight", d_inner, rank + 2 * d_state),
                *norm("ssm_dt_norm", rank),
                tensor("ssm_dt.weight", rank, d_inner),
                tensor("ssm_dt.bias", d_inner),
                *norm("ssm_b_norm", d_state),
                *norm("ssm_c_norm", d_state),
                tensor("ssm_a", d_state, d_inner),
                tensor("ssm_d", d_inner),
                tensor("ssm_out.weight", d_inner, d.hidden),
            ]
        block, more = _feed_forward(c, d, has_experts, ("intermediate_size",))
        return Layer((cache,), block, tensors + more)

    kinds = [(il % every == offset, many and il % moe_every == moe_offset) for il in range(d.layers)]
    tied = c.flag("tie_word_embeddings", default=False)
    return Draft("jamba", d, grouped(kinds, layer), outside(d, tied), tied, None)


def build_lfm2(c: Reader, arch: str) -> Draft:
    """Build LFM2: short convolutions with a few attention layers, dense or with experts."""
    d = read_dims(c)
    kernel = c.integer("conv_L_cache", default=3, high=64)
    state = RecurrentState(kind="short_conv", conv_kernel=kernel, conv_channels=d.hidden, state_elements=0)
    attention = FullAttention(d.heads, d.kv_heads, d.head_dim, d.head_dim)
    attends = lfm2_attention(c, d.layers)
    sparse = sparse_layers(c, d.layers) if arch == "lfm2moe" else [False] * d.layers
    size = lfm2_intermediate(c) if arch == "lfm2" else c.integer("intermediate_size")
    sized = Reader({**c.data, "intermediate_size": size}, c.where)

    def layer(kind: Kind) -> Layer:
        is_attention, has_experts = kind
        block, tensors = _feed_forward(sized, d, has_experts, ("moe_intermediate_size",), router_bias=True)
        tensors += norm("attn_norm", d.hidden)
        cache: CacheSpec = attention if is_attention else state
        if is_attention:
            tensors += qk_norms(d.head_dim, d.head_dim) + qkv(d)
            tensors.append(tensor("attn_output.weight", d.q, d.hidden))
        else:
            tensors += [
                tensor("shortconv.conv.weight", kernel, d.hidden),
                tensor("shortconv.in_proj.weight", d.hidden, 3 * d.hidden),
                tensor("shortconv.out_proj.weight", d.hidden, d.hidden),
            ]
        return Layer((cache,), block, tensors)

    tied = c.flag("tie_embedding", "tie_word_embeddings", default=True)
    head = [] if tied else [tensor("output.weight", d.hidden, d.vocab)]
    around = [
        tensor("token_embd.weight", d.hidden, d.vocab),
        *norm("token_embd_norm", d.hidden),  # the output norm's name in this family's files
        *head,
    ]
    groups = grouped(list(zip(attends, sparse, strict=True)), layer)
    return Draft(arch, d, groups, around, tied, read_rope(c, d))


def lfm2_attention(c: Reader, n_layer: int) -> list[bool]:
    """Return which layers of LFM2 attend."""
    if kinds := c.texts("layer_types"):
        c.per_layer("layer_types", n_layer, kinds)
        return ["attention" in kind for kind in kinds[:n_layer]]
    listed = set(c.integers("full_attn_idxs", high=MAX_LAYERS) or range(n_layer))
    return [il in listed for il in range(n_layer)]


def lfm2_intermediate(c: Reader) -> int:
    """Return the feed-forward size that LFM2 derives from block_ff_dim (conversion/lfm2.py)."""
    size = c.integer("block_ff_dim", "intermediate_size")
    if not c.flag("block_auto_adjust_ff_dim", default=True):
        return size
    size = int(c.number("block_ffn_dim_multiplier", default=1.0, high=64) * int(2 * size / 3))
    multiple = c.integer("block_multiple_of", default=256)
    return -(-size // multiple) * multiple


def build_minimax01(c: Reader) -> Draft:
    """Build MiniMax-Text-01 and MiniMax-M1: lightning attention, every eighth layer attends in full."""
    d = read_dims(c)
    state = RecurrentState(
        kind="lightning",
        conv_kernel=1,
        conv_channels=0,
        state_elements=d.heads * d.head_dim * d.head_dim,
        n_head=d.heads,
        head_dim=d.head_dim,
        d_state=d.head_dim,
        d_inner=d.q,
    )
    attention = FullAttention(d.heads, d.kv_heads, d.head_dim, d.head_dim)

    def layer(attends: bool) -> Layer:
        tensors = norm("attn_norm", d.hidden)
        if attends:
            tensors += qkv(d)
        else:
            tensors += [
                *norm("attn_norm_2", d.q),
                tensor("attn_qkv.weight", d.hidden, 3 * d.q),
                tensor("attn_gate.weight", d.hidden, d.q),
            ]
        tensors.append(tensor("attn_output.weight", d.q, d.hidden))
        block, more = _feed_forward(c, d, True, ("intermediate_size",))
        return Layer((attention if attends else state,), block, tensors + more)

    tied = c.flag("tie_word_embeddings", default=False)
    attends = _minimax_attention(c, d.layers)
    return Draft("minimax-01", d, grouped(attends, layer), outside(d, tied), tied, read_rope(c, d))


def _minimax_attention(c: Reader, n_layer: int) -> list[bool]:
    if kinds := c.texts("layer_types"):
        c.per_layer("layer_types", n_layer, kinds)
        return ["full" in kind for kind in kinds[:n_layer]]
    listed = c.integers("attn_type_list", high=1)
    if listed:
        c.per_layer("attn_type_list", n_layer, listed)
        return [bool(v) for v in listed[:n_layer]]
    return [il % 8 == 7 for il in range(n_layer)]


def _feed_forward(
    c: Reader, d: Dims, has_experts: bool, sizes: tuple[str, ...], *, router_bias: bool = False
) -> tuple[FeedForward, Tensors]:
    tensors = norm("ffn_norm", d.hidden)
    if has_experts:
        moe = read_experts(c, *sizes)
        return moe, tensors + experts(d.hidden, moe, router_bias=router_bias)
    block = read_dense(c)
    return block, tensors + dense(d.hidden, block.intermediate)
