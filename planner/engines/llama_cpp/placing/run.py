"""One model as llama.cpp runs it: what every figure of caches and compute buffers follows from."""

from __future__ import annotations

from planner.engines.llama_cpp.placing.placement import LayerPlacement
from planner.engines.llama_cpp.placing.weights import WeightTable
from planner.engines.llama_cpp.settings import Context, LlamaCppSettings
from planner.fast_dataclass import dataclass
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture


@dataclass(frozen=True, slots=True)
class Run:
    """Weights, where each layer lies, the settings and what they come to, on devices of one backend."""

    table: WeightTable
    placement: LayerPlacement
    settings: LlamaCppSettings
    context: Context
    backend: Backend = Backend.CUDA
    copies: bool = True  # False: the buffers with copies were refused, and it goes on without (sched_reserve)

    @property
    def arch(self) -> Architecture:
        """The model's shape."""
        return self.table.arch

    @property
    def cuda(self) -> bool:
        """True where the devices allocate as the CUDA backend does."""
        return self.backend in (Backend.CUDA, Backend.ROCM)

    @property
    def pipelined(self) -> bool:
        """True where several devices work on consecutive batches at once (llama_context's constructor)."""
        placement, settings = self.placement, self.settings
        return (
            self.copies
            and settings.split_mode == "layer"
            and placement.n_devices > 1
            and placement.n_gpu_layers > len(placement.layers)
            and settings.kv_offload
            and not placement.overridden
            and not settings.moe_cache_mib
        )
