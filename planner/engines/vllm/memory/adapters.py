"""LoRA adapters: the slots that vLLM reserves for them when it loads the model, whatever is put in later.

vLLM 0.33.0, lora/layers/base_linear.py and fused_moe.py: every linear layer keeps max_loras pairs of matrices, A of
max_lora_rank rows and B of as many columns, in the model's dtype. Column-parallel layers split B, row-parallel ones A.
"""

from __future__ import annotations

from typing import Final

from planner.engines.vllm.memory.shards import Rank
from planner.models.architecture import LayerGroup
from planner.models.tensors import EXPERT_ROLES, Role

_COLUMN: Final = frozenset(
    {
        Role.ATTN_Q,
        Role.ATTN_K,
        Role.ATTN_V,
        Role.ATTN_QKV,
        Role.ATTN_GATE,
        Role.MLA_Q_B,
        Role.MLA_KV_B,
        Role.SSM_IN,
    }
    | {Role.FFN_GATE, Role.FFN_UP, Role.SHARED_GATE, Role.SHARED_UP}
)
_ROW: Final = frozenset({Role.ATTN_OUT, Role.FFN_DOWN, Role.SHARED_DOWN, Role.SSM_OUT})
_WHOLE: Final = frozenset({Role.MLA_Q_A, Role.MLA_KV_A})


def adapter_bytes(rank: Rank, held: range) -> int:
    """Bytes of the slots on one rank of the stage that holds these layers; 0 without --enable-lora."""
    settings = rank.settings
    if not settings.enable_lora:
        return 0
    rows = settings.max_loras * settings.max_lora_rank * rank.plain
    groups = (
        (group, sum(1 for i in group.layers if i in held)) for group in rank.arch.groups if not group.mtp
    )
    return rows * sum(count * _elements(rank, group) for group, count in groups if count)


def _elements(rank: Rank, group: LayerGroup) -> int:
    """Inputs and outputs of one layer's matrices that a slot of rank one keeps."""
    total, tp = 0, rank.tp
    for tensor in group.tensors:
        if len(tensor.shape) < 2 or not tensor.name.endswith(".weight"):
            continue
        n_in, n_out = tensor.shape[0], tensor.shape[1]
        if tensor.role in EXPERT_ROLES and len(tensor.shape) == 3:
            experts = -(-tensor.shape[2] // rank.expert_parallel)
            down = tensor.role is Role.EXPERT_DOWN
            slices = 2 if tensor.role is Role.EXPERT_GATE_UP else 1
            split = (n_in if down else n_out) // rank.expert_tp
            total += experts * (split + (n_out if down else slices * n_in))
        elif tensor.role in _COLUMN:
            total += n_in + n_out // tp
        elif tensor.role in _ROW:
            total += n_in // tp + n_out
        elif tensor.role in _WHOLE:
            total += n_in + n_out
    return total
