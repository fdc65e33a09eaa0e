"""What quantisation costs: the share of a model's measured ability that is lost, with an interval.

The shares come from published measurements of the same model in many formats. GGUF: MMLU of Llama-3-8B and
-70B Instruct (matt-c1/llama-3-quant-comparison, 2024-05-16), counted above the 25 % that guessing yields;
what that table lacks is placed by the mean KL divergence of Llama-3-8B in llama.cpp's
tools/perplexity/README.md (revision f364eb6f). Safetensors formats: Kurtic et al., "Give Me BF16 or Give Me
Death?", arXiv 2411.02355 (Llama-3.1 8B, 70B, 405B). All of these are short answers without long reasoning;
the interval is wide because long reasoning, agents and rare languages lose more. Four-bit floats: 57 measurements of
NVFP4 in 2025 and 2026 lose 2.9 % on average, 4.3 % in maths, code and tools (25 of them); MXFP4 of a model that wasn't
trained in it loses 9.8 % rounded and 2.9 % by GPTQ (Llama-3-8B, GSM8K; llm-compressor, pull request 2304).
"""

from __future__ import annotations

import math
import re
from typing import Final

from planner.quant.quantisations import find_quantisation, key_of

REFERENCE_PARAMETERS: Final = 8.03e9
# From 8B to 70B the loss falls to 0.21-0.36 of itself (IQ2_XXS … IQ4_XS of the MMLU table, seven formats;
# geometric mean 0.29): an exponent of the parameter count.
SIZE_EXPONENT: Final = -0.57
# Measured between 8B and 405B; outside, the effect of size is not known and is not extrapolated far.
SMALLEST: Final = 1.0e9
# Of a mixture with fewer active parameters than this share every token rests on few weights, and less averages out: its
# size is taken as the geometric mean of all and the active (MiniMax-M2.5, Laguna-XS-2.1 lose more than dense models).
_SPARSE: Final = 0.6
LARGEST: Final = 4.05e11

# What long reasoning and agents may lose beyond short answers, and what a good importance matrix may save.
_HIGH_FACTOR: Final = 2.5
_LOW_FACTOR: Final = 0.5
_UNKNOWN: Final = (0.05, 0.0, 0.20)


def loss_share(
    quant: str, total_params: float, native: str = "", active_params: float = 0.0, *, demanding: bool = False
) -> tuple[float, float, float]:
    """Return the share of a model's score that a quantisation costs: expected, low, high (each 0 to 1).

    `native` is the format of the published checkpoint: scores were measured in it, so it costs nothing.
    `active_params` of a mixture (0: all of them). `demanding`: maths, code, tools and long reasoning, where four-bit
    floats lose more. A format that is not known gets a wide interval.
    """
    name = key_of(quant)
    if native and same_format(quant, native):
        return 0.0, 0.0, 0.0
    row = find_quantisation(quant)
    more = row.demanding if demanding and row is not None else 1.0
    at_8b = tuple(share * more for share in _at_reference(name))
    if 0.0 < active_params < _SPARSE * total_params:
        total_params = math.sqrt(total_params * active_params)
    size = min(max(total_params, SMALLEST), LARGEST)
    factor = (size / REFERENCE_PARAMETERS) ** SIZE_EXPONENT
    expected, low, high = (min(0.97, share * factor) for share in at_8b)
    if not SMALLEST <= total_params <= LARGEST:
        low, high = low / 1.5, min(1.0, high * 1.5)
    return expected, low, high


def same_format(quant: str, other: str) -> bool:
    """True where both names mean the same format: equal, or both of MXFP4, a GGUF's mix of it among them."""
    rows = find_quantisation(quant), find_quantisation(other)
    both_mxfp4 = all(
        row is not None and (row.base or row.mix or row.rules).startswith("MXFP4") for row in rows
    )
    return key_of(quant) == key_of(other) or both_mxfp4


def _at_reference(name: str) -> tuple[float, float, float]:
    """The shares of an 8B model: of the row of this name, or of the one that a publisher's mix is made from."""
    found = _measured(name)
    dynamic = name.startswith("UD_")
    base = re.sub(r"_X?L$", "_M", name.removeprefix("UD_")) if dynamic else name
    if found is None and base.endswith(("_XL", "_L")):
        # Published mixes with embeddings and output in Q8_0: no worse than the mix without.
        middle = re.sub(r"_X?L$", "_M", base)
        base = middle if _measured(middle) else base[:-2]
    # UD-Q2_K_XL: made from Q2_K, which has no M
    return found or _measured(base) or _measured(base.removesuffix("_M")) or _UNKNOWN


def _measured(name: str) -> tuple[float, float, float] | None:
    row = find_quantisation(name)
    if row is None or row.loss is None:
        return None
    share = row.loss
    low, high = row.loss_range or (share * _LOW_FACTOR, share * _HIGH_FACTOR + 0.002 * (share > 0))
    return share, low, min(1.0, high)


def typical_score(total_params: float) -> float:
    """Return the score, index points, that a current model of this size has: for want of its own."""
    # Least squares over the 142 models of July 2025 to October 2026 that were measured; the mean error is 5.7 points.
    doublings = math.log2(max(total_params, 1.25e8) / 1e9)
    return min(50.0, max(1.0, 1.0 + 2.4 * doublings))


def quality_loss(
    quant: str,
    total_params: float,
    score: float | None = None,
    native: str = "",
    active_params: float = 0.0,
    *,
    demanding: bool = False,
) -> tuple[float, float, float]:
    """Return what a quantisation costs, in index points: expected, low, high (none below 0).

    `score` is the model's own (planner.models.catalogue.catalogue Entry.scores); without it, that of a typical model of
    this size. `native`, `active_params`, `demanding`: see `loss_share`.
    """
    points = typical_score(total_params) if score is None else max(0.0, score)
    expected, low, high = loss_share(quant, total_params, native, active_params, demanding=demanding)
    return expected * points, low * points, high * points
