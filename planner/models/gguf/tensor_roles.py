"""What a GGUF tensor does, from its name (llama.cpp b11434, src/llama-arch.cpp LLM_TENSOR_NAMES)."""

from __future__ import annotations

from typing import Final

from planner.models.tensors import Role

_ROLES: Final = {
    "token_embd": Role.TOKEN_EMBD,
    "position_embd": Role.POS_EMBD,
    "output": Role.OUTPUT,
    "per_layer_token_embd": Role.PER_LAYER_EMBD,
    "attn_q": Role.ATTN_Q,
    "attn_k": Role.ATTN_K,
    "attn_v": Role.ATTN_V,
    "attn_qkv": Role.ATTN_QKV,
    "attn_output": Role.ATTN_OUT,
    "attn_output_a": Role.ATTN_OUT,
    "attn_output_b": Role.ATTN_OUT,
    "attn_gate": Role.ATTN_GATE,
    "attn_sinks": Role.ATTN_SINKS,
    "attn_q_a": Role.MLA_Q_A,
    "attn_q_b": Role.MLA_Q_B,
    "attn_kv_a_mqa": Role.MLA_KV_A,
    "attn_kv": Role.MLA_KV_A,
    "attn_kv_b": Role.MLA_KV_B,
    "attn_k_b": Role.MLA_KV_B,
    "attn_v_b": Role.MLA_KV_B,
    "ffn_gate": Role.FFN_GATE,
    "ffn_up": Role.FFN_UP,
    "ffn_down": Role.FFN_DOWN,
    "ffn_gate_inp": Role.ROUTER,
    "ffn_gate_exps": Role.EXPERT_GATE,
    "ffn_up_exps": Role.EXPERT_UP,
    "ffn_down_exps": Role.EXPERT_DOWN,
    "ffn_gate_up_exps": Role.EXPERT_GATE_UP,
    "ffn_gate_chexps": Role.EXPERT_GATE,
    "ffn_up_chexps": Role.EXPERT_UP,
    "ffn_down_chexps": Role.EXPERT_DOWN,
    "ffn_gate_shexp": Role.SHARED_GATE,
    "ffn_up_shexp": Role.SHARED_UP,
    "ffn_down_shexp": Role.SHARED_DOWN,
    "ffn_gate_inp_shexp": Role.SHARED_ROUTER,
    "ssm_in": Role.SSM_IN,
    "ssm_out": Role.SSM_OUT,
    "ssm_conv1d": Role.SSM_CONV,
    "ssm_conv1d_q": Role.SSM_CONV,
    "ssm_conv1d_k": Role.SSM_CONV,
    "ssm_conv1d_v": Role.SSM_CONV,
    "shortconv.conv": Role.SSM_CONV,
    "shortconv.in_proj": Role.SSM_IN,
    "shortconv.out_proj": Role.SSM_OUT,
}


def role_of(name: str) -> Role:
    """Return the role of a tensor by its name without "blk.N.", for example "attn_q.weight"."""
    stem, _, part = name.rpartition(".")
    if part not in ("weight", "bias"):  # ssm_a and ssm_d have no suffix
        stem, part = name, "weight"
    if part == "bias":
        return Role.EXPERT_BIAS if stem.endswith("_exps") else Role.BIAS
    role = _ROLES.get(stem)
    if role is not None:
        return role
    if stem.startswith("indexer"):
        return Role.INDEXER
    if "norm" in stem:
        return Role.NORM
    if stem.startswith("ssm_"):
        return Role.SSM_OTHER
    return Role.OTHER
