"""Which function builds which Hugging Face model_type: a new family is a line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from planner.models.family_blocks import Draft
from planner.models.family_decoder import Style, build
from planner.models.family_gemma import build_gemma3
from planner.models.family_hybrid import build_granite_hybrid, build_qwen_next
from planner.models.family_mla import MlaStyle, build_mla
from planner.models.family_styles import STYLES
from planner.models.hf_reader import Reader

Family = Callable[[Reader], Draft]

_MLA: Final[dict[str, MlaStyle]] = {
    "deepseek_v2": MlaStyle(arch="deepseek2"),
    "deepseek_v3": MlaStyle(arch="deepseek2", mtp="not in gguf"),
    "kimi_k2": MlaStyle(arch="deepseek2", mtp="not in gguf"),
}


def _styled(style: Style) -> Family:
    return lambda c: build(c, style)


def _latent(style: MlaStyle) -> Family:
    return lambda c: build_mla(c, style)


FAMILIES: Final[dict[str, Family]] = {
    **{kind: _styled(style) for kind, style in STYLES.items()},
    **{kind: _latent(style) for kind, style in _MLA.items()},
    "gemma3_text": build_gemma3,
    "gemma3": build_gemma3,
    "granitemoehybrid": build_granite_hybrid,
    "qwen3_next": lambda c: build_qwen_next(c, "qwen3next", moe=True, joint=True),
    "qwen3_5": lambda c: build_qwen_next(c, "qwen35", moe=False, joint=False),
    "qwen3_5_text": lambda c: build_qwen_next(c, "qwen35", moe=False, joint=False),
    "qwen3_5_moe": lambda c: build_qwen_next(c, "qwen35moe", moe=True, joint=False),
    "qwen3_5_moe_text": lambda c: build_qwen_next(c, "qwen35moe", moe=True, joint=False),
}
