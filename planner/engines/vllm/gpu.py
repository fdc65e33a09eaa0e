"""What vLLM decides by the kind of GPU: batch defaults, kernels and their paddings, number formats.

Read in vLLM 0.33.0: vllm/engine/arg_utils.py get_batch_defaults, vllm/platforms/cuda.py
_get_backend_priorities, vllm/model_executor/layers/fused_moe/oracle/mxfp4.py.
"""

from __future__ import annotations

from planner.engines.vllm.releases import CURRENT, Release
from planner.fast_dataclass import dataclass
from planner.hardware.machine import Accelerator, Backend
from planner.hardware.profiles.assemble import driver_reserve
from planner.units import GIB


@dataclass(frozen=True, slots=True)
class GpuTraits:
    """One kind of device as vLLM sees it."""

    name: str
    total: int  # bytes, as the driver reports
    sm: int | None  # compute capability × 10; None where it isn't an NVIDIA GPU
    backend: Backend = Backend.CUDA
    unified: bool = False  # GPU and host share one memory (GB10, Jetson, Strix Halo)
    gfx: str | None = None  # AMD's target, where it is known

    @property
    def family(self) -> int | None:
        """Compute capability's major number: 8 Ampere and Ada, 9 Hopper, 10 and 12 Blackwell."""
        return None if self.sm is None else self.sm // 10

    @property
    def is_gb10(self) -> bool:
        """DGX Spark: much memory, little compute."""
        return self.sm == 121

    def batch_defaults(self, world_size: int, release: Release = CURRENT) -> tuple[int, int]:
        """Default max_num_batched_tokens and max_num_seqs of the OpenAI server."""
        if self.backend is Backend.CPU:
            return 2048 * world_size, 128 * world_size
        if release < Release(0, 9):
            return 2048, 256
        big = self.total >= 70 * GIB and "a100" not in self.name.lower() and not self.is_gb10
        if self.total >= 160 * GIB:
            return 16384, 1024
        return (8192, 1024) if big else (2048, 256)

    @property
    def has_bf16(self) -> bool:
        """BF16 needs Ampere (or a GPU that is not NVIDIA's, or a CPU)."""
        return self.sm is None or self.sm >= 80

    def attention_backend(self, *, kv_cache_dtype: str, sinks: bool, mla: bool, sparse: bool) -> str:
        """The attention backend that vLLM picks; only what changes memory matters here."""
        fp8 = kv_cache_dtype.startswith("fp8") and not kv_cache_dtype.endswith("per_token_head")
        if self.backend is Backend.CPU:
            return "CPU_MLA" if mla else "CPU_ATTN"
        if self.backend is Backend.ROCM:
            return "TRITON_MLA" if mla else "ROCM_ATTN"
        if kv_cache_dtype.startswith("turboquant"):
            return "TURBOQUANT"
        if kv_cache_dtype.endswith("per_token_head"):
            return "TRITON_ATTN"
        if mla:
            if sparse:
                return "FLASHMLA_SPARSE"
            if self.family == 10:
                return "FLASHINFER_MLA"
            if self.family == 12:
                return "TRITON_MLA"
            if self.family == 9:
                return "FLASHMLA" if fp8 else "FLASH_ATTN_MLA"
            return "TRITON_MLA"
        if kv_cache_dtype == "nvfp4" or self.family == 10:
            return "FLASHINFER"
        if sinks and self.family != 9:
            return "FLASHINFER" if self.family == 12 else "TRITON_ATTN"
        if self.sm is not None and self.sm < 80:
            return "TRITON_ATTN"
        if kv_cache_dtype == "fp8_e5m2" or (fp8 and self.family != 9):
            return "FLASHINFER"
        return "FLASH_ATTN"

    def mxfp4_backend(self, moe_backend: str = "auto", release: Release = CURRENT) -> str:
        """Kernel of gpt-oss's MXFP4 experts: decides how the packed weights are padded.

        Before 0.11 Hopper took Marlin (log of gpt-oss-120b on one H100, 0.10.1: 65.97 GiB).
        """
        if moe_backend != "auto":
            return moe_backend
        if self.backend is Backend.ROCM:
            return "triton_rocm"
        if self.backend is Backend.CPU:
            return "cpu"
        if self.family == 10:
            return "flashinfer_trtllm"
        triton = self.family in (9, 11) and release >= Release(0, 11)
        return "triton" if triton else "marlin"

    def flashinfer_gdn(self, head_k_dim: int) -> bool:
        """FlashInfer's gated-delta-net prefill (checkpoints every 64 tokens)."""
        return self.family == 9 or (self.family in (10, 12) and head_k_dim == 128)


def traits_of(accelerator: Accelerator, *, detected: bool = False) -> GpuTraits:
    """Return what vLLM sees of an accelerator: the memory that CUDA reports, not the driver's total.

    A profile says what the driver reserves, or its free memory is the total less that; on a detected machine free
    memory says nothing about the total, as other processes may hold some.
    """
    total = accelerator.memory_total
    if accelerator.backend is Backend.CUDA and not accelerator.unified:
        if detected:
            total -= driver_reserve(total)
        elif accelerator.memory_reserved is not None:
            total -= accelerator.memory_reserved
        else:
            total = min(total, accelerator.memory_free)
    return GpuTraits(
        name=accelerator.name,
        total=total,
        sm=accelerator.sm,
        backend=accelerator.backend,
        unified=accelerator.unified,
        gfx=accelerator.gfx_target,
    )


def cpu_traits(ram: int) -> GpuTraits:
    """Return the CPU backend as a device of that much RAM."""
    return GpuTraits(name="CPU", total=ram, sm=None, backend=Backend.CPU)
