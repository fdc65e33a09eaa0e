"""How llama.cpp's quantiser treats an architecture out of the ordinary: one row a `general.architecture`.

src/llama-quant.cpp of llama.cpp b11434; an architecture without a row is quantised by the common rules.
"""

from __future__ import annotations

from typing import Final

from planner.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class MixTraits:
    """One architecture's row."""

    falcon_rules: bool = False  # output, ffn_down and attn_output by rules of Falcon's own
    kept: tuple[str, ...] = ()  # parts of the names of tensors that are not quantised
    kept_q8: tuple[str, ...] = ()  # … and of those that are Q8_0 in any mix
    feed_forward_experts: bool = (
        False  # MXFP4 for the experts' feed-forward alone, not every tensor of experts
    )
    # Layers of the models that count as 70B (LLM_TYPE_70B in src/models/*.cpp), of which attn_v's rule asks
    large: int = 0
    large_if_grouped: bool = False  # … where several query heads share a KV head
    # A hybrid whose header names one number of KV heads for all layers, not one a layer with zeros
    kv_heads_everywhere: bool = False


_HYBRID: Final = MixTraits(kv_heads_everywhere=True)
QUANTISED: Final[dict[str, MixTraits]] = {
    "bailingmoe3": MixTraits(feed_forward_experts=True),
    **dict.fromkeys(("clef", "minimax-01", "qwen35", "qwen35moe", "qwen3next", "qwen4exp"), _HYBRID),
    "deci": MixTraits(large=80),
    "falcon": MixTraits(falcon_rules=True),
    "glm5-next": MixTraits(
        kept=(
            *("hc_", "indexer.attn_q_b", "indexer.attn_k", "indexer.proj", "indexer_compressor_gate"),
            *("indexer_compressor_ape", "ssm_f_a.weight", "ssm_f_b.weight", "ssm_g_a.weight"),
            *("ssm_g_b.weight", "ssm_beta.weight", "attn_kv_a_mqa.weight", "attn_k_b.weight"),
            "attn_v_b.weight",
        ),
        kept_q8=("attn_q_a", "attn_q_b", "eh_proj"),
    ),
    "jais2": MixTraits(large=68),
    "llama": MixTraits(large=80, large_if_grouped=True),
    "olmo": MixTraits(large=80),
    "qwen2": MixTraits(large=80),
}
_ORDINARY: Final = MixTraits()


def mix_traits(gguf_arch: str | None) -> MixTraits:
    """Return an architecture's row; the common rules where it has none."""
    return QUANTISED.get(gguf_arch or "", _ORDINARY)
