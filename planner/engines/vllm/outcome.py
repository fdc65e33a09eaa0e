"""Evaluate one set of settings on one machine: what each rank holds, what is left, what it serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from planner.demand import ONE, Demand
from planner.engines.vllm.gpu import GpuTraits
from planner.engines.vllm.memory.budget import CONTEXT, Overheads, overheads
from planner.engines.vllm.memory.kv_cache import KvLayout, kv_layout
from planner.engines.vllm.memory.weights import WeightTable, offloaded
from planner.engines.vllm.releases import CURRENT, Release
from planner.engines.vllm.settings import AUTO, VllmSettings
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Backend
from planner.plan import DeviceMemory, MemoryEstimate
from planner.reason import Reason, ReasonKind, Value
from planner.units import GIB, context_text, gib

# Four logs of R9700 servers (0.11): 0.14 to 0.62 GiB beyond the weights themselves, their middle.
ROCM_LOADING: Final = 32 * GIB // 100


@dataclass(frozen=True, slots=True)
class Outcome:
    """One evaluated set of settings. Sizes in bytes; one entry a pipeline stage where a tuple."""

    settings: VllmSettings  # resolved; max_model_len is a number
    gpu: GpuTraits
    weights: tuple[int, ...]  # on the GPU, of one rank
    offloaded: tuple[int, ...]  # in host memory, of one rank
    overheads: tuple[Overheads, ...]
    requested: int  # the budget: total × gpu_memory_utilization
    available: tuple[int, ...]  # for the KV cache, expected
    available_low: tuple[int, ...]  # with overheads at the upper end of their interval
    layout: KvLayout
    tables: int  # in host memory once, whatever the ranks: n-gram tables
    reason: Reason | None  # why the engine doesn't start, its text a clause; None where it does

    @property
    def starts_shorter(self) -> bool:
        """True where it starts, or only the length keeps it from starting."""
        return self.reason is None or self.reason.kind is ReasonKind.CONTEXT_TOO_LONG

    @property
    def length(self) -> int:
        """Longest request that the engine accepts, tokens."""
        return self.settings.max_model_len or 0

    def logged_weights(self, release: Release = CURRENT) -> int:
        """What "Model loading took" says of the fullest rank, bytes.

        torch's own count on CUDA. ROCm builds from 0.7.2 to before 0.33 printed what the device held more than
        before instead (platforms/rocm.py get_current_memory_usage by mem_get_info): with kernels and what the
        allocator keeps reserved.
        """
        reserve = self.gpu.backend is Backend.ROCM and Release(0, 7, 2) <= release < CURRENT
        return max(self.weights) + (ROCM_LOADING if reserve else 0)

    @property
    def blocks(self) -> int:
        """KV cache blocks."""
        return self.layout.num_blocks(self.available)

    @property
    def tokens(self) -> int:
        """What the log calls the KV cache's size, tokens."""
        return self.layout.tokens(self.blocks, self.length)

    @property
    def concurrency(self) -> float:
        """Requests of full length that fit at once; of a model that keeps nothing, as many as are allowed."""
        if not self.layout.groups:
            return float(self.settings.max_num_seqs or 1)
        return self.layout.concurrency(self.blocks, self.length)

    @property
    def served(self) -> float:
        """Requests of full length that all data parallel ranks hold together."""
        if self.reason is not None:
            return 0.0
        return round(self.settings.data_parallel_size * self.concurrency, 2)

    def longest(self, limit: int, demand: Demand = ONE, *, safe: bool = False) -> int:
        """Longest request that fits beside the other users' shares; `safe`: with overheads at their upper end."""
        available = self.available_low if safe else self.available
        each = self.layout.longest(available, limit, demand.users)
        if demand.users == 1 or demand.share >= 1 or each >= limit:
            return each
        return min(self.layout.longest(available, limit), int(each / demand.share))

    def most_sequences(self, *, safe: bool = False) -> int | None:
        """Most sequences (max_num_seqs) with which the engine starts; None where its blocks don't limit them.

        Where full CUDA graphs are captured, every sequence needs a block for its recurrent state (vLLM 0.33.0
        vllm/config/compilation.py). `safe`: with overheads at their upper end.
        """
        if self.settings.enforce_eager or self.gpu.backend is Backend.CPU or not self.layout.has_states:
            return None
        return self.layout.num_blocks(self.available_low if safe else self.available)

    def allows_too_many(self, *, safe: bool = False) -> bool:
        """True where max_num_seqs is more than the state blocks."""
        most = self.most_sequences(safe=safe)
        return most is not None and (self.settings.max_num_seqs or 0) > most

    def holds(self, demand: Demand, *, safe: bool = True) -> bool:
        """True where a request of full length fits, and all users' shares of such a one at once."""
        if self.reason is not None:
            return False
        return self.longest(self.length, demand, safe=safe) >= self.length


def evaluate(table: WeightTable, settings: VllmSettings, free: int | None = None) -> Outcome:
    """Evaluate settings for weights on one kind of GPU; `free`: bytes that each GPU has free before the start."""
    arch, gpu, release = table.arch, table.gpu, table.release
    resolved = table.resolved(settings)
    weights = table.per_rank(resolved)
    moved = tuple(offloaded(w, resolved) for w in weights)
    on_gpu = tuple(w - m for w, m in zip(weights, moved, strict=True))
    requested = int(gpu.total * (resolved.gpu_memory_utilization or 0))
    last, rank = len(weights) - 1, table.rank(resolved)
    inside = tuple(overheads(rank, first=stage == 0, last=stage == last) for stage in range(len(weights)))
    if resolved.kv_cache_memory_bytes is not None:
        available = available_low = (resolved.kv_cache_memory_bytes,) * len(weights)
    else:
        available = tuple(requested - w - o.inside() for w, o in zip(on_gpu, inside, strict=True))
        most = 1 + table.scheme.excess
        available_low = tuple(
            requested - int(w * most) - o.inside("high") for w, o in zip(on_gpu, inside, strict=True)
        )
        if gpu.backend is Backend.CPU:
            available = available_low = tuple(_cpu_cache(a) for a in available)
    layout = kv_layout(table.cached_shape(resolved), resolved, gpu, release)
    if resolved.max_model_len == AUTO:
        resolved = replace(resolved, max_model_len=layout.longest(available, arch.n_ctx_train))
    outcome = Outcome(
        settings=resolved,
        gpu=gpu,
        weights=on_gpu,
        offloaded=moved,
        overheads=inside,
        requested=requested,
        available=available,
        available_low=available_low,
        layout=layout,
        tables=table.tables(resolved),
        reason=None,
    )
    reason = _reason(outcome, free)
    if reason is None and table.release.a_state_for_each_sequence and outcome.allows_too_many():
        reason = _too_many(outcome)
    return replace(outcome, reason=reason)


def _too_many(outcome: Outcome) -> Reason:
    """The engine's own words for more sequences than state blocks, with what would start."""
    most, asked = outcome.most_sequences() or 0, outcome.settings.max_num_seqs or 0
    text = (
        f"max_num_seqs ({asked}) exceeds available Mamba cache blocks ({most}): each"
        " sequence needs one for its recurrent state when CUDA graphs are captured"
    )
    return Reason(ReasonKind.TOO_MANY_SEQUENCES, text, {"sequences": asked, "most": most})


def _cpu_cache(left: int) -> int:
    """Bytes of cache that a CPU plan can ask for out of what weights and activations leave of the budget.

    The worker's own footprint counts within its reservation (determine_available_memory in
    vllm/v1/worker/cpu_worker.py of 0.33.0), and VLLM_CPU_KVCACHE_SPACE, by which the plan holds the cache to what
    was counted, takes whole GiB (vllm/envs.py).
    """
    return max(0, left - int(CONTEXT.expected)) >> 30 << 30


def _reason(outcome: Outcome, free: int | None) -> Reason | None:
    settings, gpu, weights, requested = outcome.settings, outcome.gpu, outcome.weights, outcome.requested
    available, layout = outcome.available, outcome.layout
    utilization = settings.gpu_memory_utilization or 0
    figures: dict[str, Value] = {"utilization": utilization, "budget": requested, "weights": max(weights)}
    if max(weights) > requested:
        text = (
            f"the weights take {gib(max(weights))} a GPU, gpu_memory_utilization {utilization:g} of"
            f" {gib(gpu.total)} is {gib(requested)}"
        )
        return Reason(ReasonKind.WEIGHTS_OVER_BUDGET, text, {**figures, "total": gpu.total})
    if free is not None and gpu.backend is not Backend.CPU and requested > free - CONTEXT.low:
        left = max(0, int(free - CONTEXT.low))
        text = (
            f"gpu_memory_utilization {utilization:g} asks for {gib(requested)}, but only"
            f" {gib(left)} will be free on {gpu.name}"
        )
        return Reason(ReasonKind.BUDGET_NOT_FREE, text, {**figures, "free": left, "device": gpu.name})
    if min(available) <= 0:
        text = (
            f"no memory is left for the KV cache: weights {gib(max(weights))} and the profiling run's peak"
            f" fill the {gib(requested)} that gpu_memory_utilization {utilization:g} allows"
        )
        return Reason(ReasonKind.NO_ROOM_FOR_CACHE, text, figures)
    length = settings.max_model_len or 0
    if length <= 0 or not layout.fits(available, length):
        needed, left = layout.request_bytes(length), max(0, min(available))
        longest = layout.longest(available, length)
        text = (
            f"max_model_len {length:,} needs {gib(needed)} of KV cache,"
            f" {gib(left)} are left (longest: {context_text(longest)})"
        )
        figures = {"context": length, "needed": needed, "free": left, "longest": longest}
        return Reason(ReasonKind.CONTEXT_TOO_LONG, text, figures)
    return None


def memory_of(
    outcome: Outcome, names: Sequence[str], free: Sequence[int], host_free: int = 0
) -> MemoryEstimate:
    """Return the memory of each rank in the order of tensor parallel ranks inside pipeline stages.

    vLLM takes its whole budget: the cache fills what weights and overheads leave. Where not even one
    request fits, the cache is shown as large as that request needs, so that the sum shows what is missing.
    """
    devices = []
    tp = outcome.settings.tensor_parallel_size
    ranks = outcome.settings.world_size * outcome.settings.data_parallel_size
    kind = "cpu" if outcome.gpu.backend is Backend.CPU else "gpu"
    need = outcome.layout.blocks_per_request(max(1, outcome.length)) + 1
    blocks = max(outcome.blocks, need)
    for rank in range(ranks):
        stage = rank // tp % len(outcome.weights)
        over = outcome.overheads[stage]
        graphs_outside = 0 if over.graphs_in_budget else int(over.graphs.expected)
        compute = int(over.activation.expected) + int(over.graphs.expected) - graphs_outside
        overhead = int(over.non_torch.expected + CONTEXT.expected) + graphs_outside + over.after
        # The parts' spread moves the cache, not the sum: vLLM measures them and gives the rest to the cache.
        high = overhead + int(CONTEXT.high - CONTEXT.expected)
        devices.append(
            DeviceMemory(
                name=names[rank % len(names)],
                kind=kind,
                weights=outcome.weights[stage],
                kv_cache=blocks * outcome.layout.bytes_per_block[stage] if outcome.layout.groups else 0,
                compute=compute,
                overhead=overhead,
                available=free[rank % len(free)],
                overhead_high=high,
            )
        )
    if outcome.gpu.unified:  # what the GPU takes of the one memory isn't there for the host
        host_free = max(0, host_free - devices[0].total)
    host = sum(outcome.offloaded) * tp * outcome.settings.data_parallel_size + outcome.tables
    if host:
        devices.append(DeviceMemory(name="CPU", kind="cpu", weights=host, available=host_free))
    return MemoryEstimate(tuple(devices))
