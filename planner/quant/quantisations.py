"""Everything known of a quantisation: one row a name that files are published under and people ask for.

A new one is one row here (of a GGUF mix with rules of its own, also its rules in planner.quant.mix_rules); where
its tensors are of a new type, the type's block stands in planner.models.gguf.types. Everybody else asks the row.

Mixes: src/llama-quant.cpp of llama.cpp b11434 (llama_ftype_get_default_type). Losses: planner.quant.loss says how
they were measured; the figure that each was read off stands beside it. Bits: of block types by the block; of mixes
by the usual share of larger types in it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from planner.fast_dataclass import dataclass


class Storage(StrEnum):
    """How the elements of one matrix of a checkpoint lie in memory."""

    PLAIN = "plain"
    FP8_BLOCK = "fp8_block"  # one fp32 scale a block of 128 × 128
    FP8_TENSOR = "fp8_tensor"
    FP8_CHANNEL = "fp8_channel"  # one fp32 scale an output row
    INT8 = "int8"
    INT4 = "int4"  # a 16-bit scale a group, zero points where asymmetric
    MXFP4 = "mxfp4"  # one byte of scale for 32 elements
    NVFP4 = "nvfp4"  # one byte of scale for 16 elements
    MXFP8 = "mxfp8"

    @property
    def min_capability(self) -> int:
        """Lowest compute capability (× 10) with a kernel: get_min_capability, vLLM 0.33.0, quantization/*.py."""
        return 80 if self is Storage.MXFP4 else 75  # FP8 below 89 through Marlin, weights only


@dataclass(frozen=True, slots=True)
class Quantisation:
    """One row."""

    name: str
    aliases: tuple[str, ...] = ()  # other spellings, in capitals and with "_"

    # GGUF files, which llama.cpp and Ollama load
    base: str = ""  # the type that a tensor gets where no rule says otherwise; empty: no mix of that name
    imatrix: bool = False  # published files of this kind are made with an importance matrix
    embedding: str | None = None  # --token-embedding-type and --output-tensor-type, where set
    rest: str = "Q8_0"  # beside experts in MXFP4: everything that is quantised at all
    rules: str = ""  # the mix whose rules choose the types; empty: its own
    mix: str = ""  # the mix that a GGUF of this name is; empty: this one
    offered: bool = False  # what people publish and use; others are known by name
    tried: bool = False  # planned unasked, from the closest to the original down
    beside_cpu: bool = False  # … where the CPU reads experts too, and every bit costs speed
    last_resort: bool = False  # loses too much to be recommended

    # Checkpoints, which vLLM and SGLang load
    storage: Storage | None = None  # None: there are none
    within: tuple[str, ...] = ()  # what names it within a longer name, such as a repository's
    zero_points: bool = False
    dense: bool = True  # False: only experts are quantised (gpt-oss)
    online: str = ""  # --quantization of vLLM that makes it while loading 16 bits; empty: none does

    mlx: bool = False  # a format of mlx-lm's converters

    # Bits a weight: of a whole model on average (None: it is not offered, and counts as 16), of the layers'
    # matrices, of the output head; in a mixture, of what isn't an expert (None: by the layers' bits)
    average: float | None = None
    bits: float | None = None
    head_bits: float = 6.56
    dense_bits: float | None = None
    # The class of kernels that reads them (planner.speed), and what isn't an expert
    kernels: str = ""
    dense_kernels: str = ""

    # Share of the score that an 8B model loses; low and high where they were measured too
    loss: float | None = None
    loss_range: tuple[float, float] | None = None
    demanding: float = 1.0  # times as much in maths, code, tools and long reasoning

    @property
    def whole(self) -> bool:
        """True for what loses nothing: 16 or 32 bits."""
        return self.storage is Storage.PLAIN


_EIGHT: Final = (0.0, 0.020)
_FOUR: Final = (0.005, 0.045)
_S: Final = Storage
# fmt: off
_ROWS: Final = (
    # Checkpoints in the order in which a longer name is searched for them
    Quantisation(
        "MXFP4", mix="MXFP4_MOE", storage=_S.MXFP4, within=("mxfp4",), dense=False,
        average=4.25, bits=4.25, head_bits=8.5, kernels="mxfp4",
        loss=0.060, loss_range=(0.020, 0.120), demanding=1.5,  # of a model that wasn't trained in it
    ),
    Quantisation(
        "NVFP4", storage=_S.NVFP4, within=("nvfp4",), average=4.5, bits=4.5, head_bits=16, dense_bits=12,
        kernels="fp4", dense_kernels="fp8", loss=0.040, loss_range=(0.005, 0.110), demanding=1.5,
    ),
    Quantisation("MXFP8", storage=_S.MXFP8, within=("mxfp8",), loss=0.001, loss_range=_EIGHT),
    Quantisation("FP8-dynamic", storage=_S.FP8_CHANNEL, within=("fp8-dynamic",)),
    Quantisation("FP8-block", storage=_S.FP8_BLOCK, within=("fp8-block",)),
    Quantisation(
        "FP8", storage=_S.FP8_TENSOR, within=("fp8",), online="fp8", average=8.0, bits=8.06, head_bits=16,
        dense_bits=8.06, kernels="fp8", loss=0.001, loss_range=_EIGHT,
    ),
    Quantisation(
        "GPTQ-Int4", aliases=("GPTQ",), storage=_S.INT4, within=("gptq",), average=4.2, bits=4.25, head_bits=16,
        dense_bits=16, kernels="int4", dense_kernels="f16", loss=0.022, loss_range=(0.005, 0.055),
    ),
    Quantisation(
        "AWQ", storage=_S.INT4, within=("awq",), zero_points=True, average=4.1, bits=4.25, head_bits=16,
        dense_bits=16, kernels="int4", dense_kernels="f16", loss=0.018, loss_range=_FOUR,
    ),
    Quantisation(
        "W4A16", aliases=("INT4",), storage=_S.INT4, within=("w4a16", "int4"), average=4.2, bits=4.25,
        head_bits=16, dense_bits=16, kernels="int4", dense_kernels="f16", loss=0.018, loss_range=_FOUR,
    ),
    Quantisation(
        "W8A8", aliases=("INT8",), storage=_S.INT8, within=("w8a8", "int8"), average=8.0, bits=8, head_bits=16,
        kernels="fp8", loss=0.010, loss_range=(0.0, 0.030),
    ),
    # Sixteen bits and more: in checkpoints and in GGUF files
    Quantisation(
        "BF16", base="BF16", offered=True, storage=_S.PLAIN, within=("bfloat16", "bf16"), average=16.0, bits=16,
        head_bits=16, kernels="bf16", loss=0.0,
    ),
    Quantisation(
        "F16", aliases=("FP16",), base="F16", offered=True, storage=_S.PLAIN, within=("float16",), average=16.0,
        bits=16, head_bits=16, kernels="f16", loss=0.0,
    ),
    Quantisation(
        "F32", aliases=("FP32",), base="F32", storage=_S.PLAIN, bits=32, head_bits=32, kernels="f16", loss=0.0,
    ),
    # GGUF mixes: MMLU of Llama-3-8B (65.20 in 16 bits), or the mean KL divergence where that is lacking
    Quantisation(
        "Q8_0", base="Q8_0", offered=True, tried=True, average=8.5, bits=8.5, head_bits=8.5, kernels="q8",
        loss=0.001,  # 65.23, KL 0.0014
    ),
    Quantisation("Q6_K_L", base="Q6_K", embedding="Q8_0", rules="Q6_K"),
    Quantisation(
        "Q6_K", base="Q6_K", offered=True, tried=True, average=6.57, bits=6.56, kernels="q6", loss=0.003,  # 65.06
    ),
    Quantisation("Q5_1", base="Q5_1", bits=6.0, kernels="q5", loss=0.009),  # KL 0.018
    Quantisation("Q5_K_L", base="Q5_K", embedding="Q8_0", rules="Q5_K_M"),
    Quantisation(
        "Q5_K_M", aliases=("Q5_K",), base="Q5_K", offered=True, tried=True, average=5.69, bits=5.62, kernels="q5",
        loss=0.007,  # 64.90
    ),
    Quantisation("Q5_K_S", base="Q5_K", offered=True, bits=5.5, kernels="q5", loss=0.008),  # 64.88
    Quantisation("Q5_0", base="Q5_0", bits=5.5, kernels="q5", loss=0.011),  # KL 0.022
    Quantisation("Q4_1", base="Q4_1", bits=5.0, kernels="q4_0", loss=0.036),  # KL 0.072
    # "_L", "_XL": published under these names, the mix without them with embeddings and output in Q8_0
    Quantisation("Q4_K_L", base="Q4_K", embedding="Q8_0", rules="Q4_K_M", bits=4.9, head_bits=8.5, kernels="q4"),
    Quantisation(
        "Q4_K_M", aliases=("Q4_K",), base="Q4_K", offered=True, tried=True, beside_cpu=True, average=4.87,
        bits=4.78, kernels="q4", loss=0.014,  # 64.64
    ),
    Quantisation("Q4_K_S", base="Q4_K", offered=True, bits=4.53, kernels="q4", loss=0.015),  # 64.63
    Quantisation("Q4_0", base="Q4_0", offered=True, bits=4.5, kernels="q4_0", loss=0.037),  # KL 0.072
    Quantisation(
        "IQ4_NL", base="IQ4_NL", imatrix=True, offered=True, bits=4.5, kernels="iq4",
        loss=0.020,  # 64.33 and 64.39 together with IQ4_XS
    ),
    Quantisation("MXFP4_MOE", base="MXFP4", loss=0.060, loss_range=(0.020, 0.120), demanding=1.5),
    Quantisation("MXFP4_BF16", base="MXFP4", rest="BF16", rules="MXFP4_MOE"),  # how Ollama serves gpt-oss
    Quantisation(
        "IQ4_XS", base="IQ4_XS", imatrix=True, offered=True, tried=True, beside_cpu=True, average=4.31, bits=4.27,
        kernels="iq4", loss=0.021,
    ),
    Quantisation("Q3_K_XL", base="Q3_K", embedding="Q8_0", rules="Q3_K_L", bits=4.2, kernels="q3"),
    Quantisation(
        "Q3_K_L", base="Q3_K", offered=True, bits=4.17, kernels="q3",
        loss=0.056,  # 62.85 and 62.89 together with Q3_K_M
    ),
    Quantisation(
        "Q3_K_M", aliases=("Q3_K",), base="Q3_K", offered=True, tried=True, beside_cpu=True, average=3.91,
        bits=3.81, kernels="q3", loss=0.059,
    ),
    Quantisation("IQ3_M", base="IQ3_S", imatrix=True, offered=True, bits=3.6, kernels="iq3", loss=0.066),  # 62.55
    Quantisation("IQ3_S", base="IQ3_S", imatrix=True, offered=True, bits=3.44, kernels="iq3", loss=0.076),  # 62.13
    Quantisation("Q3_K_S", base="Q3_K", offered=True, bits=3.44, kernels="q3", loss=0.151),  # 59.14
    Quantisation("IQ3_XS", base="IQ3_S", imatrix=True, offered=True, bits=3.25, kernels="iq3", loss=0.100),  # 61.19
    Quantisation(
        "IQ3_XXS", base="IQ3_XXS", imatrix=True, offered=True, bits=3.1, head_bits=5.5, kernels="iq3",
        loss=0.116,  # 60.52
    ),
    Quantisation("Q2_K_L", base="Q2_K", embedding="Q8_0", rules="Q2_K"),
    Quantisation(
        "Q2_K", base="Q2_K", offered=True, tried=True, beside_cpu=True, last_resort=True, average=3.0, bits=2.96,
        kernels="q2", loss=0.231,  # 55.90
    ),
    Quantisation("IQ2_M", base="IQ2_S", imatrix=True, offered=True, bits=2.7, head_bits=5.5, kernels="iq2",
                 tried=True, beside_cpu=True, last_resort=True, average=2.75, loss=0.190),  # 57.56
    Quantisation("Q2_K_S", base="Q2_K", imatrix=True, bits=2.63, kernels="q2", loss=0.265),  # KL 0.40
    Quantisation("IQ2_S", base="IQ2_XS", imatrix=True, offered=True, bits=2.5, head_bits=5.5, kernels="iq2",
                 loss=0.279),  # 53.98
    Quantisation("IQ2_XS", base="IQ2_XS", imatrix=True, offered=True, bits=2.35, head_bits=5.5, kernels="iq2",
                 loss=0.379),  # 49.98
    Quantisation("IQ2_XXS", base="IQ2_XXS", imatrix=True, offered=True, bits=2.1, head_bits=5.5, kernels="iq2",
                 tried=True, beside_cpu=True, last_resort=True, average=2.2, loss=0.540),  # 43.50
    Quantisation("TQ2_0", base="TQ2_0", bits=2.06, head_bits=4.5, kernels="q2", loss=0.38),
    Quantisation("Q2_0", base="Q2_0", loss=0.38),
    Quantisation("IQ1_M", base="IQ1_M", imatrix=True, offered=True, bits=1.8, head_bits=5.5, kernels="iq2",
                 tried=True, beside_cpu=True, last_resort=True, average=1.85, loss=0.905),  # 28.83
    Quantisation("TQ1_0", base="TQ1_0", bits=1.7, head_bits=4.5, kernels="iq2", loss=0.54),
    Quantisation("IQ1_S", base="IQ1_S", imatrix=True, offered=True, bits=1.6, head_bits=5.5, kernels="iq2",
                 loss=0.963),  # 26.47
    Quantisation("Q1_0", base="Q1_0", loss=0.963),
    # Nothing here loads these: they stand in published measurements, and in names of checkpoints
    Quantisation("GPTQ-Int8", loss=0.002, loss_range=(0.0, 0.010)),
    Quantisation("W8A16", loss=0.001, loss_range=_EIGHT),
    Quantisation("NVFP4A16", loss=0.036, loss_range=(0.005, 0.100), demanding=1.5),
    # MLX, groups of 64: four bits lie between Q4_K_S and Q4_0
    Quantisation("8bit", mlx=True, aliases=("MLX8",), average=8.5, bits=8.5,
                 head_bits=8.5, dense_bits=8.5, kernels="q8",
                 loss=0.001, loss_range=_EIGHT),
    Quantisation("6bit", mlx=True, aliases=("MLX6",), average=6.5, bits=6.5,
                 head_bits=6.5, dense_bits=6.5, kernels="q6",
                 loss=0.004, loss_range=(0.0, 0.012)),
    Quantisation("5bit", mlx=True, aliases=("MLX5",), average=5.5, bits=5.5,
                 head_bits=5.5, dense_bits=5.5, kernels="q5",
                 loss=0.010, loss_range=(0.003, 0.030)),
    Quantisation("4bit", mlx=True, aliases=("MLX4",), average=4.5, bits=4.5,
                 head_bits=4.5, dense_bits=4.5, kernels="q4_0",
                 loss=0.025, loss_range=(0.010, 0.060)),
    Quantisation("MXFP4-Q8", mlx=True, average=4.6, bits=4.25, head_bits=8.5, dense_bits=8.5, kernels="mxfp4",
                 loss=0.0, loss_range=(0.0, 0.04)),
    Quantisation("3bit", mlx=True, average=3.5, bits=3.5, head_bits=3.5),
    # Unsloth's, and ik_llama.cpp's types
    Quantisation("Q2_K_XL", bits=3.0, kernels="q2"),
    Quantisation("IQ4_K", bits=4.5, kernels="iq4"),
    Quantisation("IQ4_KSS", bits=4.0, kernels="iq4"),
    Quantisation("IQ3_K", bits=3.44, kernels="iq3"),
    Quantisation("IQ2_K", bits=2.4, kernels="iq2"),
    Quantisation("IQ2_KT", bits=2.15, kernels="iq2"),
)
# fmt: on


def key_of(name: str) -> str:
    """A name as it is looked up: in capitals, with "_"."""
    return name.strip().upper().replace("-", "_")


QUANTISATIONS: Final[dict[str, Quantisation]] = {key_of(row.name): row for row in _ROWS}


def find_quantisation(name: str) -> Quantisation | None:
    """Return the row of this name or spelling, whatever its case; None where there is none."""
    key = key_of(name)
    return QUANTISATIONS.get(key) or next((q for q in QUANTISATIONS.values() if key in q.aliases), None)


def offered() -> tuple[str, ...]:
    """Names of the GGUF mixes that people publish and use, largest first."""
    rows = [q for q in QUANTISATIONS.values() if q.offered]
    return tuple(q.name for q in sorted(rows, key=lambda q: -(q.bits or 0.0)))


def ladder(*, beside_cpu: bool = False) -> tuple[Quantisation, ...]:
    """GGUF mixes that are planned unasked, largest first; `beside_cpu`: where the CPU reads experts too."""
    rows = [q for q in QUANTISATIONS.values() if (q.beside_cpu if beside_cpu else q.tried)]
    return tuple(sorted(rows, key=lambda q: -(q.average or 0.0)))


def checkpoints() -> tuple[Quantisation, ...]:
    """Formats of checkpoints, in the order in which a longer name is searched for them."""
    return tuple(q for q in QUANTISATIONS.values() if q.storage is not None)


def average_bits(name: str) -> float | None:
    """Bits a weight that a whole model takes on average; None where it isn't known."""
    row = QUANTISATIONS.get(key_of(name))
    return None if row is None else row.average
