"""What of a GPU is left for the KV cache: the budget less weights, activation, graphs and the rest.

vLLM 0.33.0, vllm/v1/worker/gpu_worker.py determine_available_memory: requested = total ×
gpu_memory_utilization; available = requested - weights - peak activation - other allocations - graphs.
Weights follow from shapes exactly; the three others are measured by the engine when it starts, so they
carry an interval here. Where each coefficient comes from stands beside it.
"""

from __future__ import annotations

import math
from typing import Final

from planner.engines.vllm.architectures import vllm_traits
from planner.engines.vllm.gpu import GpuTraits
from planner.engines.vllm.memory.profiling import profiling_peak
from planner.engines.vllm.memory.shards import Rank
from planner.engines.vllm.memory.weights import attention_backend
from planner.engines.vllm.releases import Release
from planner.engines.vllm.settings import VllmSettings
from planner.fast_dataclass import dataclass
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture
from planner.plan import Interval
from planner.units import GIB, MIB

# Allocations outside torch: seven logs of one H100 0.07 to 0.14 GiB, three with NCCL (two ranks) 0.54
# to 0.55, two RTX 4090 0.25.
_NON_TORCH: Final = (0.07, 0.14, 0.45)
_NON_TORCH_NCCL: Final = (0.25, 0.55, 1.4)
# ROCm, beyond weights and activation, with one GPU or several: 26 logs of R9700 servers. 0.11: 0.6 to 3.8 GiB (13
# logs; the most where a graph was compiled for the first time). 0.13: 0.5 to 1.2 (11 logs). What the loading
# reserves counts twice there, once as weights and once as memory outside torch (vllm_outcome.py logged_weights);
# without that, as since 0.33, the latter leave 0.4 to 0.8.
_ROCM: Final = (
    (Release(0, 13), (0.5, 2.6, 3.9)),
    (Release(0, 33), (0.45, 0.82, 1.2)),
    (Release(999, 0), (0.35, 0.56, 1.2)),
)
# One memory for GPU and host: what the process allocates on the host lowers the free memory too. Two logs
# of GB10 servers (0.19, NVFP4) leave 2.5 and 2.7 GiB beyond what a discrete GPU takes; a compiler that works in
# the background at that moment was seen to take up to 30 (eugr/spark-vllm-docker, pull request 286).
_UNIFIED_EXTRA: Final = (1.0, 2.6, 5.0)
_FLASHINFER_WORKSPACE: Final = 394 * MIB
# CUDA graphs: piecewise graphs take a quarter of a MiB a layer and size (logs: 0.2 to 0.4), full ones a
# pool of 0.3 GiB more. What 0.19 to 0.29 estimated on discrete GPUs: 0.09 (3 piecewise and 2 full graphs), 0.36
# (16), 0.40, 0.41 (6 sizes) and 0.67 GiB (35 and 19).
_GRAPH_LAYER: Final = MIB // 4
_GRAPH_POOL: Final = 3 * GIB // 10
# Where GPU and host share their memory the estimate is a difference of free memory that the host moves too: two
# logs of GB10 servers (51 sizes) print -4.7 (0.20) and 5.0 GiB (0.29).
_UNIFIED_GRAPHS: Final = 5 * GIB
# Taken before the engine looks at free memory: CUDA context and handles (H100 logs: 0.61 GiB).
CONTEXT: Final = Interval(0.3 * GIB, 0.6 * GIB, 0.9 * GIB)


@dataclass(frozen=True, slots=True)
class Overheads:
    """What the engine needs beside weights and cache on one rank, bytes with an interval."""

    activation: Interval
    non_torch: Interval
    graphs: Interval
    graphs_in_budget: bool
    after: int = 0  # taken once the cache is there, beside the budget

    def inside(self, end: str = "expected") -> int:
        """Bytes inside the budget at one end of the interval ("low", "expected", "high")."""
        parts = [self.activation, self.non_torch] + ([self.graphs] if self.graphs_in_budget else [])
        if end == "expected":
            return int(sum(p.expected for p in parts))
        # The parts don't all err at once: their deviations add like independent ones.
        expected = sum(p.expected for p in parts)
        spread = math.sqrt(sum((getattr(p, end) - p.expected) ** 2 for p in parts))
        return int(expected + spread if end == "high" else max(0.0, expected - spread))


def overheads(rank: Rank, *, first: bool = True, last: bool = True) -> Overheads:
    """Return activation, other allocations and graphs of one rank; its settings must be resolved.

    `first`, `last`: of the pipeline's stages.
    """
    arch, settings, gpu, release = rank.arch, rank.settings, rank.gpu, rank.release
    low, middle, high = _NON_TORCH if settings.world_size == 1 else _NON_TORCH_NCCL
    if gpu.backend is Backend.ROCM:
        low, middle, high = next(values for until, values in _ROCM if release < until)
    if gpu.unified:
        low, middle, high = (a + b for a, b in zip((low, middle, high), _UNIFIED_EXTRA, strict=True))
    workspace = _workspace(arch, settings, gpu)
    graphs = _graphs(arch, settings, gpu)
    seen = release.graphs_in_budget and graphs.expected > 0
    if seen:
        graphs = Interval(graphs.low + workspace, graphs.expected + workspace, graphs.high + workspace)
    return Overheads(
        activation=profiling_peak(rank, first=first, last=last),
        non_torch=Interval(low * GIB, middle * GIB, high * GIB),
        graphs=graphs,
        graphs_in_budget=release.graphs_in_budget,
        after=0 if seen else workspace,
    )


def _workspace(arch: Architecture, settings: VllmSettings, gpu: GpuTraits) -> int:
    """What FlashInfer's metadata builder takes for the first batch that it plans, which is the first graph."""
    flashinfer = gpu.backend is Backend.CUDA and attention_backend(arch, settings, gpu) == "FLASHINFER"
    return _FLASHINFER_WORKSPACE if flashinfer else 0


def after_cache(arch: Architecture, settings: VllmSettings, gpu: GpuTraits) -> int:
    """Bytes taken beside the budget once the cache is there: the workspace, where no graph shows it before."""
    return _workspace(arch, settings, gpu) if settings.enforce_eager else 0


def capture_sizes(arch: Architecture, settings: VllmSettings, gpu: GpuTraits) -> int:
    """How many batch sizes CUDA graphs are captured for (vllm/config/vllm.py _set_cudagraph_sizes)."""
    limit = 1024 if gpu.family == 10 else vllm_traits(arch).largest_graph
    query = 1 + settings.num_speculative_tokens
    largest = settings.max_cudagraph_capture_size or min(2 * (settings.max_num_seqs or 1) * query, limit)
    largest = min(largest, settings.max_num_batched_tokens or largest)
    small = sum(1 for size in (1, 2, 4) if size <= largest)
    middle = len(range(8, min(largest, 255) + 1, 8))
    return small + middle + len(range(256, largest + 1, 16))


def _graphs(arch: Architecture, settings: VllmSettings, gpu: GpuTraits) -> Interval:
    if settings.enforce_eager or gpu.backend is Backend.CPU:
        return Interval(0, 0, 0)
    layers = -(-arch.n_layer // settings.pipeline_parallel_size)
    # with adapters each size is captured twice, with and without one (config/lora.py, compilation.py)
    sizes = capture_sizes(arch, settings, gpu) * (2 if settings.enable_lora else 1)
    expected = sizes * layers * _GRAPH_LAYER + _GRAPH_POOL
    if gpu.unified:
        return Interval(0, expected, expected + _UNIFIED_GRAPHS)
    return Interval(0.2 * expected, expected, 3 * expected)
