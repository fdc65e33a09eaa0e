"""LongCat-Flash: two latent attentions a layer; llama.cpp doesn't run it.

Its tensors are those of the safetensors files under GGUF's names.
"""

from __future__ import annotations

from typing import Final

from planner.fast_dataclass import replace
from planner.models.config.dims import read_dims
from planner.models.config.families.latent_attention import latent_tensors, read_latent
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    dense,
    experts,
    norm,
    outside,
    read_experts,
    repeated,
    tensor,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope


def build_longcat(c: Reader) -> Blueprint:
    """Build LongCat-Flash: two latent attentions and two dense blocks around one set of experts a layer."""
    d = read_dims(c, head_dim=c.integer("qk_rope_head_dim"))
    attention = read_latent(c, d.heads)
    moe = read_experts(c)
    zero = c.integer("zero_expert_num", default=0, low=0, high=1 << 14)
    dense_size = c.integer("ffn_hidden_size", "intermediate_size")
    own = latent_tensors(d.hidden, attention)
    tensors = [
        *own,
        *(replace(t, name=f"second.{t.name}") for t in own),
        *norm("ffn_norm", d.hidden),
        *norm("second.ffn_norm", d.hidden),
        *dense(d.hidden, dense_size),
        *(replace(t, name=f"second.{t.name}") for t in dense(d.hidden, dense_size)),
        tensor("ffn_gate_inp.weight", d.hidden, moe.n_expert + zero),
        tensor("exp_probs_b.bias", moe.n_expert + zero),
        *[t for t in experts(d.hidden, moe) if t.name != "ffn_gate_inp.weight"],
    ]
    whole = replace(moe, dense_intermediate=2 * dense_size)
    tied = c.flag("tie_word_embeddings", default=False)
    groups = repeated(d, LayerBlueprint((attention, attention), whole, tensors))
    rope = read_rope(c, d, head_dim=attention.qk_rope_head_dim)
    return Blueprint(None, d, groups, outside(d, tied), tied, rope)


FAMILIES: Final[dict[str, Builder]] = {"longcat_flash": build_longcat}
