"""Stored bits of the weights by what they do, from a quantisation's name and, where known, its file size.

Where planner.quant knows the exact type of each tensor, that is used instead (planner.speed.plans); this is
for mixes that only their publisher knows (Unsloth's UD-…, MLX, AWQ) and for published measurements.
"""

from __future__ import annotations

import re

from planner.models.file_format import FileFormat
from planner.models.gguf.types import GGML_TYPES
from planner.quant.quantisations import QUANTISATIONS, Quantisation, find_quantisation
from planner.speed.model_work import ModelWork, WeightBits

_NAMED = 4.5  # bits: narrower mixes are named after blocks that some of their experts are narrower than
_WIDE = 12.0  # bits: what lies beside four-bit experts is stored in sixteen, not in eight
# Bits beside the experts of Unsloth's eight-bit mixes: half of it in BF16, by the sizes of their files of
# Qwen3.6-35B-A3B and Gemma 4 26B-A4B (13.8 and 12.0).
_HALF_WIDE = (16 + 8.5) / 2
_GGUF = re.compile(r"(IQ\d_[A-Z]+|TQ\d_0|Q\d_K_[A-Z]+|Q\d_[01K])")


def _read(name: str) -> bool:
    """True for a quantisation of which it is known how fast it is read."""
    row = QUANTISATIONS.get(name)
    return row is not None and bool(row.kernels)


def quant_name(text: str | None) -> tuple[str, bool]:
    """The name of a row for a quantisation as people write it, and whether it is one of Unsloth's dynamic mixes.

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
    if match and _read(match.group(1)):
        return match.group(1), dynamic
    if match:
        short = match.group(1)
        base = short.rsplit("_", 1)[0]
        for name in (base, f"{base}_M", f"{base}_S", f"{short}_M"):
            if _read(name):
                return name, dynamic
        if short.startswith("Q8"):
            return "Q8_0", dynamic
        if short.startswith("Q6"):
            return "Q6_K", dynamic
        level = short[short.index("Q") + 1]
        return {"5": "Q5_K_M", "4": "Q4_K_M", "3": "Q3_K_M", "2": "Q2_K"}.get(level, "Q4_K_M"), dynamic
    if re.match(r"Q4F(16|32)", t):  # MLC's: four bits beside that type of activations
        return "INT4", dynamic
    bits = re.search(r"(\d)(?:\.\d+)?_?(?:BIT|BPW)", t)
    if FileFormat.MLX.upper() in t and bits:
        return f"{FileFormat.MLX.upper()}{bits.group(1)}", dynamic
    for name in ("AWQ", "GPTQ", "INT4", "INT8", "W8A8", "FP8", "BF16", "FP16", "F16", "F32"):
        if name in t:
            return {"W8A8": "INT8", "FP16": "F16"}.get(name, name), dynamic
    if bits:
        return {"4": "INT4", "8": "MLX8", "3": "Q3_K_M", "5": "Q5_K_M", "6": "Q6_K", "2": "IQ2_M"}.get(
            bits.group(1), "INT4"
        ), dynamic
    if re.match(r"Q4", t):
        return ("INT4" if "GS" in t else "Q4_K_M"), dynamic
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
    row = find_quantisation(name)
    if row is None or row.bits is None or not row.kernels:
        raise KeyError(name)
    bits, head, kind = row.bits, row.head_bits, row.kernels
    dense, experts, xkind = bits, bits, ""
    if work.is_moe:
        dense = _moe_dense(bits, dynamic) if row.dense_bits is None else row.dense_bits
        if dynamic and bits >= 8:
            head = _HALF_WIDE
        if row.dense_kernels:
            xkind, kind = kind, row.dense_kernels
        if native == "mxfp4" or name == "MXFP4":
            experts, xkind = 4.25, "mxfp4"
            dense, kind = (
                (16.0, "f16") if name in {"MXFP4", "F16", "BF16"} and not file_bytes else (8.5, "q8")
            )
            head = dense
        elif native == "fp4 experts":
            experts, xkind = 4.25, "mxfp4"
    if file_bytes:
        asked = WeightBits(dense, experts, head)
        dense, experts, head = _from_size(work, file_bytes, asked, fixed=xkind == "mxfp4", least=_block(row))
        if kind == "q8" and xkind == "mxfp4" and dense > _WIDE:
            kind = "f16"
    return WeightBits(dense, experts, head, kind, xkind)


def _moe_dense(bits: float, dynamic: bool) -> float:
    """Attention and shared parts of a mixture are stored wider than the experts."""
    if bits >= 16:
        return 16.0
    if dynamic:
        return _HALF_WIDE if bits >= 8 else 8.5 if bits >= 4 else 6.5
    if bits >= 8:
        return 8.5
    return max(bits + 0.4, 4.9) if bits >= 4 else bits + 1.5


def _block(row: Quantisation) -> float:
    """Bits of the block that a mix of four bits and more is named after, its experts' narrowest; 0 for others."""
    block = next((t for t in GGML_TYPES.values() if t.name == row.base), None)
    bits = 8 * block.bytes / block.block if block else 0.0
    return bits if bits >= _NAMED else 0.0


def _from_size(
    work: ModelWork, size: float, asked: WeightBits, *, fixed: bool, least: float
) -> tuple[float, float, float]:
    """Bits of dense part, experts and head that fill a file: the experts take what the rest of it leaves.

    `fixed`: the experts' are known, the rest takes what they leave. `least`: the experts' narrowest block; where the
    rest would leave them less, the rest is narrower than it was taken to be.
    """
    dense, experts, head = asked.dense, asked.expert, asked.head
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
    if left < least:
        beside = (total - work.experts * least) / rest
        if least < beside < dense:
            return beside, least, beside
    if 0.6 * experts < left < 1.7 * experts:
        return dense, left, head
    average = total / max(work.parameters, 1)
    return average, average, average
