"""K2-Horizon, dense or with experts in the feed-forward: llama.cpp doesn't run it.

Its tensors are those of its class in vLLM 0.33.0, under GGUF's names.
"""

from __future__ import annotations

from typing import Final

from planner.errors import UnsupportedError
from planner.models.config.families.decoder import DecoderStyle, build_decoder
from planner.models.config.families.parts import Blueprint, Builder
from planner.models.config.reader import Reader


def build_k2_horizon(c: Reader) -> Blueprint:
    """Build K2-Horizon, dense or with experts in the feed-forward; its mixture of values has no rules."""
    if c.integer("mova_num_experts", default=0, low=0):
        raise UnsupportedError(
            f"{c.where}: K2-Horizon with experts of values: the planner has no rules for it"
        )
    qk_norm = c.flag("query_key_norm", default=False)
    moe = c.integer("num_experts", default=0, low=0) > 0
    return build_decoder(
        c,
        DecoderStyle(
            arch=None,
            qk_norm="head" if qk_norm else "",
            moe=moe,
            router_bias=moe and c.flag("moe_gate_bias", default=False),
        ),
    )


FAMILIES: Final[dict[str, Builder]] = {"k2_horizon": build_k2_horizon}
