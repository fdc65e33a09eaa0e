"""DBRX: experts of a configuration in parts.

llama.cpp b11434: src/models/dbrx.cpp and its converter in conversion/.
"""

from __future__ import annotations

from typing import Final

from planner.errors import InputError
from planner.models.architecture import MixtureOfExperts
from planner.models.config.dims import read_dims
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    experts,
    full_attention,
    norm,
    outside,
    qkv,
    repeated,
    tensor,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope


def build_dbrx(c: Reader) -> Blueprint:
    """Build DBRX."""
    inner, attention = c.section("ffn_config"), c.section("attn_config")
    if inner is None or attention is None:
        raise InputError(f"{c.where}: ffn_config or attn_config is missing: not a complete config.json")
    d = read_dims(c.updated({"num_key_value_heads": attention.integer("kv_n_heads")}))
    n_expert = inner.integer("moe_num_experts", high=1 << 14)
    moe = MixtureOfExperts(
        n_expert, inner.integer("moe_top_k", high=n_expert), inner.integer("ffn_hidden_size")
    )
    tensors = [
        *norm("attn_norm", d.hidden),
        *qkv(d, fused=True),
        tensor("attn_output.weight", d.q, d.hidden),
        *norm("attn_output_norm", d.hidden),
        *experts(d.hidden, moe),
    ]
    tied = c.flag("tie_word_embeddings", default=False)
    return Blueprint(
        "dbrx",
        d,
        repeated(d, LayerBlueprint((full_attention(d),), moe, tensors)),
        outside(d, tied),
        tied,
        read_rope(c, d),
    )


FAMILIES: Final[dict[str, Builder]] = {"dbrx": build_dbrx}
