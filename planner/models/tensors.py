"""TensorInfo: the weights are a list of tensors; a size is a sum over them, not parameters × bits."""

from __future__ import annotations

from enum import StrEnum
from math import prod

from planner.fast_dataclass import dataclass


class Role(StrEnum):
    """What a tensor does: decides its quantised type, its device and how tensor parallelism splits it."""

    TOKEN_EMBD = "token_embd"
    POS_EMBD = "pos_embd"
    OUTPUT = "output"  # the language-model head
    NORM = "norm"
    BIAS = "bias"
    ATTN_Q = "attn_q"
    ATTN_K = "attn_k"
    ATTN_V = "attn_v"
    ATTN_QKV = "attn_qkv"
    ATTN_OUT = "attn_out"
    ATTN_GATE = "attn_gate"
    ATTN_SINKS = "attn_sinks"
    MLA_Q_A = "mla_q_a"
    MLA_Q_B = "mla_q_b"
    MLA_KV_A = "mla_kv_a"  # compressed KV with the rope part (…_a_mqa)
    MLA_KV_B = "mla_kv_b"  # kv_b, or its halves k_b and v_b
    INDEXER = "indexer"
    FFN_GATE = "ffn_gate"
    FFN_UP = "ffn_up"
    FFN_DOWN = "ffn_down"
    ROUTER = "router"
    EXPERT_GATE = "expert_gate"
    EXPERT_UP = "expert_up"
    EXPERT_DOWN = "expert_down"
    EXPERT_GATE_UP = "expert_gate_up"
    EXPERT_BIAS = "expert_bias"
    SHARED_GATE = "shared_gate"  # shared expert's gate projection
    SHARED_UP = "shared_up"
    SHARED_DOWN = "shared_down"
    SHARED_ROUTER = "shared_router"  # the scalar gate of a shared expert
    SSM_IN = "ssm_in"
    SSM_OUT = "ssm_out"
    SSM_CONV = "ssm_conv"
    SSM_OTHER = "ssm_other"  # A, D, dt, beta/alpha projections …
    PER_LAYER_EMBD = "per_layer_embd"  # Gemma 3n/4 per-layer token embeddings
    OTHER = "other"


EXPERT_ROLES = frozenset(
    {Role.EXPERT_GATE, Role.EXPERT_UP, Role.EXPERT_DOWN, Role.EXPERT_GATE_UP, Role.EXPERT_BIAS}
)


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor: its name in a GGUF, its shape in ggml's order (row length first), its role.

    Inside a LayerGroup the name has no "blk.N." prefix, for example "attn_q.weight". Experts are one
    tensor of shape (in, out, n_expert), as in a GGUF. `type` is the stored type where a file gives it
    ("Q4_K", "F32", "MXFP4"); None where a mix decides. `shard`: which file of a split model holds it.
    """

    name: str
    shape: tuple[int, ...]
    role: Role
    type: str | None = None
    shard: int = 0

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def row(self) -> int:
        """Elements of one row (ggml's ne[0])."""
        return self.shape[0]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return prod(self.shape[1:])

    @property
    def is_expert(self) -> bool:
        """True for routed experts (what --cpu-moe moves, biases apart)."""
        return self.role in EXPERT_ROLES
