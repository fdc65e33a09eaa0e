"""The style of every family of ordinary decoders, by model_type: a new one is a row here."""

from __future__ import annotations

from functools import partial
from typing import Final

from planner.fast_dataclass import replace
from planner.models.config.families import decoder_keys as p
from planner.models.config.families.decoder import DecoderStyle, Mtp, build_decoder
from planner.models.config.families.decoder_keys import windows
from planner.models.config.families.parts import Blueprint, Builder
from planner.models.config.reader import Reader

_OLMO: Final = DecoderStyle(arch="olmo2", pre_norm=False, post_norms=True, qk_norm="row")
_GLM_MOE: Final = DecoderStyle(
    arch="glm4moe",
    out_bias=False,
    qk_norm="head",
    qk_norm_flag="use_qk_norm",
    ffn_norm="post_attention_norm",
    moe=True,
    router_bias=True,
    mtp=Mtp(embed=True, head=True),
)
_EXAONE45: Final = DecoderStyle(
    arch="exaone4",
    pre_norm=False,
    post_norms=True,
    qk_norm="head",
    windows=p.exaone4_windows,
    rope_freqs=True,
    mtp=Mtp(default=1),  # in the checkpoint, whether the file says so or not
)
_EXAONE4: Final = DecoderStyle(
    arch="exaone4",
    pre_norm=False,
    post_norms=True,
    qk_norm="head",
    windows=p.exaone4_windows,
    rope_freqs=True,
)
_QWEN3_VL_MOE: Final = DecoderStyle(arch="qwen3vlmoe", qk_norm="head", moe=True)
_QWEN2: Final = DecoderStyle(arch="qwen2", qkv_bias=True, out_bias=False)
_MIMO2: Final = DecoderStyle(
    arch="mimo2",
    prepare=p.mimo2_keys,
    moe=True,
    router_bias=True,
    sinks="sliding",
    windows=windows(6),
    shapes=p.mimo2_shapes,
    # three prediction layers whose number no key states (conversion/mimo.py)
    mtp=Mtp(default=3, sparse=False, slides=True, head_norm=False, out_norm=True),
)
_STEP35: Final = DecoderStyle(
    arch="step35",
    prepare=p.step35_keys,
    qk_norm="head",
    attn_gate="head",
    moe=True,
    router_bias=True,
    windows=windows(4, full_first=True),
    shapes=p.step35_shapes,
    rope_freqs=True,
    mtp=Mtp(sparse=False, slides=True, head=True),
)
_BAILING_1: Final = DecoderStyle(arch="bailingmoe", qkv_bias=False, out_bias=False, moe=True)
_BAILING_2: Final = DecoderStyle(
    arch="bailingmoe2", fused_qkv=True, qkv_bias=False, qk_norm="head", moe=True, router_bias=True,
    mtp=Mtp(out_norm=True, head_norm=False),
)  # fmt: skip
_LAGUNA: Final = DecoderStyle(
    arch="laguna",
    prepare=p.laguna_keys,
    qk_norm="head",
    attn_gate="head",
    moe=True,
    router_bias=True,
    windows=windows(4, full_first=True),
    shapes=p.laguna_shapes,
)

_STYLES: Final[dict[str, DecoderStyle]] = {
    "llama": DecoderStyle(arch="llama", rope_freqs=True),
    "mistral": DecoderStyle(arch="llama"),
    "ministral": DecoderStyle(arch="llama"),
    "ministral3": DecoderStyle(arch="mistral3"),
    "mixtral": DecoderStyle(arch="llama", moe=True),
    "internlm3": DecoderStyle(arch="llama", qkv_bias=False, out_bias=False),
    "qwen2": _QWEN2,
    "qwen2_vl": DecoderStyle(arch="qwen2vl", qkv_bias=True, out_bias=False),
    "qwen2_vl_text": DecoderStyle(arch="qwen2vl", qkv_bias=True, out_bias=False),
    "qwen2_5_vl": DecoderStyle(arch="qwen2vl", qkv_bias=True, out_bias=False),
    "qwen2_5_vl_text": DecoderStyle(arch="qwen2vl", qkv_bias=True, out_bias=False),
    "qwen2_moe": DecoderStyle(arch="qwen2moe", qkv_bias=True, out_bias=False, moe=True, shared_router=True),
    "mimo": DecoderStyle(arch="qwen2", qkv_bias=True, out_bias=False, mtp=Mtp(in_gguf=False)),
    "qwen3": DecoderStyle(arch="qwen3", qk_norm="head"),
    "qwen3_vl": DecoderStyle(arch="qwen3vl", qk_norm="head"),
    "qwen3_vl_text": DecoderStyle(arch="qwen3vl", qk_norm="head"),
    "qwen3_moe": DecoderStyle(arch="qwen3moe", qk_norm="head", moe=True),
    "qwen3_vl_moe": _QWEN3_VL_MOE,
    "qwen3_vl_moe_text": _QWEN3_VL_MOE,
    "qwen3_omni_moe": _QWEN3_VL_MOE,
    "qwen3_omni_moe_text": _QWEN3_VL_MOE,
    "gpt_oss": DecoderStyle(
        arch="gpt-oss",
        qkv_bias=True,
        out_bias=True,
        sinks="all",
        ffn_norm="post_attention_norm",
        moe=True,
        expert_bias=True,
        windows=windows(2),
        rope_float32=True,
    ),
    "gemma": DecoderStyle(arch="gemma", tied=True),
    "gemma2": DecoderStyle(arch="gemma2", tied=True, post_norms=True, windows=windows(2)),
    "phi3": DecoderStyle(arch="phi3", fused_qkv=True, fused_ffn=True, rope_freqs=True),
    "phi4-siglip": DecoderStyle(arch="phi3", fused_qkv=True, fused_ffn=True, rope_freqs=True),
    "olmo2": _OLMO,
    "olmo3": DecoderStyle(arch="olmo2", pre_norm=False, post_norms=True, qk_norm="row", windows=windows(4)),
    "smollm3": DecoderStyle(arch="smollm3", tied=True),
    "seed_oss": DecoderStyle(arch="seed_oss", out_bias=False, ffn_norm="post_attention_norm"),
    "granite": DecoderStyle(arch="granite", prepare=p.granite_keys, tied=True),
    "granitemoe": DecoderStyle(arch="granitemoe", prepare=p.granite_keys, tied=True, moe=True),
    "granitemoeshared": DecoderStyle(arch="granitemoe", prepare=p.granite_keys, tied=True, moe=True),
    "cohere": DecoderStyle(arch="command-r", tied=True, ffn_norm=None),
    "cohere2": DecoderStyle(arch="cohere2", tied=True, ffn_norm=None, windows=windows(4)),
    "cohere2_moe": DecoderStyle(
        arch="cohere2moe",
        prepare=p.cohere_moe_keys,
        tied=True,
        ffn_norm=None,
        moe=True,
        windows=windows(4),
        mtp=Mtp(),
    ),
    "exaone4": _EXAONE4,
    "exaone4_5": _EXAONE45,
    "exaone4_5_text": _EXAONE45,
    "exaone_moe": DecoderStyle(
        arch="exaone-moe",
        qk_norm="head",
        moe=True,
        router_bias=True,
        windows=windows(4),
        rope_freqs=True,
        mtp=Mtp(sparse=False),
    ),
    "arcee": DecoderStyle(arch="arcee", gated=False, rope_freqs=True),
    "apertus": DecoderStyle(arch="apertus", gated=False, qk_norm="head", rope_freqs=True),
    "glm4": DecoderStyle(arch="glm4", out_bias=False, fused_ffn=True, post_norms=True),
    "glm4v": DecoderStyle(arch="glm4", out_bias=False, fused_ffn=True, post_norms=True),
    "glm4v_text": DecoderStyle(arch="glm4", out_bias=False, fused_ffn=True, post_norms=True),
    "glm4_moe": _GLM_MOE,
    "glm4v_moe": _GLM_MOE,
    "glm4v_moe_text": _GLM_MOE,
    "solar_open": DecoderStyle(
        arch="glm4moe", out_bias=False, ffn_norm="post_attention_norm", moe=True, router_bias=True
    ),
    "starcoder2": DecoderStyle(
        arch="starcoder2", tied=True, norm_bias=True, qkv_bias=True, out_bias=True, gated=False, ffn_bias=True
    ),
    "minicpm": DecoderStyle(arch="minicpm", tied=True, rope_freqs=True),
    "ernie4_5": DecoderStyle(arch="ernie4_5", tied=True),
    "ernie4_5_moe": DecoderStyle(
        arch="ernie4_5-moe",
        prepare=p.ernie_keys,
        tied=True,
        moe=True,
        router_bias=True,
        mtp=Mtp(sparse=False, head_norm=False, in_gguf=False),
    ),
    "hunyuan_v1_dense": DecoderStyle(arch="hunyuan-dense", tied=False, qk_norm="head"),
    "hunyuan_v1_moe": DecoderStyle(
        arch="hunyuan-moe", prepare=p.hunyuan_keys, qk_norm="head", moe=True, tied=True
    ),
    "hy_v3": DecoderStyle(
        arch="hy_v3",
        prepare=p.first_dense_keys,
        qk_norm="head",
        moe=True,
        bare_router_bias=True,
        mtp=Mtp(),
    ),
    "dots1": DecoderStyle(arch="dots1", qk_norm="head", moe=True, router_bias=True),
    "minimax_m2": DecoderStyle(arch="minimax-m2", qk_norm="row", moe=True, router_bias=True),
    "afmoe": DecoderStyle(
        arch="afmoe",
        post_norms=True,
        qk_norm="head",
        attn_gate="element",
        moe=True,
        router_bias=True,
        windows=windows(4),
    ),
    "mellum": DecoderStyle(arch="mellum", qk_norm="head", moe=True, windows=windows(1)),
    "muse_glimmer": DecoderStyle(
        arch="muse-glimmer", post_norms=True, qk_norm="head", attn_gate="element", windows=windows(4)
    ),
    "muse_glimmer_text": DecoderStyle(
        arch="muse-glimmer", post_norms=True, qk_norm="head", attn_gate="element", windows=windows(4)
    ),
    "llama4": DecoderStyle(
        arch="llama4", prepare=p.llama4_keys, moe=True, windows=windows(4), chunked=True, rope_freqs=True
    ),
    "llama4_text": DecoderStyle(
        arch="llama4", prepare=p.llama4_keys, moe=True, windows=windows(4), chunked=True, rope_freqs=True
    ),
    "mimo_v2_flash": _MIMO2,
    "mimo_v2": _MIMO2,
    "step3p5": _STEP35,
    "step3p7": _STEP35,
    "step3p7_text": _STEP35,
    "exaone": DecoderStyle(arch="exaone", rope_freqs=True),
    "nemotron": DecoderStyle(arch="nemotron", norm_bias=True, gated=False),
    "chatglm": DecoderStyle(
        arch="chatglm", prepare=p.chatglm_keys, fused_qkv=True, qkv_bias=True, out_bias=False, fused_ffn=True
    ),
    "internlm2": DecoderStyle(arch="internlm2", qkv_bias=False, out_bias=False),
    "baichuan": DecoderStyle(arch="baichuan"),
    "deepseek": DecoderStyle(arch="deepseek", moe=True),
    "phimoe": DecoderStyle(
        arch="phimoe", norm_bias=True, moe=True, exact=False, notes=("head bias not counted",)
    ),
    "stablelm": DecoderStyle(
        arch="stablelm", norm_bias=True, qkv_bias=None, out_bias=False, prepare=p.stablelm_keys
    ),
    "gpt_neox": DecoderStyle(
        arch="gptneox",
        norm_bias=True,
        fused_qkv=True,
        qkv_bias=True,
        out_bias=True,
        gated=False,
        ffn_bias=True,
    ),
    "olmoe": DecoderStyle(arch="olmoe", qk_norm="row", moe=True),
}


def _build_bailing(c: Reader) -> Blueprint:
    """Ling 1 and Ling 2 share a model_type: the first has neither Q/K norms nor a selection bias."""
    first = "BailingMoeForCausalLM" in (c.texts("architectures") or ())
    return build_decoder(c, _BAILING_1 if first else _BAILING_2)


def _build_laguna(c: Reader) -> Blueprint:
    """Laguna M.1 gates every element of the attention's output, the others a head (conversion/laguna.py)."""
    kinds = c.texts("gating_types") or (str(c.data.get("gating", "")),)
    element = any(kind.replace("-", "_") == "per_element" for kind in kinds)
    return build_decoder(c, replace(_LAGUNA, attn_gate="element") if element else _LAGUNA)


FAMILIES: Final[dict[str, Builder]] = {
    **{kind: partial(build_decoder, s=style) for kind, style in _STYLES.items()},
    "bailing_moe": _build_bailing,
    "laguna": _build_laguna,
}
