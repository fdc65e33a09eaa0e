"""The Style of every family of ordinary decoders, by Hugging Face model_type."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from planner.models.config.families import decoder_keys as p
from planner.models.config.families.decoder import Mtp, Style
from planner.models.config.families.decoder_keys import windows

_OLMO: Final = Style(arch="olmo2", pre_norm=False, post_norms=True, qk_norm="row")
_GLM_MOE: Final = Style(
    arch="glm4moe",
    out_bias=False,
    qk_norm="head",
    qk_norm_flag="use_qk_norm",
    ffn_norm="post_attention_norm",
    moe=True,
    router_bias=True,
    mtp=Mtp(embed=True, head=True),
)
_EXAONE45: Final = Style(
    arch="exaone4",
    pre_norm=False,
    post_norms=True,
    qk_norm="head",
    windows=p.exaone4_windows,
    rope_freqs=True,
    mtp=Mtp(default=1),  # in the checkpoint, whether the file says so or not
)
_EXAONE4: Final = Style(
    arch="exaone4",
    pre_norm=False,
    post_norms=True,
    qk_norm="head",
    windows=p.exaone4_windows,
    rope_freqs=True,
)
_QWEN2: Final = Style(arch="qwen2", qkv_bias=True, out_bias=False)
_MIMO2: Final = Style(
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
_STEP35: Final = Style(
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
_BAILING: Final = Style(
    arch="bailingmoe2", fused_qkv=True, qkv_bias=False, qk_norm="head", moe=True, router_bias=True,
    mtp=Mtp(out_norm=True, head_norm=False),
)  # fmt: skip
_LAGUNA: Final = Style(
    arch="laguna",
    prepare=p.laguna_keys,
    qk_norm="head",
    attn_gate="head",
    moe=True,
    router_bias=True,
    windows=windows(4, full_first=True),
    shapes=p.laguna_shapes,
)

STYLES: Final[dict[str, Style]] = {
    "llama": Style(arch="llama", rope_freqs=True),
    "mistral": Style(arch="llama"),
    "ministral": Style(arch="llama"),
    "ministral3": Style(arch="mistral3"),
    "mixtral": Style(arch="llama", moe=True),
    "internlm3": Style(arch="llama", qkv_bias=False, out_bias=False),
    "qwen2": _QWEN2,
    "qwen2_vl": Style(arch="qwen2vl", qkv_bias=True, out_bias=False),
    "qwen2_vl_text": Style(arch="qwen2vl", qkv_bias=True, out_bias=False),
    "qwen2_5_vl": Style(arch="qwen2vl", qkv_bias=True, out_bias=False),
    "qwen2_5_vl_text": Style(arch="qwen2vl", qkv_bias=True, out_bias=False),
    "qwen2_moe": Style(arch="qwen2moe", qkv_bias=True, out_bias=False, moe=True, shared_router=True),
    "mimo": Style(arch="qwen2", qkv_bias=True, out_bias=False, mtp=Mtp(in_gguf=False)),
    "qwen3": Style(arch="qwen3", qk_norm="head"),
    "qwen3_vl": Style(arch="qwen3vl", qk_norm="head"),
    "qwen3_vl_text": Style(arch="qwen3vl", qk_norm="head"),
    "qwen3_moe": Style(arch="qwen3moe", qk_norm="head", moe=True),
    "qwen3_vl_moe": Style(arch="qwen3vlmoe", qk_norm="head", moe=True),
    "qwen3_vl_moe_text": Style(arch="qwen3vlmoe", qk_norm="head", moe=True),
    "gpt_oss": Style(
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
    "gemma": Style(arch="gemma", tied=True),
    "gemma2": Style(arch="gemma2", tied=True, post_norms=True, windows=windows(2)),
    "phi3": Style(arch="phi3", fused_qkv=True, fused_ffn=True, rope_freqs=True),
    "phi4-siglip": Style(arch="phi3", fused_qkv=True, fused_ffn=True, rope_freqs=True),
    "olmo2": _OLMO,
    "olmo3": Style(arch="olmo2", pre_norm=False, post_norms=True, qk_norm="row", windows=windows(4)),
    "smollm3": Style(arch="smollm3", tied=True),
    "seed_oss": Style(arch="seed_oss", out_bias=False, ffn_norm="post_attention_norm"),
    "granite": Style(arch="granite", prepare=p.granite_keys, tied=True),
    "granitemoe": Style(arch="granitemoe", prepare=p.granite_keys, tied=True, moe=True),
    "granitemoeshared": Style(arch="granitemoe", prepare=p.granite_keys, tied=True, moe=True),
    "cohere": Style(arch="command-r", tied=True, ffn_norm=None),
    "cohere2": Style(arch="cohere2", tied=True, ffn_norm=None, windows=windows(4)),
    "cohere2_moe": Style(
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
    "exaone_moe": Style(
        arch="exaone-moe",
        qk_norm="head",
        moe=True,
        router_bias=True,
        windows=windows(4),
        rope_freqs=True,
        mtp=Mtp(sparse=False),
    ),
    "arcee": Style(arch="arcee", gated=False, rope_freqs=True),
    "apertus": Style(arch="apertus", gated=False, qk_norm="head", rope_freqs=True),
    "glm4": Style(arch="glm4", out_bias=False, fused_ffn=True, post_norms=True),
    "glm4v": Style(arch="glm4", out_bias=False, fused_ffn=True, post_norms=True),
    "glm4v_text": Style(arch="glm4", out_bias=False, fused_ffn=True, post_norms=True),
    "glm4_moe": _GLM_MOE,
    "glm4v_moe": _GLM_MOE,
    "glm4v_moe_text": _GLM_MOE,
    "solar_open": Style(
        arch="glm4moe", out_bias=False, ffn_norm="post_attention_norm", moe=True, router_bias=True
    ),
    "starcoder2": Style(
        arch="starcoder2", tied=True, norm_bias=True, qkv_bias=True, out_bias=True, gated=False, ffn_bias=True
    ),
    "minicpm": Style(arch="minicpm", tied=True, rope_freqs=True),
    "ernie4_5": Style(arch="ernie4_5", tied=True),
    "ernie4_5_moe": Style(
        arch="ernie4_5-moe",
        prepare=p.ernie_keys,
        tied=True,
        moe=True,
        router_bias=True,
        mtp=Mtp(sparse=False, head_norm=False, in_gguf=False),
    ),
    "hunyuan_v1_dense": Style(arch="hunyuan-dense", tied=False, qk_norm="head"),
    "hunyuan_v1_moe": Style(arch="hunyuan-moe", prepare=p.hunyuan_keys, qk_norm="head", moe=True, tied=True),
    "hy_v3": Style(
        arch="hy_v3",
        prepare=p.first_dense_keys,
        qk_norm="head",
        moe=True,
        bare_router_bias=True,
        mtp=Mtp(),
    ),
    "dots1": Style(arch="dots1", qk_norm="head", moe=True, router_bias=True),
    "minimax_m2": Style(arch="minimax-m2", qk_norm="row", moe=True, router_bias=True),
    "laguna": _LAGUNA,
    "laguna_per_element": replace(_LAGUNA, attn_gate="element"),
    "afmoe": Style(
        arch="afmoe",
        post_norms=True,
        qk_norm="head",
        attn_gate="element",
        moe=True,
        router_bias=True,
        windows=windows(4),
    ),
    "mellum": Style(arch="mellum", qk_norm="head", moe=True, windows=windows(1)),
    "muse_glimmer": Style(
        arch="muse-glimmer", post_norms=True, qk_norm="head", attn_gate="element", windows=windows(4)
    ),
    "muse_glimmer_text": Style(
        arch="muse-glimmer", post_norms=True, qk_norm="head", attn_gate="element", windows=windows(4)
    ),
    "llama4": Style(
        arch="llama4", prepare=p.llama4_keys, moe=True, windows=windows(4), chunked=True, rope_freqs=True
    ),
    "llama4_text": Style(
        arch="llama4", prepare=p.llama4_keys, moe=True, windows=windows(4), chunked=True, rope_freqs=True
    ),
    "mimo_v2_flash": _MIMO2,
    "mimo_v2": _MIMO2,
    "step3p5": _STEP35,
    "step3p7": _STEP35,
    "step3p7_text": _STEP35,
    "bailing_moe_v1": Style(arch="bailingmoe", qkv_bias=False, out_bias=False, moe=True),
    "bailing_moe_v2": _BAILING,
    "exaone": Style(arch="exaone", rope_freqs=True),
    "nemotron": Style(arch="nemotron", norm_bias=True, gated=False),
    "chatglm": Style(
        arch="chatglm", prepare=p.chatglm_keys, fused_qkv=True, qkv_bias=True, out_bias=False, fused_ffn=True
    ),
    "internlm2": Style(arch="internlm2", qkv_bias=False, out_bias=False),
    "baichuan": Style(arch="baichuan"),
    "deepseek": Style(arch="deepseek", moe=True),
    "phimoe": Style(arch="phimoe", norm_bias=True, moe=True, exact=False, notes=("head bias not counted",)),
    "stablelm": Style(
        arch="stablelm", norm_bias=True, qkv_bias=None, out_bias=False, prepare=p.stablelm_keys
    ),
    "gpt_neox": Style(
        arch="gptneox",
        norm_bias=True,
        fused_qkv=True,
        qkv_bias=True,
        out_bias=True,
        gated=False,
        ffn_bias=True,
    ),
    "olmoe": Style(arch="olmoe", qk_norm="row", moe=True),
}
