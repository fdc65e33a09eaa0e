"""Which function builds which Hugging Face model_type: a new family is a line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from planner.models.family_blocks import Draft
from planner.models.family_decoder import Style, build, windows
from planner.models.family_gemma import build_gemma3
from planner.models.family_hybrid import build_granite_hybrid, build_qwen_next
from planner.models.family_mla import MlaStyle, build_mla
from planner.models.hf_reader import Reader

Family = Callable[[Reader], Draft]

_STYLES: Final[dict[str, Style]] = {
    "llama": Style(arch="llama", rope_freqs=True),
    "mistral": Style(arch="llama"),
    "mixtral": Style(arch="llama", moe=True),
    "qwen2": Style(arch="qwen2", qkv_bias=True, out_bias=False),
    "qwen2_moe": Style(arch="qwen2moe", qkv_bias=True, out_bias=False, moe=True, shared_router=True),
    "qwen3": Style(arch="qwen3", qk_norm="head"),
    "qwen3_moe": Style(arch="qwen3moe", qk_norm="head", moe=True),
    "gpt_oss": Style(
        arch="gpt-oss",
        qkv_bias=True,
        out_bias=True,
        sinks=True,
        ffn_norm="post_attention_norm",
        moe=True,
        expert_bias=True,
        windows=windows(2),
        rope_float32=True,
    ),
    "gemma": Style(arch="gemma", tied=True),
    "gemma2": Style(arch="gemma2", tied=True, post_norms=True, windows=windows(2)),
    "glm4_moe": Style(
        arch="glm4moe",
        out_bias=False,
        ffn_norm="post_attention_norm",
        moe=True,
        router_bias=True,
        mtp_embed=True,
    ),
}

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
    **{kind: _styled(style) for kind, style in _STYLES.items()},
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
