"""Which function builds which Hugging Face model_type: a new family is a line here or in family_styles.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from planner.models.config.families import new as new
from planner.models.config.families import older as older
from planner.models.config.families.decoder import Style, build
from planner.models.config.families.decoder_keys import first_dense_keys
from planner.models.config.families.decoder_table import STYLES
from planner.models.config.families.deepseek_v4 import build_deepseek4
from planner.models.config.families.gated_delta import build_qwen_next
from planner.models.config.families.gemma3 import build_gemma3
from planner.models.config.families.gemma4 import build_gemma3n, build_gemma4
from planner.models.config.families.kimi_delta import KdaStyle, build_kda
from planner.models.config.families.latent_attention import MlaStyle, build_mla
from planner.models.config.families.mamba2_hybrids import (
    build_falcon_h1,
    build_granite_hybrid,
    build_nemotron_h,
)
from planner.models.config.families.mixed import build_jamba, build_lfm2, build_minimax01
from planner.models.config.families.parts import Draft
from planner.models.config.families.varied import (
    build_longcat,
    build_minimax_m3,
    build_mllama,
    build_nemotron_nas,
)
from planner.models.config.reader import Reader

Family = Callable[[Reader], Draft]

_MLA: Final[dict[str, MlaStyle]] = {
    "deepseek_v2": MlaStyle(arch="deepseek2"),
    "deepseek_v3": MlaStyle(arch="deepseek2", mtp="not in gguf", router_bias=True),
    "kimi_k2": MlaStyle(arch="deepseek2", mtp="not in gguf", router_bias=True),
    "deepseek_v32": MlaStyle(arch="deepseek32", mtp="yes", router_bias=True, indexer=True),
    "glm4_moe_lite": MlaStyle(arch="deepseek2", prepare=first_dense_keys, mtp="yes", router_bias=True),
    "glm_moe_dsa": MlaStyle(arch="glm-dsa", mtp="yes", mtp_vocab=False, router_bias=True, indexer=True),
    "mistral4": MlaStyle(arch="mistral4", router_bias=False),
    "hy_v4": MlaStyle(arch="hy_v4", prepare=first_dense_keys, router_bias=True, indexer=True, hyper=True),
    "mistral_large4": MlaStyle(
        arch=None,
        router_bias=True,
        indexer=True,
        exact=False,
        notes=("layers are taken for DeepSeek V3.2's: the published description has no list of tensors",),
    ),
}

_KDA: Final[dict[str, KdaStyle]] = {
    "kimi_linear": KdaStyle(arch="kimi-linear"),
    "kimi_k3": KdaStyle(
        arch="kimi-k3", gate="ssm_g", latent_gate="element", residual_scores=True, flat_a=True
    ),
    "bailing_hybrid": KdaStyle(
        arch="bailingmoe3", decay="full", gate="full", latent_gate="head", mtp=True, mtp_out_norm=True
    ),
    "glm5_next": KdaStyle(arch="glm5-next", indexer=True, hyper=True, flat_a=True, mtp=True, mtp_vocab=False),
}

_ALIASES: Final = {
    "gemma3": "gemma3_text",
    "gemma3n": "gemma3n_text",
    "gemma4": "gemma4_text",
    "gemma4_unified": "gemma4_text",
    "gemma4_unified_text": "gemma4_text",
    "diffusion_gemma": "gemma4_text",
    "qwen3_5": "qwen3_5_text",
    "qwen3_5_moe": "qwen3_5_moe_text",
    "glm5_next_text": "glm5_next",
    "minimax_text_01": "minimax_m1",
    "minimax": "minimax_m1",
    "minimax_m3_vl": "minimax_m3",
    "minimax_m3_vl_text": "minimax_m3",
    "mllama": "mllama_text_model",
    "hy_v4_vl": "hy_v4",
    "inkling_mm_model": "inkling_text",
    "inkling": "inkling_text",
    "muse_spark": "muse_spark_text",
    "qwen4_exp": "qwen4_exp_text",
    "qwen3_omni_moe": "qwen3_vl_moe_text",
    "qwen3_omni_moe_text": "qwen3_vl_moe_text",
    "mistral_large4_text": "mistral_large4",
    "deepseek_ref": "deepseek_v4",  # as some republished V4 files call it
}


def _styled(style: Style) -> Family:
    return lambda c: build(c, style)


def _latent(style: MlaStyle) -> Family:
    return lambda c: build_mla(c, style)


def _kda(style: KdaStyle) -> Family:
    return lambda c: build_kda(c, style)


def _bailing(c: Reader) -> Draft:
    """Ling 1 and Ling 2 share a model_type: the first has neither Q/K norms nor a selection bias."""
    first = "BailingMoeForCausalLM" in (c.texts("architectures") or ())
    return build(c, STYLES["bailing_moe_v1" if first else "bailing_moe_v2"])


def _laguna(c: Reader) -> Draft:
    """Laguna M.1 gates every element of the attention's output, the others a head (conversion/laguna.py)."""
    kinds = c.texts("gating_types") or (str(c.data.get("gating", "")),)
    element = any(kind.replace("-", "_") == "per_element" for kind in kinds)
    return build(c, STYLES["laguna_per_element" if element else "laguna"])


_BUILT: Final[dict[str, Family]] = {
    **{kind: _styled(style) for kind, style in STYLES.items()},
    **{kind: _latent(style) for kind, style in _MLA.items()},
    **{kind: _kda(style) for kind, style in _KDA.items()},
    "deepseek_v4": build_deepseek4,
    "gemma3_text": build_gemma3,
    "gemma3n_text": build_gemma3n,
    "gemma4_text": build_gemma4,
    "granitemoehybrid": build_granite_hybrid,
    "nemotron_h": build_nemotron_h,
    "falcon_h1": build_falcon_h1,
    "jamba": build_jamba,
    "lfm2": lambda c: build_lfm2(c, "lfm2"),
    "lfm2_moe": lambda c: build_lfm2(c, "lfm2moe"),
    "minimax_m1": build_minimax01,
    "minimax_m3": build_minimax_m3,
    "qwen3_next": lambda c: build_qwen_next(c, "qwen3next", moe=True, joint=True),
    "qwen3_5_text": lambda c: build_qwen_next(c, "qwen35", moe=False, joint=False),
    "qwen3_5_moe_text": lambda c: build_qwen_next(c, "qwen35moe", moe=True, joint=False),
    "nemotron-nas": build_nemotron_nas,
    "mllama_text_model": build_mllama,
    "longcat_flash": build_longcat,
    "k2_horizon": new.build_k2_horizon,
    "beam": new.build_beam,
    "muse_spark_text": new.build_muse_spark,
    "lfm3": new.build_lfm3,
    "inkling_text": new.build_inkling,
    "qwen4_exp_text": new.build_qwen4_exp,
    "bailing_moe": _bailing,
    "laguna": _laguna,
    "phi": older.build_phi2,
    "gpt2": older.build_gpt2,
    "gpt_bigcode": older.build_gpt_bigcode,
    "bloom": older.build_bloom,
    "falcon": older.build_falcon,
    "dbrx": older.build_dbrx,
    "grok-1": older.build_grok,
    "git": older.build_grok,
    "arctic": older.build_arctic,
}
FAMILIES: Final[dict[str, Family]] = _BUILT | {alias: _BUILT[kind] for alias, kind in _ALIASES.items()}
