"""What quantisation costs: the share of a model's measured ability that is lost, with an interval.

The shares come from published measurements of the same model in many formats. GGUF: MMLU of Llama-3-8B and
-70B Instruct (matt-c1/llama-3-quant-comparison, 2024-05-16), counted above the 25 % that guessing yields;
what that table lacks is placed by the mean KL divergence of Llama-3-8B in llama.cpp's
tools/perplexity/README.md (revision f364eb6f). Safetensors formats: Kurtic et al., "Give Me BF16 or Give Me
Death?", arXiv 2411.02355 (Llama-3.1 8B, 70B, 405B). All of these are short answers without long reasoning;
the interval is wide because long reasoning, agents and rare languages lose more.
"""

from __future__ import annotations

import re
from typing import Final

REFERENCE_PARAMETERS: Final = 8.03e9
# From 8B to 70B the loss falls to 0.21-0.36 of itself (IQ2_XXS … IQ4_XS of the MMLU table, seven formats;
# geometric mean 0.29): an exponent of the parameter count.
SIZE_EXPONENT: Final = -0.57
# Measured between 8B and 405B; outside, the effect of size is not known and is not extrapolated far.
SMALLEST: Final = 1.0e9
LARGEST: Final = 4.05e11

# Share of the score lost by an 8B model.
_GGUF_LOSS: Final[dict[str, float]] = {
    "F32": 0.0,
    "F16": 0.0,
    "BF16": 0.0,
    "Q8_0": 0.001,  # MMLU 65.23 against 65.20, KL 0.0014
    "Q6_K": 0.003,  # 65.06
    "Q5_K_M": 0.007,  # 64.90
    "Q5_K_S": 0.008,  # 64.88
    "Q5_1": 0.009,  # KL 0.018
    "Q5_0": 0.011,  # KL 0.022
    "Q4_K_M": 0.014,  # 64.64
    "Q4_K_S": 0.015,  # 64.63
    "IQ4_NL": 0.020,  # 64.33 and 64.39 together with IQ4_XS
    "IQ4_XS": 0.021,
    "Q4_1": 0.036,  # KL 0.072
    "Q4_0": 0.037,  # KL 0.072
    "Q3_K_L": 0.056,  # 62.85 and 62.89 together with Q3_K_M
    "Q3_K_M": 0.059,
    "IQ3_M": 0.066,  # 62.55
    "IQ3_S": 0.076,  # 62.13
    "IQ3_XS": 0.100,  # 61.19
    "IQ3_XXS": 0.116,  # 60.52
    "Q3_K_S": 0.151,  # 59.14
    "IQ2_M": 0.190,  # 57.56
    "Q2_K": 0.231,  # 55.90
    "Q2_K_S": 0.265,  # KL 0.40
    "IQ2_S": 0.279,  # 53.98
    "TQ2_0": 0.38,
    "Q2_0": 0.38,
    "IQ2_XS": 0.379,  # 49.98
    "IQ2_XXS": 0.540,  # 43.50
    "TQ1_0": 0.54,
    "IQ1_M": 0.905,  # 28.83
    "IQ1_S": 0.963,  # 26.47
    "Q1_0": 0.963,
    # Almost every model published in MXFP4 was trained in it: nothing is lost against its scores.
    "MXFP4": 0.0,
    "MXFP4_MOE": 0.0,
}
# (expected, low, high) share at 8B
_OTHER_LOSS: Final[dict[str, tuple[float, float, float]]] = {
    "FP8": (0.001, 0.0, 0.006),
    "MXFP8": (0.001, 0.0, 0.006),
    "W8A16": (0.001, 0.0, 0.006),
    "INT8": (0.010, 0.0, 0.030),
    "W8A8": (0.010, 0.0, 0.030),
    "GPTQ-INT8": (0.002, 0.0, 0.010),
    "INT4": (0.018, 0.005, 0.045),
    "W4A16": (0.018, 0.005, 0.045),
    "AWQ": (0.018, 0.005, 0.045),
    "GPTQ": (0.022, 0.005, 0.055),
    "GPTQ-INT4": (0.022, 0.005, 0.055),
    "NVFP4": (0.020, 0.005, 0.050),
    "NVFP4A16": (0.018, 0.005, 0.045),
    "4BIT": (0.025, 0.010, 0.060),  # MLX, group 64: between Q4_K_S and Q4_0
    "5BIT": (0.010, 0.003, 0.030),
    "6BIT": (0.004, 0.0, 0.012),
    "8BIT": (0.001, 0.0, 0.006),
}
# What long reasoning and agents may lose beyond short answers, and what a good importance matrix may save.
_HIGH_FACTOR: Final = 2.5
_LOW_FACTOR: Final = 0.5
_TRAINED_IN: Final = frozenset({"MXFP4", "MXFP4_MOE"})
_UNKNOWN: Final = (0.05, 0.0, 0.20)


def loss_share(quant: str, total_params: float, native: str = "") -> tuple[float, float, float]:
    """Return the share of a model's score that a quantisation costs: expected, low, high (each 0 to 1).

    `native` is the format of the published checkpoint: scores were measured in it, so it costs nothing.
    A format that is not known gets a wide interval.
    """
    name = quant.strip().upper()
    if native and name == native.strip().upper():
        return 0.0, 0.0, 0.0
    at_8b = _at_reference(name)
    size = min(max(total_params, SMALLEST), LARGEST)
    factor = (size / REFERENCE_PARAMETERS) ** SIZE_EXPONENT
    expected, low, high = (min(0.97, share * factor) for share in at_8b)
    if not SMALLEST <= total_params <= LARGEST:
        low, high = low / 1.5, min(1.0, high * 1.5)
    return expected, low, high


def _at_reference(name: str) -> tuple[float, float, float]:
    if name in _OTHER_LOSS:
        return _OTHER_LOSS[name]
    dynamic = name.startswith("UD-")
    base = re.sub(r"_X?L$", "_M", name.removeprefix("UD-")) if dynamic else name
    if base.endswith(("_XL", "_L")) and base not in _GGUF_LOSS:
        # Published mixes with embeddings and output in Q8_0: no worse than the mix without.
        base = re.sub(r"_X?L$", "_M", base) if re.sub(r"_X?L$", "_M", base) in _GGUF_LOSS else base[:-2]
    if base not in _GGUF_LOSS:
        base = base.removesuffix("_M")  # UD-Q2_K_XL: made from Q2_K, which has no M
    if base not in _GGUF_LOSS:
        return _UNKNOWN
    share = _GGUF_LOSS[base]
    if base in _TRAINED_IN:
        return 0.0, 0.0, 0.04
    return share, share * _LOW_FACTOR, min(1.0, share * _HIGH_FACTOR + 0.002 * (share > 0))


def typical_score(total_params: float) -> float:
    """Return the score, index points, that a current model of this size has: for want of its own."""
    import math

    doublings = math.log2(max(total_params, 1.25e8) / 1e9)
    return min(50.0, max(1.0, 6.0 + 4.0 * doublings))


def quality_loss(
    quant: str, total_params: float, score: float | None = None, native: str = ""
) -> tuple[float, float, float]:
    """Return what a quantisation costs, in index points: expected, low, high (none below 0).

    `score` is the model's own (planner.models.catalogue.catalogue Entry.scores); without it, that of a typical model of
    this size. `native`: see `loss_share`.
    """
    points = typical_score(total_params) if score is None else max(0.0, score)
    expected, low, high = loss_share(quant, total_params, native)
    return expected * points, low * points, high * points
