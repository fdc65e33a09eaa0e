"""Which file of this folder builds which model_type of a config.json: a line a file.

A file names its model types a second time in its own FAMILIES, with the function that builds each; a test
holds the two together. A type that no line names is looked up among the decoders of decoder_table.py. Files
are imported when a model asks for them: a command reads few of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from planner.models.config.families.parts import Builder

MODEL_TYPES: Final[dict[str, tuple[str, ...]]] = {
    "arctic": ("arctic",),
    "beam": ("beam",),
    "dbrx": ("dbrx",),
    "deepseek_v4": ("deepseek_v4", "deepseek_ref"),
    "encoders": ("bert", "roberta", "xlm-roberta", "nomic_bert", "modernbert"),
    "falcon_h1": ("falcon_h1",),
    "gated_delta": (
        "qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text",
    ),
    "gemma3": ("gemma3", "gemma3_text"),
    "gemma3n": ("gemma3n", "gemma3n_text"),
    "gemma4": ("gemma4", "gemma4_text", "gemma4_unified", "gemma4_unified_text", "diffusion_gemma"),
    "gpt2_kin": ("gpt2", "gpt_bigcode", "bloom", "falcon", "phi"),
    "granite_hybrid": ("granitemoehybrid",),
    "grok": ("grok-1", "git"),
    "inkling": ("inkling", "inkling_mm_model", "inkling_text"),
    "jamba": ("jamba",),
    "k2_horizon": ("k2_horizon",),
    "kimi_delta": ("kimi_linear", "kimi_k3", "bailing_hybrid", "glm5_next", "glm5_next_text"),
    "latent_attention": (
        "deepseek_v2", "deepseek_v3", "deepseek_v32", "kimi_k2", "glm4_moe_lite", "glm_moe_dsa", "mistral4",
        "mistral_large4", "mistral_large4_text", "hy_v4", "hy_v4_vl",
    ),
    "lfm2": ("lfm2", "lfm2_moe"),
    "lfm3": ("lfm3",),
    "longcat": ("longcat_flash",),
    "minimax_01": ("minimax", "minimax_m1", "minimax_text_01"),
    "minimax_m3": ("minimax_m3", "minimax_m3_vl", "minimax_m3_vl_text"),
    "mllama": ("mllama", "mllama_text_model"),
    "muse_spark": ("muse_spark", "muse_spark_text"),
    "nemotron_h": ("nemotron_h",),
    "nemotron_nas": ("nemotron-nas",),
    "qwen4_exp": ("qwen4_exp", "qwen4_exp_text"),
    "whisper": ("whisper",),
}  # fmt: skip
DECODERS: Final = "decoder_table"


def find_builder(model_type: str) -> Builder | None:
    """Return what builds a model type, or None where it has no rules."""
    module = next((name for name, types in MODEL_TYPES.items() if model_type in types), DECODERS)
    families: dict[str, Builder] = import_module(f"{__package__}.{module}").FAMILIES
    return families.get(model_type)
