"""Snowflake Arctic: a dense block beside the experts.

llama.cpp b11434: src/models/arctic.cpp and its converter in conversion/.
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


def build_arctic(c: Reader) -> Blueprint:
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
    return Blueprint(
        "arctic",
        d,
        repeated(d, LayerBlueprint((full_attention(d),), moe, tensors)),
        outside(d, tied),
        tied,
        read_rope(c, d),
    )


FAMILIES: Final[dict[str, Builder]] = {"arctic": build_arctic}
