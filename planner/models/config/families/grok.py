"""Grok-1 and Grok-2: norms after attention and experts, a dense block beside them in Grok-2.

llama.cpp b11434: src/models/grok.cpp and its converter in conversion/.
"""

from __future__ import annotations

from typing import Final

from planner.models.architecture import MixtureOfExperts
from planner.models.config.dims import read_dims
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    dense,
    experts,
    full_attention,
    norm,
    outside,
    qkv,
    read_experts,
    repeated,
    tensor,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope


def build_grok(c: Reader) -> Blueprint:
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
    return Blueprint(
        "grok",
        d,
        repeated(d, LayerBlueprint((full_attention(d),), moe, tensors)),
        outside(d, tied),
        tied,
        read_rope(c, d),
    )


FAMILIES: Final[dict[str, Builder]] = {"grok-1": build_grok, "git": build_grok}
