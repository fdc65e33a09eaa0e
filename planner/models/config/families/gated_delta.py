"""Gated delta nets beside gated attention: Qwen3-Next, Qwen3.5 and their successors.

llama.cpp b11434: src/models/qwen3next.cpp, qwen35.cpp, qwen35moe.cpp; conversion/qwen.py.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from planner.models.architecture import FeedForward
from planner.models.cache import CacheSpec, RecurrentState
from planner.models.config.dims import read_dims
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    Tensors,
    dense,
    experts,
    full_attention,
    grouped,
    linear_layers,
    nextn,
    norm,
    outside,
    qk_norms,
    qkv,
    read_dense,
    read_experts,
    sparse_layers,
    tensor,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope


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


def build_qwen_next(c: Reader, arch: str, *, moe: bool, joint: bool) -> Blueprint:
    """Build Qwen3-Next, Qwen3.5 and Qwen3.5 MoE: three delta nets, then one gated attention."""
    d = read_dims(c)
    state = read_delta_net(c)
    attention = full_attention(d)
    sparse = sparse_layers(c, d.layers) if moe else [False] * d.layers

    def layer(kind: tuple[bool, bool]) -> LayerBlueprint:
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
        return LayerBlueprint((cache,), block, tensors)

    def prediction(kind: tuple[bool, bool]) -> LayerBlueprint:
        base = layer(kind)
        return LayerBlueprint(
            base.caches, base.feed_forward, base.tensors + nextn(d, embed=False, head=False)
        )

    groups = grouped(list(zip(linear_layers(c, d.layers), sparse, strict=True)), layer)
    # Qwen3-Next's prediction layer is in the checkpoint but not in config.json (conversion/qwen.py).
    n_mtp = c.integer("mtp_num_hidden_layers", default=1 if joint else 0, low=0, high=16)
    groups += grouped([(False, moe)] * n_mtp, prediction, first=d.layers, mtp=True)
    tied = c.flag("tie_word_embeddings", default=False)
    return Blueprint(arch, d, groups, outside(d, tied), tied, read_rope(c, d))


_QWEN35: Final = partial(build_qwen_next, arch="qwen35", moe=False, joint=False)
_QWEN35_MOE: Final = partial(build_qwen_next, arch="qwen35moe", moe=True, joint=False)
FAMILIES: Final[dict[str, Builder]] = {
    "qwen3_next": partial(build_qwen_next, arch="qwen3next", moe=True, joint=True),
    "qwen3_5": _QWEN35,
    "qwen3_5_text": _QWEN35,
    "qwen3_5_moe": _QWEN35_MOE,
    "qwen3_5_moe_text": _QWEN35_MOE,
}
