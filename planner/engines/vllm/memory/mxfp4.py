"""Bytes of MXFP4 experts as each kernel wants them padded.

vLLM 0.33.0: vllm/model_executor/layers/fused_moe/oracle/mxfp4.py
mxfp4_round_up_hidden_size_and_intermediate_size, layers/quantization/mxfp4.py GptOssMxfp4MoEMethod,
layers/quantization/utils/mxfp4_utils.py _swizzle_mxfp4.
"""

from __future__ import annotations

from typing import Final

from planner.engines.vllm.releases import CURRENT, Release
from planner.fast_dataclass import dataclass
from planner.units import round_up

# kernel -> multiples of (hidden, intermediate of one partition)
_PADDING: Final = {
    "triton": (1, 64),
    "triton_unfused": (1, 64),
    "triton_rocm": (256, 256),
    "aiter": (256, 256),
    "marlin": (256, 128),
    "batched_marlin": (256, 128),
    "flashinfer_trtllm": (256, 128),
    "flashinfer_cutlass": (128, 128),
    "cutlass": (128, 128),
    "deep_gemm": (128, 128),
    "cpu": (32, 32),
    "emulation": (32, 32),
}
# Releases before 0.14 padded the Hopper layout more: logs of gpt-oss-20b and -120b on H100 (0.11) give 1.060
# and 1.057 times today's bytes. Which dimension they padded was not found.
_EARLIER_TRITON: Final = 1.0585
SCALE_BLOCK: Final = 32  # elements that share one byte of scale


@dataclass(frozen=True, slots=True)
class Experts:
    """One layer's experts on one rank."""

    count: int
    intermediate: int  # this rank's share of it
    hidden: int
    gated: bool
    bias: bool


def expert_bytes(experts: Experts, backend: str, release: Release = CURRENT) -> int:
    """Bytes of one layer's experts on one rank, as the kernel wants them."""
    hidden_pad, inter_pad = _PADDING.get(backend, (1, 64))
    h, i = round_up(experts.hidden, hidden_pad), round_up(experts.intermediate, inter_pad)
    ups = (2 if experts.gated else 1) * i
    packed = (ups * h + h * i) // 2
    if backend in ("triton", "triton_unfused"):
        # The Hopper layout pads scales: rows to 256, groups to 4.
        scales = round_up(ups, 256) * round_up(-(-h // SCALE_BLOCK), 4)
        scales += round_up(h, 256) * round_up(-(-i // SCALE_BLOCK), 4)
    else:
        scales = (ups * h + h * i) // SCALE_BLOCK
    bias_bytes = (ups + h) * (2 if backend.endswith("marlin") else 4) if experts.bias else 0
    total = experts.count * (packed + scales + bias_bytes)
    if backend == "triton" and release < Release(0, 14):
        return int(total * _EARLIER_TRITON)
    return total
