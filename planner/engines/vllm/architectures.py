"""Everything known of an architecture under vLLM: one row a Hugging Face model_type. Read in vLLM 0.33.0.

Every model_type of which vLLM runs a class has a row here, most of them the ordinary one. Which classes it
runs stands in planner.engines.vllm.registry.
"""

from __future__ import annotations

from typing import Final

from planner.fast_dataclass import dataclass, replace
from planner.models.architecture import Architecture


@dataclass(frozen=True, slots=True)
class VllmTraits:
    """One architecture's row."""

    known: bool = True  # False: vLLM's class for it was not read, it is taken for an ordinary decoder
    # The embedding is built on every pipeline stage, not on the first alone, and the head not on the last
    # alone: vllm/model_executor/models/*.py without PPMissingLayer around them
    embedding_everywhere: bool = False
    head_everywhere: bool = False
    # Recurrent states in fp32 whatever --mamba-ssm-cache-dtype auto says: the checkpoint's config asks for it
    fp32_state: bool = False
    # The projections of recurrent layers are never quantised: models/glm5next/common/kda.py
    plain_recurrent: bool = False
    # Sparse latent attention with an FP8 cache on compute capability 10, unless told otherwise:
    # model_executor/models/config.py GlmMoeDsaForCausalLM, Glm5NextModelConfig
    fp8_cache_on_10: bool = False
    # CUDA graphs are captured for up to this many tokens: GptOssForCausalLMConfig there
    largest_graph: int = 512
    # Tokens of the largest image or video, and patches of the tower behind a token; 0: not known
    # (get_mm_max_tokens_per_item of the class, with what its checkpoints' preprocessor_config.json allows: logs of
    # Qwen3.5 and Qwen2.5-VL servers say 16384 tokens, of Gemma 3 servers seven images in 2048)
    item_tokens: int = 0
    patches_a_token: int = 0
    # How tensor parallelism treats the tower: split by its heads, which must divide; left whole where they don't
    # (is_vit_use_data_parallel(num_heads) in models/vision.py); whole on every rank, being Transformers' own
    tower: str = "split"  # split | falls back | whole
    # Attention goes both ways inside an image, so that a batch must hold the whole of it: is_mm_prefix_lm in
    # transformers_utils/model_arch_config_convertor.py, compute_mm_encoder_budget in v1/core/encoder_cache_manager.py
    whole_items: bool = False
    # 16-bit floats of less range overflow: _FLOAT16_NOT_SUPPORTED_MODELS in config/model.py
    float16: bool = True
    # The class doesn't implement SupportsPP (models/interfaces.py)
    pipeline: bool = True
    # An FP8 cache asserts a query in FP8 too, which nothing sets by itself: models/kimi_k3/nvidia/mla.py
    narrow_cache: bool = True
    # Keeps keys and values of a sound beside those of the text, by rules that are not known here
    speech: bool = False
    # Its n-gram tables stay in pinned host memory unless told otherwise: config/engram.py
    tables_in_ram: bool = False


# fmt: off
_EVERYWHERE: Final = VllmTraits(embedding_everywhere=True, head_everywhere=True)
_QWEN_VL: Final = VllmTraits(item_tokens=16384, patches_a_token=4)
_QWEN35: Final = replace(_QWEN_VL, embedding_everywhere=True, fp32_state=True)
_GEMMA3: Final = replace(
    _EVERYWHERE, item_tokens=260, patches_a_token=16, whole_items=True, float16=False
)
_GEMMA4: Final = replace(  # 32 frames of 70 tokens and their marks
    _EVERYWHERE, item_tokens=2496, patches_a_token=8, whole_items=True, tower="whole"
)
_PIXTRAL: Final = VllmTraits(item_tokens=3080, patches_a_token=4)
_GLM5_NEXT: Final = VllmTraits(fp8_cache_on_10=True, plain_recurrent=True)

ARCHITECTURES: Final[dict[str, VllmTraits]] = {
    # nothing out of the ordinary
    **dict.fromkeys(
        (
            "afmoe", "apertus", "arcee", "bailing_hybrid", "bailing_moe", "beam", "bloom", "chatglm", "deepseek",
            "deepseek_ref", "deepseek_v2", "deepseek_v3", "deepseek_v32", "deepseek_v4", "ernie4_5", "ernie4_5_moe",
            "exaone", "exaone4", "exaone4_5", "exaone4_5_text", "exaone_moe", "falcon_h1", "glm4_moe",
            "glm4_moe_lite", "glm4v", "glm4v_moe", "glm4v_moe_text", "glm4v_text", "gpt_bigcode", "gpt_neox",
            "granite", "hunyuan_v1_dense", "hunyuan_v1_moe", "hy_v4", "hy_v4_vl", "inkling", "inkling_mm_model",
            "inkling_text", "internlm3", "k2_horizon", "laguna", "llama", "llama4", "llama4_text", "longcat_flash",
            "mellum", "mimo", "mimo_v2", "mimo_v2_flash", "minimax_m2", "minimax_m3", "minimax_m3_vl",
            "minimax_m3_vl_text", "ministral", "ministral3", "mistral4", "muse_spark", "muse_spark_text",
            "nemotron", "nemotron-nas", "olmo2", "olmo3", "phi", "phi3", "phi4-siglip", "qwen2", "qwen3",
            "qwen3_omni_moe", "qwen3_omni_moe_text", "seed_oss", "smollm3", "solar_open", "starcoder2", "step3p5",
            "step3p7", "step3p7_text",
        ),
        VllmTraits(),
    ),
    **dict.fromkeys(
        (
            "cohere", "cohere2", "cohere2_moe", "dbrx", "falcon", "gemma", "gpt2", "granitemoe", "granitemoehybrid",
            "granitemoeshared", "hy_v3", "internlm2", "jamba", "minicpm", "mixtral", "olmoe", "phimoe", "qwen2_moe",
            "qwen3_moe", "qwen3_next", "stablelm",
        ),
        _EVERYWHERE,
    ),
    **dict.fromkeys(  # encoders that pool (models/bert.py, roberta.py, modernbert.py, bert_with_rope.py)
        ("bert", "modernbert", "nomic_bert", "roberta", "xlm-roberta"), VllmTraits(pipeline=False),
    ),
    "whisper": VllmTraits(speech=True, pipeline=False),
    "glm5_next": _GLM5_NEXT,
    "glm5_next_text": _GLM5_NEXT,
    "glm_moe_dsa": VllmTraits(fp8_cache_on_10=True),
    "gpt_oss": VllmTraits(embedding_everywhere=True, head_everywhere=True, largest_graph=1024),
    "lfm2": VllmTraits(embedding_everywhere=True),
    "lfm2_moe": VllmTraits(embedding_everywhere=True),
    "nemotron_h": VllmTraits(embedding_everywhere=True, head_everywhere=True, fp32_state=True),
    **dict.fromkeys(("qwen3_5", "qwen3_5_moe", "qwen3_5_moe_text", "qwen3_5_text"), _QWEN35),
    **dict.fromkeys(("qwen3_6", "qwen3_6_moe", "qwen3_8"), replace(_QWEN_VL, fp32_state=True)),
    **dict.fromkeys(("qwen2_vl", "qwen2_vl_text", "qwen2_5_vl", "qwen2_5_vl_text"), _QWEN_VL),
    **dict.fromkeys(("qwen3_vl", "qwen3_vl_text", "qwen3_vl_moe", "qwen3_vl_moe_text"), _QWEN_VL),
    "gemma3": _GEMMA3,
    "gemma3_text": replace(_EVERYWHERE, float16=False),
    "gemma4": _GEMMA4,
    "gemma4_text": _EVERYWHERE,
    "gemma4_unified": VllmTraits(item_tokens=2496, whole_items=True),
    "gemma4_unified_text": VllmTraits(),
    **dict.fromkeys(("gemma3n", "gemma3n_text"), replace(_EVERYWHERE, pipeline=False)),
    "gemma2": replace(_EVERYWHERE, float16=False),
    "glm4": VllmTraits(float16=False),
    **dict.fromkeys(("qwen4_exp", "qwen4_exp_text"), VllmTraits(tables_in_ram=True)),
    "diffusion_gemma": VllmTraits(pipeline=False, tower="whole"),
    "kimi_linear": VllmTraits(narrow_cache=False),
    "kimi_k3": VllmTraits(narrow_cache=False, tower="falls back"),
    **dict.fromkeys(("kimi_k2", "muse_glimmer", "muse_glimmer_text"), VllmTraits(tower="falls back")),
    **dict.fromkeys(("mistral", "mistral3", "pixtral"), _PIXTRAL),
}
# fmt: on
_UNREAD: Final = VllmTraits(known=False)


def smallest_batch(arch: Architecture, *, text_only: bool) -> int:
    """Return the tokens that max_num_batched_tokens must hold at least, 0 where nothing asks for any."""
    own = vllm_traits(arch)
    return own.item_tokens if own.whole_items and not text_only else 0


def vllm_traits(arch: Architecture) -> VllmTraits:
    """Return an architecture's row; where there is none, an ordinary decoder's that says so."""
    return ARCHITECTURES.get(arch.model_type, _UNREAD)
