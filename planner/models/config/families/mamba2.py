"""Mamba-2 layers, as Granite 4, Nemotron-H and Falcon-H1 have them.

llama.cpp b11434: src/models/granite-hybrid.cpp, nemotron-h.cpp, falcon-h1.cpp.
"""

from __future__ import annotations

from planner.errors import InputError
from planner.models.cache import RecurrentState
from planner.models.config.families.parts import Tensors, tensor
from planner.models.config.reader import Reader


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
