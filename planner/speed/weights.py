"""Stored bits of the weights by what they do, from a quantisation's name and, where known, its file size.

Where planner.quant knows the exact type of each tensor, that is used instead (planner.speed.plans); this is
for mixes that only their publisher knows (Unsloth's UD-…, MLX, AWQ) and for published measurements.
"""

from __future__ import annotations

import re

from planner.speed.work import ModelWork, WeightBits

# bits a weight of the layers' matrices, of the output head, and the class of kernels that reads them.
# GGUF: block bytes of ggml types and the usual share of larger types in each mix (llama.cpp, llama-quant.cpp)
_TABLE: dict[str, tuple[float, float, str]] = {
    "F32": (32, 32, "f16"), "F16": (16, 16, "f16"), "BF16": (16, 16, "bf16"), "FP16": (16, 16, "f16"),
    "Q8_0": (8.5, 8.5, "q8"), "Q6_K": (6.56, 6.56, "q6"), "Q5_K_M": (5.62, 6.56, "q5"), "Q5_K_S": (5.5, 6.56, "q5"),
    "Q5_0": (5.5, 6.56, "q5"), "Q5_1": (6.0, 6.56, "q5"), "Q4_K_M": (4.78, 6.56, "q4"),
    "Q4_K_S": (4.53, 6.56, "q4"), "Q4_K_L": (4.9, 8.5, "q4"), "Q4_0": (4.5, 6.56, "q4_0"),
    "Q4_1": (5.0, 6.56, "q4_0"), "IQ4_XS": (4.27, 6.56, "iq4"), "IQ4_NL": (4.5, 6.56, "iq4"),
    "IQ4_K": (4.5, 6.56, "iq4"), "IQ4_KSS": (4.0, 6.56, "iq4"), "Q3_K_XL": (4.2, 6.56, "q3"),
    "Q3_K_L": (4.17, 6.56, "q3"), "Q3_K_M": (3.81, 6.56, "q3"), "Q3_K_S": (3.44, 6.56, "q3"),
    "IQ3_M": (3.6, 6.56, "iq3"), "IQ3_S": (3.44, 6.56, "iq3"), "IQ3_XS": (3.25, 6.56, "iq3"),
    "IQ3_XXS": (3.1, 5.5, "iq3"), "IQ3_K": (3.44, 6.56, "iq3"), "Q2_K": (2.96, 6.56, "q2"),
    "Q2_K_S": (2.63, 6.56, "q2"), "Q2_K_XL": (3.0, 6.56, "q2"), "IQ2_M": (2.7, 5.5, "iq2"),
    "IQ2_S": (2.5, 5.5, "iq2"), "IQ2_XS": (2.35, 5.5, "iq2"), "IQ2_XXS": (2.1, 5.5, "iq2"),
    "IQ2_K": (2.4, 6.56, "iq2"), "IQ2_KT": (2.15, 6.56, "iq2"), "IQ1_M": (1.8, 5.5, "iq2"),
    "IQ1_S": (1.6, 5.5, "iq2"), "TQ1_0": (1.7, 4.5, "iq2"), "TQ2_0": (2.06, 4.5, "q2"),
    "MXFP4": (4.25, 8.5, "mxfp4"), "NVFP4": (4.5, 16, "fp4"), "FP8": (8.06, 16, "fp8"), "INT8": (8, 16, "fp8"),
    "INT4": (4.25, 16, "int4"), "AWQ": (4.25, 16, "int4"), "GPTQ": (4.25, 16, "int4"),
    "MLX4": (4.5, 4.5, "q4_0"), "MLX5": (5.5, 5.5, "q5"), "MLX6": (6.5, 6.5, "q6"), "MLX8": (8.5, 8.5, "q8"),
}  # fmt: skip
_GGUF = re.compile(r"(IQ\d_[A-Z]+|TQ\d_0|Q\d_K_[A-Z]+|Q\d_[01K])")
_FALLBACK = ("Q4_K_M", "INT4")


def quant_name(text: str | None) -> tuple[str, bool]:
    """The table's name for a quantisation as people write it, and whether it is one of Unsloth's dynamic mixes.

    Raises KeyError for a name that means nothing here.
    """
    if not text:
        raise KeyError("no quantisation")
    t = text.upper().replace("-", "_").replace(" ", "_")
    dynamic = "UD_" in t or t.startswith("UD")
    for name in ("NVFP4", "MXFP4"):
        if name in t:
            return name, dynamic
    match = _GGUF.search(t)
    if match and match.group(1) in _TABLE:
        return match.group(1), dynamic
    if match:
        short = match.group(1)
        base = short.rsplit("_", 1)[0]
        for name in (base, f"{base}_M", f"{base}_S", f"{short}_M"):
            if name in _TABLE:
                return name, dynamic
        if short.startswith("Q8"):
            return "Q8_0", dynamic
        if short.startswith("Q6"):
            return "Q6_K", dynamic
        level = short[short.index("Q") + 1]
        return {"5": "Q5_K_M", "4": "Q4_K_M", "3": "Q3_K_M", "2": "Q2_K"}.get(level, "Q4_K_M"), dynamic
    bits = re.search(r"(\d)(?:\.\d+)?_?(?:BIT|BPW)", t)
    if "MLX" in t and bits:
        return f"MLX{bits.group(1)}", dynamic
    for name in ("AWQ", "GPTQ", "INT4", "INT8", "W8A8", "FP8", "BF16", "FP16", "F16", "F32"):
        if name in t:
            return {"W8A8": "INT8", "FP16": "F16"}.get(name, name), dynamic
    if bits:
        return {"4": "INT4", "8": "MLX8", "3": "Q3_K_M", "5": "Q5_K_M", "6": "Q6_K", "2": "IQ2_M"}.get(
            bits.group(1), "INT4"
        ), dynamic
    if re.match(r"Q4", t):
        return ("INT4" if "F16" in t or "GS" in t else "Q4_K_M"), dynamic
    if re.match(r"Q2", t):
        return "IQ2_M", dynamic
    raise KeyError(text)


def weight_bits(
    quant: str | None, work: ModelWork, file_bytes: float | None = None, *, native: str = ""
) -> WeightBits:
    """Bits a weight of the dense part, the experts and the head.

    `file_bytes`: the size of the weights on disk; the experts (or all, in a dense model) take what the
    rest leaves. `native`: "mxfp4" where the original's experts are stored so (gpt-oss keeps them in any
    mix), "fp4 experts" where only they are, beside what `quant` says (DeepSeek V4's FP8). Raises KeyError
    for an unknown quantisation without a size.
    """
    try:
        name, dynamic = quant_name(quant)
    except KeyError:
        if not file_bytes:
            raise
        name, dynamic = "Q4_K_M", False
    bits, head, kind = _TABLE[name]
    dense, experts, xkind = bits, bits, ""
    if work.is_moe:
        dense = _moe_dense(name, bits, dynamic)
        if dynamic and bits >= 8:
            head = 16.0
        if name in {"NVFP4", "INT4", "AWQ", "GPTQ"}:
            dense = 16.0 if name != "NVFP4" else 12.0
            xkind, kind = kind, "f16" if name != "NVFP4" else "fp8"
        if native == "mxfp4" or name == "MXFP4":
            experts, xkind = 4.25, "mxfp4"
            dense, kind = (
                (16.0, "f16") if name in {"MXFP4", "F16", "BF16"} and not file_bytes else (8.5, "q8")
            )
            head = dense
        elif native == "fp4 experts":
            experts, xkind = 4.25, "mxfp4"
    if file_bytes:
        dense, experts, head = _from_size(work, file_bytes, dense, experts, head, fixed=xkind == "mxfp4")
    return WeightBits(dense, experts, head, kind, xkind)


def _moe_dense(name: str, bits: float, dynamic: bool) -> float:
    """Attention and shared parts of a mixture are stored wider than the experts."""
    if bits >= 16:
        return 16.0
    if name.startswith(("FP8", "MLX")):
        return bits
    if dynamic:
        return 16.0 if bits >= 8 else 8.5 if bits >= 4 else 6.5
    if bits >= 8:
        return 8.5
    return max(bits + 0.4, 4.9) if bits >= 4 else bits + 1.5


def _from_size(
    work: ModelWork, size: float, dense: float, experts: float, head: float, *, fixed: bool
) -> tuple[float, float, float]:
    total = size * 8
    embedding = max(0, work.parameters - work.linear - work.experts - work.head)
    if not work.is_moe:
        scale = (total - (work.head + embedding) * head) / work.linear if work.linear else dense
        if 0.6 * dense < scale < 1.7 * dense:
            return scale, experts, head
        average = total / max(work.parameters, 1)
        return average, average, average
    rest = work.linear + work.head + embedding
    if fixed:
        left = (total - work.experts * experts) / rest
        if 4 < left < 17:
            return left, experts, left
    left = (total - work.linear * dense - (work.head + embedding) * head) / work.experts
    if 0.6 * experts < left < 1.7 * experts:
        return dense, left, head
    average = total / max(work.parameters, 1)
    return average, average, average
