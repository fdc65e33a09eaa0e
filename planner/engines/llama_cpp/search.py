"""The search for the best placement of one model with llama.cpp: everything on the GPU, else experts on the
CPU with as many as fit kept on the GPU, else whole layers, else the CPU alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Final

from planner.engines.llama_cpp.allocation import Devices, LlamaMemory, Measure, allocate
from planner.engines.llama_cpp.builds import installed_build
from planner.engines.llama_cpp.compute import graph_buffers, known_buffers, upper_bound
from planner.engines.llama_cpp.graph.buffers import ComputeBuffers
from planner.engines.llama_cpp.placing.run import Run
from planner.engines.llama_cpp.placing.weights import weights_of
from planner.engines.llama_cpp.projector import NONE, Projector, projector
from planner.engines.llama_cpp.room import device_spare, estimate_of, room_of, spare_of
from planner.engines.llama_cpp.settings import ALL_LAYERS, FIT, LlamaCppSettings
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Backend
from planner.plan import MemoryEstimate, PlanRequest, UseCase
from planner.units import round_up

STEP: Final = 256  # contexts are multiples of this
SMALLEST_CONTEXT: Final = 4096  # as --fit-ctx


@dataclass(frozen=True, slots=True)
class Found:
    """One placement: settings, what they allocate, the estimate built from it."""

    settings: LlamaCppSettings
    memory: LlamaMemory
    estimate: MemoryEstimate
    copies: bool = True  # False: llama.cpp goes on without pipeline copies, as they don't fit

    @property
    def fits(self) -> bool:
        """True where every device has room with the overhead at its upper end."""
        return self.estimate.fits

    @property
    def gpus_fit(self) -> bool:
        """True where every GPU has room, whatever the host lacks."""
        return all(d.fits for d in self.estimate.devices if d.kind == "gpu")


class Precision(Enum):
    """How exactly a placement's compute buffers are to be known."""

    BOUND = "bound"  # no less than they are: enough to sort out what doesn't fit
    KNOWN = "known"  # exact where no graph has to be built for it, else a bound: enough to rank
    EXACT = "exact"  # what the engine allocates


class Search:
    """Evaluates settings for one request on one host; keeps nothing between models.

    It steps by bounds and settles with figures of its `precision`; `reached` says how exact those turned out.
    `base`: the settings to begin with; those of the request where none are given.
    """

    def __init__(
        self,
        request: PlanRequest,
        precision: Precision = Precision.EXACT,
        base: LlamaCppSettings | None = None,
    ) -> None:
        self.request = request
        self.precision = precision
        self.reached = Precision.EXACT
        self.base = settings_of(request) if base is None else base
        self.contexts = contexts_of(request, self.base)
        self.table = weights_of(request.model, request.quant)
        self.arch = request.arch
        self.room = room_of(request.machine.host, experts=self.arch.is_moe, excess=self.table.excess)
        self.build = installed_build(request.machine)
        self.n_layer = sum(g.count for g in self.arch.groups)

    @property
    def may_unmap(self) -> bool:
        """True where the file may be loaded without mapping it, which spares the GPU what lies between its tensors."""
        metal = self.room.devices.backend is Backend.METAL
        given = self.request
        return metal and self.base.mmap and "mmap" not in given.settings and not given.written.line

    def settle(self, settings: LlamaCppSettings) -> Found:
        """Allocate with these settings, as exactly as the search is asked to."""
        return self.evaluate(settings, self.precision)

    def evaluate(
        self,
        settings: LlamaCppSettings,
        precision: Precision = Precision.BOUND,
        *,
        compute: ComputeBuffers | None = None,
    ) -> Found:
        """Allocate with these settings (see planner.engines.llama_cpp.compute for the precision).

        `compute` stands in for the compute buffers where they are known well enough.
        """
        devices = self.room.devices
        if self.room.gpus and settings.n_gpu_layers == 0 and not settings.op_offload:
            devices = Devices((), Backend.CPU, devices.cpu)
        if compute is not None:
            memory = allocate(self.table, settings, devices, build=self.build, measure=lambda *_: compute)
            return Found(settings, memory, self._estimate(memory, settings))
        if precision is Precision.BOUND:
            # Where weights and caches alone are too much, nobody needs to know the rest.
            memory = allocate(self.table, settings, devices, build=self.build, measure=_without)
            without = Found(settings, memory, self._estimate(memory, settings))
            if not without.fits:
                return without
        measure = {
            Precision.BOUND: upper_bound,
            Precision.KNOWN: self._known,
            Precision.EXACT: graph_buffers,
        }[precision]
        memory = allocate(self.table, settings, devices, build=self.build, measure=measure)
        found = Found(settings, memory, self._estimate(memory, settings))
        return self._without_copies(found, devices, measure) or found

    def _without_copies(self, found: Found, devices: Devices, measure: Measure) -> Found | None:
        """What becomes of a placement whose buffers are refused: sched_reserve tries again without pipeline copies.

        None where that doesn't help, or where it isn't certain that they are refused: more than is free without
        what nobody counts.
        """
        if found.fits or len(devices.free) < 2 or self.request.settings.get("fit"):
            return None
        if all(found.memory.device_total(i) <= free for i, free in enumerate(devices.free)):
            return None
        memory = allocate(
            self.table,
            found.settings,
            devices,
            build=self.build,
            measure=lambda run: measure(replace(run, copies=False)),
        )
        again = Found(found.settings, memory, self._estimate(memory, found.settings), copies=False)
        return again if again.fits else None

    def _known(self, run: Run) -> ComputeBuffers:
        found = known_buffers(run)
        if found is None:
            self.reached = Precision.BOUND
            return upper_bound(run)
        return found

    def _estimate(self, memory: LlamaMemory, settings: LlamaCppSettings) -> MemoryEstimate:
        return estimate_of(
            memory, self.room, self.projector(settings, on_device=bool(memory.weights.devices))
        )

    def projector(self, settings: LlamaCppSettings, *, on_device: bool = True) -> Projector:
        """What the projector takes with these settings; nothing where it isn't loaded."""
        if not settings.mmproj:
            return NONE
        backend = self.room.devices.backend if on_device else Backend.CPU
        return projector(
            self.arch, min(settings.n_ubatch, settings.n_batch), backend, settings.image_max_tokens
        )

    def with_context(self, settings: LlamaCppSettings, n_ctx_seq: int) -> LlamaCppSettings:
        """Set the context so that every sequence gets this many tokens."""
        return replace(settings, n_ctx=round_up(int(round_up(n_ctx_seq, STEP) * self.contexts), STEP))

    def context_of(self, settings: LlamaCppSettings) -> int:
        """Tokens of context that each sequence gets."""
        return int(settings.n_ctx / self.contexts)

    def longest(self, settings: LlamaCppSettings, ceiling: int, known: int = 0) -> int:
        """Longest context a sequence, up to `ceiling`, that fits with this placement; 0 where none does.

        `known`: a context that is known to fit. Memory grows with the context in steps of 256, linearly but
        for the sliding windows: weights and caches alone give the upper end, false position the rest.
        """
        smallest = max(min(settings.n_ubatch, settings.n_batch) // STEP, 1)
        low = max(known // STEP, smallest)
        high = self._longest_without(settings, low, round_up(ceiling, STEP) // STEP)

        def spare(steps: int, precision: Precision = Precision.BOUND) -> int:
            tokens = min(steps * STEP, ceiling)
            return spare_of(self.evaluate(self.with_context(settings, tokens), precision).estimate)

        def surely(steps: int) -> int:
            return spare(steps, self.precision)

        if spare(low) < 0 and surely(low) < 0:
            return 0
        if high <= low:
            return min(low * STEP, ceiling)
        near = _last_fitting(spare, low, high)
        ends = (near, high) if surely(near) >= 0 else (low, near)
        return min(_last_fitting(surely, *ends) * STEP, ceiling)

    def _longest_without(self, settings: LlamaCppSettings, low: int, high: int) -> int:
        """Most steps of 256 for which weights and caches fit, whatever the compute buffers take."""
        given = ComputeBuffers((0,) * len(self.room.gpus), 0)

        def spare(steps: int) -> int:
            return spare_of(self.evaluate(self.with_context(settings, steps * STEP), compute=given).estimate)

        if high <= low:
            return high
        found = _last_fitting(spare, max(low, 1), high)  # a context of 0 would be the trained one
        return low if found == max(low, 1) and spare(found) < 0 else found

    def longest_anywhere(self, settings: LlamaCppSettings, ceiling: int, known: int) -> int:
        """Longest context a sequence, up to `ceiling`, that fits with any placement; `known` does with this one."""

        def fits(tokens: int) -> bool:
            return any(found.fits for found in self.candidates(tokens))

        # Mostly it is the placement that keeps the least on the GPU: it is looked at first.
        least = [replace(self.base, **where) for where in self._least_on_gpu()]
        first = (self.evaluate(self.with_context(s, ceiling)).fits for s in (settings, *least))
        if known >= ceiling or any(first):
            return ceiling
        if fits(ceiling):
            return ceiling
        ends = (self.longest(settings, ceiling, known), *(self.longest(s, ceiling) for s in least))
        low, high, step = max(ends) // STEP, round_up(ceiling, STEP) // STEP, 1
        while low + step < high and fits((low + step) * STEP):
            low, step = low + step, 2 * step
        high = min(high, low + step)
        while high - low > 1:
            middle = (low + high) // 2
            if fits(middle * STEP):
                low = middle
            else:
                high = middle
        return low * STEP

    def _least_on_gpu(self) -> Iterator[dict[str, Any]]:
        """Placements that keep as little on the GPUs as any."""
        if not self.room.gpus or not self.room.beside or self.room.unified:
            return
        if self.base.split_mode != "tensor":
            yield {"n_gpu_layers": 0, "op_offload": False}
        if self.arch.is_moe:
            yield {"n_gpu_layers": ALL_LAYERS, "n_cpu_moe": self.n_layer}

    def candidates(self, n_ctx_seq: int) -> Iterator[Found]:
        """Placements from best to worst for one context; the caller takes the first that fits."""
        yield from self.whole(n_ctx_seq)
        yield from self.partial(n_ctx_seq)

    def whole(self, n_ctx_seq: int) -> Iterator[Found]:
        """Placements with everything on GPUs; on the CPU where there is no GPU."""
        base = self.with_context(self.base, n_ctx_seq)
        if not self.room.gpus:
            yield self.evaluate(replace(base, n_gpu_layers=0))
            return
        everything = replace(base, n_gpu_layers=ALL_LAYERS)
        if len(self.room.gpus) > 1 and everything.split_mode != "tensor":
            yield from self._single(everything)
        yield self._balanced(everything)
        if self.may_unmap:
            yield self.evaluate(replace(everything, mmap=False))

    def partial(self, n_ctx_seq: int) -> Iterator[Found]:
        """Placements with a part on the CPU: experts, else whole layers, else all of it."""
        if not self.room.gpus or not self.room.beside:
            return
        base = self.with_context(self.base, n_ctx_seq)
        if self.room.unified:  # what the CPU computes from the same memory spares the GPU nothing
            yield self.evaluate(replace(base, n_gpu_layers=0, op_offload=False))
            return
        yield from self.experts(n_ctx_seq)
        found = self._fewest(lambda n: replace(base, n_gpu_layers=self.n_layer + 1 - n), self.n_layer)
        if found is not None:
            yield found
        if base.split_mode != "tensor":
            yield self.evaluate(replace(base, n_gpu_layers=0, op_offload=False))

    def experts(self, n_ctx_seq: int) -> Iterator[Found]:
        """Everything on the GPUs but the experts of as few layers as will do."""
        if not self.arch.is_moe or not self.room.gpus or not self.room.beside or self.room.unified:
            return
        everything = replace(self.with_context(self.base, n_ctx_seq), n_gpu_layers=ALL_LAYERS)
        found = self._fewest(lambda n: replace(everything, n_cpu_moe=n), self.n_layer)
        if found is not None:
            yield found

    def _single(self, settings: LlamaCppSettings) -> Iterator[Found]:
        """Everything on the roomiest GPU alone: no split, no hop between cards."""
        best = max(range(len(self.room.gpus)), key=lambda i: self.room.devices.free[i])
        need = self.table.file_bytes
        if need < self.room.devices.free[best]:
            yield self.evaluate(replace(settings, split_mode="none", main_gpu=best))

    def _balanced(self, settings: LlamaCppSettings, compute: ComputeBuffers | None = None) -> Found:
        """Shift layers to where room is left: shares by what each card can take beside its buffers."""
        best = self.evaluate(settings, compute=compute)
        n = len(self.room.gpus)
        if n < 2 or best.gpus_fit or settings.split_mode != "layer" or settings.tensor_split:
            return best
        split = tuple(float(f) for f in self.room.devices.free)
        for _ in range(6):
            devices = best.estimate.devices[:n]
            spare = [device_spare(d) for d in devices]
            if sum(spare) < 0:
                return best
            per_share = sum(max(d.weights + d.kv_cache, 1) for d in devices) / sum(split)
            split = tuple(max(s + gap / per_share / 2, 0.01) for s, gap in zip(split, spare, strict=True))
            found = self.evaluate(replace(settings, tensor_split=_rounded(split)), compute=compute)
            if found.gpus_fit:
                return found
            best = max(best, found, key=lambda f: min(device_spare(d) for d in f.estimate.devices[:n]))
        return best

    def _fewest(self, settings: Callable[[int], LlamaCppSettings], most: int) -> Found | None:
        """Fewest layers (or layers' experts) on the CPU with which the GPUs have room; None where none has.

        More on the CPU only helps the GPUs, and only hurts the RAM: the fewest is also what RAM likes best.
        """
        pattern = self.settle(settings(most // 2)).memory.compute
        estimate = self._balanced(settings(most), pattern)
        if not estimate.gpus_fit and not self._balanced(settings(most)).gpus_fit:
            return None
        low, high = 0, most
        while high - low > 1:
            middle = (low + high) // 2
            if self._balanced(settings(middle), pattern).gpus_fit:
                high = middle
            else:
                low = middle
        # The buffers differ little from one number to the next, but they do: settle it exactly.
        for n in range(high, min(high + 4, most) + 1):
            found = self._balanced(settings(n))
            if found.gpus_fit:
                return found
        return self._balanced(settings(most))


def _last_fitting(spare: Callable[[int], int], low: int, high: int) -> int:
    """Return the most steps between two ends with something to spare; `low` where there are none.

    Linear but for sliding windows: the line through both ends meets the limit at once, or nearly.
    """
    if high <= low or (above := spare(high)) >= 0:
        return max(low, high)
    below = spare(low)
    if below < 0:
        return low
    halve = False
    while high - low > 1:
        share = 0.5 if halve else below / (below - above)
        middle = min(max(low + int((high - low) * share), low + 1), high - 1)
        wide = high - low
        now = spare(middle)
        if now >= 0:
            low, below = middle, now
        else:
            high, above = middle, now
        halve = 2 * (high - low) > wide and not halve
    return low


_SLOTS: Final = frozenset({"n_ctx", "n_parallel", "kv_unified", "fit"})


def shares_cache(request: PlanRequest) -> bool:
    """True where several users are served out of one cache (-kvu) because they won't fill all contexts at once."""
    demand, given = request.workload.demand, request.settings.keys()
    return demand.users > demand.contexts and not _SLOTS & given and not request.written.line


def contexts_of(request: PlanRequest, settings: LlamaCppSettings) -> float:
    """How many times the context of a sequence the whole cache holds."""
    if shares_cache(request):
        return request.workload.demand.contexts
    return 1 if settings.kv_unified else settings.n_parallel


def settings_of(request: PlanRequest) -> LlamaCppSettings:
    """Return the settings that a request fixes. Raises InputError for one that llama.cpp doesn't have."""
    arch, workload = request.arch, request.workload
    given: dict[str, Any] = {"n_parallel": workload.users, **request.settings}
    if shares_cache(request):
        given["kv_unified"] = True
    if workload.use_case is UseCase.VISION and arch.vision is not None:
        given.setdefault("mmproj", True)
    drafts = "spec_type" in given or "spec_draft_model" in given
    if given.get("embeddings"):  # every token has an output (server_output_limits in tools/server)
        given.setdefault("n_outputs_max", 0)
    elif not drafts:
        given.setdefault("n_outputs_max", given["n_parallel"])
    settings = LlamaCppSettings.of({name: value for name, value in given.items() if name not in FIT})
    if drafts and "n_outputs_max" not in given:
        settings = replace(settings, n_outputs_max=settings.server_outputs)
    return settings


def _without(run: Run) -> ComputeBuffers:
    return ComputeBuffers((0,) * run.placement.n_devices, 0)


def _rounded(split: tuple[float, ...]) -> tuple[float, ...]:
    """Shares a person can read: of a hundred."""
    return tuple(max(round(100 * s / sum(split), 1), 0.1) for s in split)
