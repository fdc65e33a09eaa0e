"""llama.cpp's rules for the type of one tensor in a mix, tensor by tensor.

src/llama-quant.cpp of llama.cpp b11434 (tensor_get_category, tensor_allows_quantization,
llama_tensor_get_type_impl, tensor_type_fallback) and, for what the quantiser leaves alone,
conversion/base.py (prepare_tensors). planner.quant.mixes applies them to a whole model.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import Final

from planner.errors import UnsupportedError
from planner.fast_dataclass import dataclass
from planner.quant.architectures import MixTraits
from planner.quant.formats import GGML_FORMATS


class Category(Enum):
    TOKEN_EMBD = 1
    OUTPUT = 2
    ATTN_V = 3
    ATTN_QKV = 4
    ATTN_KV_B = 5
    ATTN_K = 6
    ATTN_Q = 7
    ATTN_OUTPUT = 8
    FFN_UP = 9
    FFN_GATE = 10
    FFN_DOWN = 11
    OTHER = 12


V_LIKE: Final = (Category.ATTN_V, Category.ATTN_QKV, Category.ATTN_KV_B)
_SUBSTRINGS: Final = (
    ("attn_qkv.weight", Category.ATTN_QKV),
    ("attn_kv_b.weight", Category.ATTN_KV_B),
    ("attn_v.weight", Category.ATTN_V),
    ("attn_k.weight", Category.ATTN_K),
    ("attn_q.weight", Category.ATTN_Q),
    ("attn_output.weight", Category.ATTN_OUTPUT),
    ("ffn_up", Category.FFN_UP),
    ("ffn_gate", Category.FFN_GATE),
    ("ffn_down", Category.FFN_DOWN),
)


@lru_cache(maxsize=4096)
def category_of(name: str) -> Category:
    if name == "output.weight":
        return Category.OUTPUT
    if name in ("token_embd.weight", "per_layer_token_embd.weight"):
        return Category.TOKEN_EMBD
    for part, category in _SUBSTRINGS:
        if part in name:
            return category
    return Category.OTHER


_KEPT: Final = (
    "_norm.weight",
    "ffn_gate_inp.weight",
    "ffn_gate_tid2eid.weight",
    "altup",
    "laurel",
    "per_layer_model_proj",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "indexer.k_proj.weight",
    "indexer.q_proj.weight",
    "time_mix_",
    "attn_rel_b.weight",
    ".position_embd",
    ".rel_pos",
    ".patch_embd",
    ".patch_merger",
)
# What conversion leaves in F32 whatever the file's type (conversion/base.py, prepare_tensors).
_CONVERTED_F32: Final = (
    "ffn_gate_inp",
    "position_embd",
    "token_types",
    "ssm_conv1d",
    "shortconv.conv",
    "altup_correct_coef",
    "altup_predict_coef",
    "indexer.proj",
)


@lru_cache(maxsize=4096)
def _may_quantise(name: str, kept: tuple[str, ...]) -> bool:
    if not name.endswith("weight") or name in ("position_embd.weight", "token_types.weight"):
        return False
    return not any(part in name for part in (*_KEPT, *kept))


@lru_cache(maxsize=4096)
def _converted_f32(name: str) -> bool:
    return (
        name.endswith("_norm.weight")
        or not name.endswith(".weight")
        or any(part in name for part in _CONVERTED_F32)
    )


def _dims(shape: tuple[int, ...]) -> int:
    """Dimensions as ggml counts them: trailing ones don't count."""
    n = len(shape)
    while n > 1 and shape[n - 1] == 1:
        n -= 1
    return n


_FALLBACK: Final = {
    **dict.fromkeys(
        ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_XS"),
        "IQ4_NL",
    ),
    **dict.fromkeys(("Q2_0", "Q2_K", "Q3_K", "TQ1_0", "TQ2_0"), "Q4_0"),
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
}


def _fitting(kind: str, row: int) -> str:
    """Return a type whose blocks divide the row (tensor_type_fallback)."""
    block = GGML_FORMATS[kind].block
    if row % block == 0:
        return kind
    if block > 32 and kind not in _FALLBACK:
        raise UnsupportedError(
            f"rows of {row} elements do not fit {kind}'s blocks, and llama.cpp has no fallback"
        )
    kind = _FALLBACK.get(kind, kind)
    return kind if row % GGML_FORMATS[kind].block == 0 else "F16"


def _more_bits(i: int, n: int) -> bool:
    return i < n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 2


_LOW_IQ: Final = frozenset({"IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ1_S", "IQ1_M"})
_EIGHT_EXPERTS_OUT: Final = frozenset(
    [
        "Q2_K",
        "IQ3_XS",
        "IQ3_XXS",
        "Q3_K_S",
        "Q3_K_M",
        "IQ4_NL",
        "Q4_K_S",
        "Q4_K_M",
        "IQ3_S",
        "IQ3_M",
        "IQ4_XS",
    ]
)
_ATTN_OUT: Final = {"Q2_K": "Q3_K", "IQ3_XXS": "IQ3_S", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K", "IQ3_M": "Q4_K"}


_MOVING_V: Final = frozenset({"Q3_K_M", "Q4_K_M", "Q5_K_M", "Q4_K_S"})
_MOVING_DOWN: Final = _LOW_IQ | frozenset(
    {"Q2_K_S", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q4_K_S", "IQ3_XXS"}
    | {"IQ3_M", "IQ4_NL", "IQ4_XS", "Q4_0", "Q5_0"}
)


@dataclass(frozen=True, slots=True)
class MixRules:
    """The rules, with what they ask of a model."""

    traits: MixTraits
    mix: str
    base: str
    imatrix: bool
    embedding: str | None
    rest: str
    tied: bool
    n_expert: int
    n_gqa: int
    n_layer: int  # all, prediction layers too
    n_wv: int  # tensors like attn_v
    is_70b: bool
    native_experts: bool = False  # experts that were trained in MXFP4 stay in it, whatever the mix

    def fixed(self, name: str, shape: tuple[int, ...]) -> str | None:
        """Type of a tensor that the quantiser leaves as conversion made it; None where it chooses."""
        if _dims(shape) < 2:
            return "F32"
        if "ffn_gate_tid2eid" in name:  # numbers of experts, not weights
            return "I32"
        if self.native_experts and name.endswith("_exps.weight"):
            return "MXFP4"
        quantised = GGML_FORMATS[self.base].quantised
        if quantised and _may_quantise(name, self.traits.kept):
            return None
        if _converted_f32(name):
            return "F32"
        return self.base if not quantised else "F16"

    def moves(self, category: Category) -> bool:
        """True where the type depends on the layer."""
        if category in V_LIKE:
            return self.mix in _MOVING_V
        if category is Category.FFN_DOWN:
            return self.mix in _MOVING_DOWN
        return self.mix == "IQ3_XS" and category in (Category.FFN_UP, Category.FFN_GATE)

    def outside_type(self, name: str, shape: tuple[int, ...]) -> str:
        """Type of a tensor outside the layers: embeddings, output."""
        return self.fixed(name, shape) or _fitting(self._outside(name, shape), shape[0])

    def inside_type(self, name: str, shape: tuple[int, ...], i: int, i_wv: int, i_down: int) -> str:
        """Type of a tensor of layer `i`, after `i_wv` tensors like attn_v and `i_down` like ffn_down."""
        return self.fixed(name, shape) or _fitting(self._inside(name, shape, i, i_wv, i_down), shape[0])

    def _outside(self, name: str, shape: tuple[int, ...]) -> str:
        category, mix = category_of(name), self.mix
        if self.embedding is not None and category in (Category.OUTPUT, Category.TOKEN_EMBD):
            return self.embedding
        if category is Category.OUTPUT or (self.tied and category is Category.TOKEN_EMBD):
            if mix == "MXFP4_MOE":
                return self.rest
            if self.traits.falcon_rules or shape[0] % GGML_FORMATS[self.base].block:
                return "Q8_0"
            if mix in _LOW_IQ or mix == "IQ3_XXS":
                return "Q5_K"
            return self.base if self.base == "Q8_0" else "Q6_K"
        if mix == "MXFP4_MOE":
            experts = len(shape) > 2 and shape[2] > 1 and not self.traits.feed_forward_experts
            return "MXFP4" if experts else self.rest
        if category is Category.TOKEN_EMBD:
            if mix in ("IQ2_XXS", "IQ2_XS", "IQ1_S", "IQ1_M"):
                return "Q2_K"
            if mix in ("IQ2_S", "IQ2_M", "IQ3_XXS"):
                return "IQ3_S"
            if mix in ("TQ1_0", "TQ2_0", "Q2_0"):
                return "Q4_K"
        return self.base

    def _inside(self, name: str, shape: tuple[int, ...], i: int, i_wv: int, i_down: int) -> str:
        category, mix = category_of(name), self.mix
        if any(part in name for part in self.traits.kept_q8):
            return "Q8_0"
        if mix == "MXFP4_MOE":
            expert = not self.traits.feed_forward_experts or category in (
                Category.FFN_UP,
                Category.FFN_GATE,
                Category.FFN_DOWN,
            )
            return "MXFP4" if len(shape) > 2 and shape[2] > 1 and expert else self.rest
        if mix in _LOW_IQ:
            return self._low_iq(category, i_down)
        if category in V_LIKE:
            return self._attn_v(i_wv)
        if category in (Category.ATTN_K, Category.ATTN_Q):
            if category is Category.ATTN_K and self.n_expert == 8:
                return "Q8_0"
            return {"IQ3_XS": "IQ3_XXS", "IQ3_XXS": "IQ2_S"}.get(mix, self.base)
        if category is Category.FFN_DOWN:
            # With experts the index is the layer's, otherwise a running count.
            return self._ffn_down(i if self.n_expert > 1 else i_down)
        if category is Category.ATTN_OUTPUT:
            return self._attn_output()
        if category in (Category.FFN_GATE, Category.FFN_UP) and mix == "IQ3_XS":
            at = i if self.n_expert > 1 else i_down
            return "IQ3_XXS" if self.n_layer // 8 <= at < 7 * self.n_layer // 8 else self.base
        return self.base

    def _low_iq(self, category: Category, i_down: int) -> str:
        small = self.mix in ("IQ2_S", "IQ2_M")
        if category in V_LIKE:
            if self.n_gqa >= 4 or self.n_expert >= 4:
                return "Q4_K"
            return "IQ3_S" if small else "Q2_K"
        if category is Category.ATTN_K and self.n_expert == 8:
            return "Q4_K"
        if category is Category.FFN_DOWN and i_down < self.n_layer // 8:
            return "IQ3_S" if small else "Q2_K"
        if category is Category.ATTN_OUTPUT:
            if self.n_expert == 8:
                return "Q5_K"
            if self.mix in ("IQ1_S", "IQ1_M"):
                return "IQ2_XXS"
            if small:
                return "IQ3_S"
        return self.base

    def _attn_v(self, i: int) -> str:
        mix, kind, grouped = self.mix, self.base, self.n_gqa >= 4
        if mix == "Q2_K":
            kind = "Q4_K" if grouped else "Q3_K"
        elif mix == "Q2_K_S" and grouped:
            kind = "Q4_K"
        elif mix == "IQ3_XXS":
            kind = "Q4_K" if grouped else "IQ3_XXS" if self.imatrix else "IQ3_S"
        elif (mix in ("IQ3_XS", "IQ3_S") and grouped) or mix == "IQ3_M":
            kind = "Q4_K"
        elif mix == "Q3_K_M":
            kind = "Q5_K" if i < 2 else "Q4_K"
        elif mix == "Q3_K_L" or (mix in ("IQ4_NL", "IQ4_XS") and grouped):
            kind = "Q5_K"
        elif mix in ("Q4_K_M", "Q5_K_M") and _more_bits(i, self.n_wv):
            kind = "Q6_K"
        elif mix == "Q4_K_S" and i < 4:
            kind = "Q5_K"
        if self.is_70b and kind in ("Q3_K", "Q4_K"):
            kind = "Q5_K"
        return "Q8_0" if self.n_expert == 8 else kind

    def _ffn_down(self, i: int) -> str:
        mix, n, falcon = self.mix, self.n_layer, self.traits.falcon_rules
        first = i < n // 8
        if mix == "Q2_K":
            return "Q3_K"
        if mix == "Q3_K_M":
            if i < n // 16:
                return "Q5_K"
            return "Q4_K" if not falcon or _more_bits(i, n) else "Q3_K"
        if mix == "Q3_K_L":
            return "Q4_K" if falcon else "Q5_K"
        if mix == "Q4_K_M":
            if falcon:
                return "Q6_K" if i < n // 16 else "Q5_K" if _more_bits(i, n) else "Q4_K"
            return "Q6_K" if _more_bits(i, n) else self.base
        if mix == "Q5_K_M":
            return "Q6_K" if _more_bits(i, n) else self.base
        if mix == "IQ3_XXS":
            return self.base if self.imatrix else "Q4_K" if first else "Q3_K"
        if mix == "IQ3_M":
            return "Q4_K" if first or (self.n_expert == 8 and _more_bits(i, n)) else self.base
        if first:
            if mix == "Q2_K_S":
                return "Q4_K"
            if (mix in ("IQ4_NL", "IQ4_XS") and not self.imatrix) or (mix == "Q4_K_S" and not falcon):
                return "Q5_K"
            if mix in ("Q4_0", "Q5_0") and self.imatrix:
                return "Q4_1" if mix == "Q4_0" else "Q5_1"
        return self.base

    def _attn_output(self) -> str:
        if self.traits.falcon_rules:
            return "Q4_K" if self.mix == "Q3_K_L" else self.base
        if self.n_expert == 8:
            return "Q5_K" if self.mix in _EIGHT_EXPERTS_OUT else self.base
        return _ATTN_OUT.get(self.mix, self.base)
