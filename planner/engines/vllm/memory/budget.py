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
from planner.engines.vllm.memory.weights import attention_backend
from planner.engines.vllm.releases import CURRENT, Release
from planner.engines.vllm.settings import VllmSettings
from planner.fast_dataclass import dataclass
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture, DenseFeedForward, LayerGroup, MixtureOfExperts
from planner.models.cache import LatentAttention
from planner.models.tensors import Role
from planner.plan import Interval
from planner.units import GIB, MIB

# Bytes that the sampler's warm-up takes for one row's logit, (low, expected, high):
# - up to 0.14: the sorting top-p. Nine logs of H100 servers (0.10, 0.11; 1024 rows; vocabularies 128k to
#   201k; 0.6B to 120B) give 38.25 to 38.55 once the hidden states are taken off.
# - 0.15 to 0.29: top-p without a full sort. Two logs of A100 servers (0.19): 19 and 23.
# - since 0.30: model runner V2, read in v1/worker/gpu/sample: 16-bit logits (2) and their fp32 copy (4),
#   FlashInfer's softmax and masked probabilities (8, none where it isn't there), penalties' counts (4.1).
_SAMPLER: Final = (
    (Release(0, 15), (38.2, 38.4, 38.6)),
    (Release(0, 30), (16.0, 22.7, 38.6)),
    (Release(999, 0), (10.1, 18.1, 24.0)),
)
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

    def inside(self, end: str = "expected") -> int:
        """Bytes inside the budget at one end of the interval ("low", "expected", "high")."""
        parts = [self.activation, self.non_torch] + ([self.graphs] if self.graphs_in_budget else [])
        if end == "expected":
            return int(sum(p.expected for p in parts))
        # The parts don't all err at once: their deviations add like independent ones.
        expected = sum(p.expected for p in parts)
        spread = math.sqrt(sum((getattr(p, end) - p.expected) ** 2 for p in parts))
        return int(expected + spread if end == "high" else max(0.0, expected - spread))


def overheads(
    arch: Architecture,
    settings: VllmSettings,
    gpu: GpuTraits,
    release: Release = CURRENT,
    *,
    last_stage: bool = True,
) -> Overheads:
    """Return activation, other allocations and graphs of one rank; `settings` must be resolved."""
    low, middle, high = _NON_TORCH if settings.world_size == 1 else _NON_TORCH_NCCL
    if gpu.backend is Backend.ROCM:
        low, middle, high = next(values for until, values in _ROCM if release < until)
    if gpu.unified:
        low, middle, high = (a + b for a, b in zip((low, middle, high), _UNIFIED_EXTRA, strict=True))
    extra = 0
    if gpu.backend is Backend.CUDA and attention_backend(arch, settings, gpu) == "FLASHINFER":
        extra = _FLASHINFER_WORKSPACE
    return Overheads(
        activation=_activation(arch, settings, release, last_stage),
        non_torch=Interval(low * GIB + extra, middle * GIB + extra, high * GIB + extra),
        graphs=_graphs(arch, settings, gpu),
        graphs_in_budget=release.graphs_in_budget,
    )


def _activation(arch: Architecture, settings: VllmSettings, release: Release, last: bool) -> Interval:
    """The profiling run's peak: a batch through the widest layer, or the sampler after it."""
    tokens = settings.max_num_batched_tokens or 0
    forward = tokens * max((_token_bytes(arch, g, settings) for g in arch.groups if not g.mtp), default=0)
    vision = GIB // 2 if arch.vision is not None and not settings.language_model_only else 0
    if not last:
        return Interval(0.7 * forward, forward, 1.5 * forward + vision)
    rows = min(settings.max_num_seqs or 1, tokens)
    hidden = 2 * tokens * arch.hidden_size
    per_logit = next(values for until, values in _SAMPLER if release < until)
    sampler = tuple(rows * arch.vocab_size * b + hidden for b in per_logit)
    return Interval(
        max(0.7 * forward, sampler[0]),
        max(forward, sampler[1]),
        max(1.5 * forward, sampler[2]) + vision,
    )


def _token_bytes(arch: Architecture, group: LayerGroup, settings: VllmSettings) -> int:
    """Bytes of one token's intermediate tensors in one layer, 16-bit, live at once.

    Residual and hidden states, and the wider of attention (Q, K, V, output) and feed-forward (gate and up,
    their product); experts as fused_moe's two workspaces hold them, beside what the routed and the shared ones
    return (vllm/model_executor/layers/fused_moe/runner/).
    """
    tp = settings.tensor_parallel_size
    attention = sum(
        t.shape[1] for t in group.tensors if t.role in _PROJECTIONS and len(t.shape) > 1
    )  # Q, K, V; an MLA layer expands its latent rows
    heads = [c for c in group.caches if isinstance(c, LatentAttention)]
    output = sum(c.n_head * c.v_head_dim for c in heads) or attention // 2
    ff = group.feed_forward
    wide = 0
    if isinstance(ff, DenseFeedForward):
        wide = (3 if ff.gated else 2) * ff.intermediate // tp
    elif isinstance(ff, MixtureOfExperts):
        local = 1 if settings.enable_expert_parallel else tp
        up = (2 if ff.gated else 1) * ff.intermediate // local
        width = ff.latent or arch.hidden_size
        wide = ff.n_expert_used * (max(up, width) + ff.intermediate // local) + 2 * ff.n_expert
        wide += arch.hidden_size * (2 if ff.shared_intermediate or ff.dense_intermediate else 1)
    return 2 * (2 * arch.hidden_size + max((attention + output) // tp, wide))


_PROJECTIONS: Final = frozenset(
    {Role.ATTN_Q, Role.ATTN_K, Role.ATTN_V, Role.ATTN_QKV, Role.MLA_Q_B, Role.MLA_KV_B, Role.SSM_IN}
)


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
    expected = capture_sizes(arch, settings, gpu) * layers * _GRAPH_LAYER + _GRAPH_POOL
    if gpu.unified:
        return Interval(0, expected, expected + _UNIFIED_GRAPHS)
    return Interval(0.2 * expected, expected, 3 * expected)
