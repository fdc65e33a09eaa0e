"""How mlx-lm 0.32.2 stores a layer's weights, from the name that people give to a conversion.

Layouts of mlx 0.32.4 (mlx/ops.cpp quantize): `bits` a weight packed into 32-bit words, and a scale for each group of a
row's elements; "affine" keeps scale and bias in the model's own 16 bits, the others a scale of eight.
"""

from __future__ import annotations

import re
from typing import Final

from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.models.architecture import Architecture


@dataclass(frozen=True, slots=True)
class Packing:
    """One way to store a matrix; the defaults are mlx_lm.convert's."""

    bits: int = 4
    group_size: int = 64
    mode: str = "affine"

    def row_bytes(self, elements: int) -> int:
        """Bytes of one row of a matrix, scales included; whole groups."""
        scale = 4 if self.mode == "affine" else 1
        return elements * self.bits // 8 + elements // self.group_size * scale


@dataclass(frozen=True, slots=True)
class Format:
    """How a whole model is stored."""

    name: str
    layers: Packing | None = None  # None: everything in 16 bits
    experts: Packing | None = None  # where routed experts differ
    high: Packing | None = None  # what a mixed recipe gives its chosen layers

    @property
    def convert_options(self) -> tuple[str, ...]:
        """Options of mlx_lm.convert that make it; nothing where it only makes what is stored already."""
        if self.layers is None:
            return ()
        if self.high is not None:
            return ("-q", "--quant-predicate", self.name)
        wanted = ("--q-bits", str(self.layers.bits), "--q-group-size", str(self.layers.group_size))
        if self.layers.mode != "affine":
            return ("-q", "--q-mode", self.layers.mode)
        return ("-q", *wanted)


EIGHT: Final = Packing(8)
_MXFP4: Final = Packing(4, 32, "mxfp4")
_MODES: Final = {"mxfp4": _MXFP4, "mxfp8": Packing(8, 32, "mxfp8"), "nvfp4": Packing(4, 16, "nvfp4")}
# convert.py mixed_quant_predicate_builder: bits of most layers, of the chosen ones
_RECIPES: Final = {"mixed_2_6": (2, 6), "mixed_3_4": (3, 4), "mixed_3_6": (3, 6), "mixed_4_6": (4, 6)}
_PLAIN: Final = ("BF16", "F16", "F32", "FP16")
_BITS: Final = re.compile(
    r"(?:mlx-?|qat-|q)?([234568])[- ]?(?:bits?)?(?:-?(?:g|gs|group)-?(32|64|128))?", re.I
)
_EXPERTS: Final = re.compile(r"mxfp4-q(4|8)", re.I)
# What mlx_lm.convert makes, largest first.
MADE: Final = (
    "BF16", "8bit-g32", "8bit", "8bit-g128", "mxfp8", "6bit", "5bit-g32", "5bit", "4bit-g32", "mixed_4_6", "4bit",
    "nvfp4", "mxfp4", "mixed_3_6", "mixed_3_4", "3bit", "mixed_2_6",
)  # fmt: skip
OF_MXFP4: Final = ("MXFP4", "MXFP4-Q8", "MXFP4-Q4")  # … of a model whose experts are published in MXFP4
NATIVE_MXFP4: Final = "mxfp4"


def native_method(arch: Architecture) -> str:
    """Return the quantisation of the vendor's own checkpoint; empty for 16 bits."""
    return str((arch.quantization or {}).get("quant_method", ""))


def format_of(name: str, arch: Architecture) -> Format:
    """Return what a name means: "4bit", "5bit-g32", "mixed_3_6", "mxfp4", "MXFP4-Q8", "BF16".

    Raises InputError for a name that mlx-lm makes nothing of.
    """
    text = name.strip()
    key = text.lower().replace("-", "_")
    own_experts = native_method(arch) == NATIVE_MXFP4
    experts = _EXPERTS.fullmatch(text)
    if text.upper() in _PLAIN:
        return Format(text.upper())
    if own_experts and key == NATIVE_MXFP4:  # as it is published: mxfp4 experts, the rest in 16 bits
        return Format("MXFP4", experts=_MXFP4)
    if own_experts and experts:
        return Format(text.upper(), Packing(int(experts[1])), experts=_MXFP4)
    if key in _RECIPES:
        low, high = _RECIPES[key]
        return Format(key, Packing(low), high=Packing(high))
    if key in _MODES:
        return Format(key, _MODES[key])
    bits = _BITS.fullmatch(text)
    if bits is None:
        raise InputError(
            f"'{name}' is no format of mlx-lm; write for example 4bit, 8bit, 4bit-g32, mixed_4_6 or mxfp4"
        )
    group = int(bits[2] or 64)
    return Format(f"{bits[1]}bit" + (f"-g{group}" if group != 64 else ""), Packing(int(bits[1]), group))
