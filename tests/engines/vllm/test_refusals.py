"""Which GPU generations run a format under vLLM: its own capability checks, stated one by one."""

from __future__ import annotations

from typing import Final

import pytest

from planner.engines.vllm.gpu import GpuTraits
from planner.engines.vllm.memory.storage import QuantScheme
from planner.engines.vllm.refusals import gpu_reason
from planner.quant.quantisations import Storage
from planner.units import GIB

# get_min_capability of vLLM 0.33.0, vllm/model_executor/layers/quantization/: the first generation with a kernel
LOWEST: Final = {
    Storage.PLAIN: 75,  # what its wheels are built for
    Storage.FP8_BLOCK: 75,  # fp8.py Fp8Config
    Storage.FP8_TENSOR: 75,  # fp8.py Fp8Config
    Storage.FP8_CHANNEL: 75,  # compressed_tensors_w8a16_fp8.py: weights alone, by Marlin
    Storage.MXFP8: 75,  # compressed_tensors_w8a8_mxfp8.py
    Storage.INT8: 75,  # compressed_tensors_w8a8_int8.py
    Storage.INT4: 75,  # auto_awq.py AWQConfig, compressed_tensors_wNa16.py
    Storage.NVFP4: 75,  # compressed_tensors_w4a4_nvfp4.py, modelopt.py ModelOptNvFp4Config
    Storage.MXFP4: 80,  # mxfp4.py Mxfp4Config
}


def _gpu(sm: int) -> GpuTraits:
    return GpuTraits(f"sm{sm}", 24 * GIB, sm)


@pytest.mark.parametrize("storage", Storage)
def test_a_format_runs_from_the_generation_on_that_has_a_kernel(storage: Storage) -> None:
    scheme, lowest = QuantScheme("X", storage), LOWEST[storage]
    assert gpu_reason(scheme, _gpu(lowest)) is None
    older = max(sm for sm in (60, 61, 70, 75) if sm < lowest)
    reason = gpu_reason(scheme, _gpu(older))
    assert reason is not None and f"compute capability {lowest / 10:.1f} for X" in reason


def test_experts_in_another_format_decide() -> None:
    scheme = QuantScheme("FP8", Storage.FP8_BLOCK, experts=Storage.MXFP4)
    assert gpu_reason(scheme, _gpu(80)) is None
    assert gpu_reason(scheme, _gpu(75)) is not None
