"""What llama.cpp's --fit chooses: context, layers, tensor split and overrides for the free memory it sees.

The algorithm of common/fit.cpp (common_params_fit_impl) in llama.cpp b11434, step by step; it measures by
allocating, and so do we.
"""

from __future__ import annotations

import re
from dataclasses import field
from enum import Enum
from typing import Final

from planner.engines.llama_cpp.allocation import Devices, LlamaMemory, Measure, allocate
from planner.engines.llama_cpp.builds import CURRENT, Build
from planner.engines.llama_cpp.compute import accounted_buffers
from planner.engines.llama_cpp.placing.placement import EXPERT_PATTERN, HOST, LayerPlacement, Moved, place
from planner.engines.llama_cpp.placing.weights import WeightTable
from planner.engines.llama_cpp.settings import ALL_LAYERS, LlamaCppSettings
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Backend
from planner.units import MIB

FIT_TARGET: Final = 1024 * MIB  # --fit-target: left free on each device
FIT_CONTEXT: Final = 4096  # --fit-ctx: the context is not made smaller than this
_UINT32: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class FitLimits:
    """What --fit is told to keep."""

    target: int = FIT_TARGET  # bytes left free on each device (--fit-target)
    n_ctx_min: int = FIT_CONTEXT  # tokens that the context is not made smaller than (--fit-ctx)
    host_total: int = 0  # bytes of RAM, asked for only where there is no device
    build: Build = CURRENT  # whose rules


class Fraction(Enum):
    """Which tensors of a layer that is held in part go elsewhere (common_layer_fraction_t)."""

    ATTN = r"ffn_(gate|up|gate_up|down).*"
    UP = r"ffn_(gate|gate_up|down).*"
    GATE = r"ffn_down.*"
    MOE = EXPERT_PATTERN


@dataclass(frozen=True, slots=True)
class Fit:
    """The choice: n_gpu_layers -1 is all; `fits` False where llama.cpp gives up and goes on as it was."""

    fits: bool
    n_ctx: int
    n_gpu_layers: int
    tensor_split: tuple[int, ...]
    overrides: tuple[tuple[str, str], ...]  # (pattern, buffer type), as -ot takes them
    memory: LlamaMemory
    settings: LlamaCppSettings


@dataclass(slots=True)
class _Layers:
    """Layers of one device: all, and those of them whose experts (or more) live elsewhere."""

    n_layer: int = 0
    n_part: int = 0
    overflow: Fraction = Fraction.MOE

    @property
    def n_full(self) -> int:
        return self.n_layer - self.n_part

    def copy(self) -> _Layers:
        return _Layers(self.n_layer, self.n_part, self.overflow)


@dataclass(slots=True)
class _State:
    """Where a step of the search stands."""

    layers: list[_Layers]
    targets: list[int]  # device that each one's first partial layer overflows to
    memory: list[int] = field(default_factory=list)
    dense_start: int = 0

    def copy(self) -> _State:
        return _State(
            [n.copy() for n in self.layers], list(self.targets), list(self.memory), self.dense_start
        )


def fit(
    table: WeightTable,
    settings: LlamaCppSettings,
    devices: Devices,
    limits: FitLimits | None = None,
    measure: Measure = accounted_buffers,
) -> Fit:
    """Return what --fit chooses; what the settings fix (a context, n_gpu_layers) stays.

    `measure` yields the compute buffers. It measures as if nothing were mapped (load_mode none in
    common_get_device_memory_data), which on Metal is less than the server then takes.
    """
    limits = limits or FitLimits()
    choice = _Fitter(table, replace(settings, mmap=False), devices, limits, measure).run()
    if not settings.mmap:
        return choice
    chosen = replace(choice.settings, mmap=True)
    if devices.backend is not Backend.METAL:
        return replace(choice, settings=chosen)
    memory = allocate(table, chosen, devices, limits.build, choice.memory.placement, measure)
    return replace(choice, settings=chosen, memory=memory)


class _Fitter:
    def __init__(
        self,
        table: WeightTable,
        settings: LlamaCppSettings,
        devices: Devices,
        limits: FitLimits,
        measure: Measure,
    ) -> None:
        self.measure = measure
        self.table = table
        self.settings = settings
        self.devices = devices
        self.nd = len(devices.free)
        self.target = limits.target
        self.n_ctx_min = limits.n_ctx_min
        self.host_total = limits.host_total
        self.build = limits.build
        arch = table.arch
        # llama_model_n_layer leaves prediction layers out, though -ngl counts them
        self.hp_ngl = arch.n_layer + (arch.n_layer_mtp if settings.load_mtp else 0)
        self.experts = arch.is_moe
        self.names: dict[tuple[int, Fraction], frozenset[str]] = {}

    def run(self) -> Fit:
        settings = self.settings
        streams = 1 if settings.kv_unified else max(settings.n_parallel, 1)
        automatic = settings.n_ctx == 0
        n_ctx_max = self.table.arch.n_ctx_train * streams
        n_ctx_min = self.n_ctx_min * streams
        if automatic:
            settings = self.settings = replace(settings, n_ctx=n_ctx_max)
        full = self._allocate(settings)
        used = self._used(full)
        free = list(self.devices.free) or [self.host_total]
        margins = [self.target] * max(self.nd, 1)
        if all(f - u >= m for f, u, m in zip(free, used, margins, strict=True)):
            return self._choice(settings, full)
        if sum(free) - sum(used) - sum(margins) < 0 and automatic and n_ctx_max > n_ctx_min:
            done = self._shrink(used, free, margins, n_ctx_max, n_ctx_min)
            if done is not None:
                return done
        given = self.settings
        placed = (
            given.n_gpu_layers != ALL_LAYERS or given.tensor_split or given.split_mode in ("row", "tensor")
        )
        moved = given.override_tensor or given.cpu_moe or given.n_cpu_moe
        if self.nd == 0 or placed or moved:
            return replace(self._choice(self.settings, self._allocate(self.settings)), fits=False)
        return self._distribute([f - m for f, m in zip(free, margins, strict=True)])

    # measuring

    def _allocate(self, settings: LlamaCppSettings, placement: LayerPlacement | None = None) -> LlamaMemory:
        return allocate(self.table, settings, self.devices, self.build, placement, self.measure)

    def _used(self, memory: LlamaMemory) -> list[int]:
        if self.nd == 0:
            return [memory.host_total - memory.output]
        return [memory.device_total(i) for i in range(self.nd)]

    def _choice(self, settings: LlamaCppSettings, memory: LlamaMemory) -> Fit:
        n_gpu_layers = -1 if settings.n_gpu_layers == ALL_LAYERS else settings.n_gpu_layers
        return Fit(True, settings.n_ctx, n_gpu_layers, (0,) * self.nd, (), memory, settings)

    # step 2: a shorter context

    def _shrink(
        self, used: list[int], free: list[int], margins: list[int], n_ctx_max: int, n_ctx_min: int
    ) -> Fit | None:
        wanted = sum(free) - sum(margins)
        if self.nd > 1:
            # whole layers (or tensors) only: expect half of one wasted on each device
            weights = self._allocate(replace(self.settings, n_ctx=n_ctx_max)).weights.devices
            per_layer = sum(weights) // self.hp_ngl
            wanted -= (self.nd + 1) * per_layer // (6 if self.experts else 2)
        least = sum(self._used(self._allocate(replace(self.settings, n_ctx=n_ctx_min))))
        n_ctx = n_ctx_min
        if wanted > least:
            n_ctx += (n_ctx_max - n_ctx_min) * (wanted - least) // (sum(used) - least)
            streams = 1 if self.settings.kv_unified else max(self.settings.n_parallel, 1)
            n_ctx = max(n_ctx - n_ctx % (256 * streams), n_ctx_min)
        self.settings = replace(self.settings, n_ctx=n_ctx)
        if wanted > least and self.nd <= 1:
            return self._choice(self.settings, self._allocate(self.settings))
        return None

    # steps 3 and 4: fewer layers

    def _distribute(self, targets: list[int]) -> Fit:
        surplus = 0
        if self.experts:
            memory = self._allocate(replace(self.settings, cpu_moe=True))
            surplus = sum(targets) - sum(self._used(memory))
        state = _State([_Layers() for _ in range(self.nd)], [HOST] * self.nd)
        state.memory = self._measure(state)
        state = self._fill_back_to_front(state, targets)
        if self.experts and surplus > 0:
            state = self._convert_front_to_back(state, targets)
        return self._result(state)

    def _measure(self, state: _State) -> list[int]:
        settings, placement = self._placed(state)
        return self._used(self._allocate(settings, placement))

    def _placed(self, state: _State) -> tuple[LlamaCppSettings, LayerPlacement]:
        total = sum(n.n_layer for n in state.layers)
        split = tuple(float(n.n_layer) for n in state.layers) if self.nd > 1 else ()
        settings = replace(self.settings, n_gpu_layers=total, tensor_split=split)
        placement = place(self.table.arch, settings, self.devices.free)
        moved: dict[int, tuple[Moved, ...]] = {}
        for il, fraction, device in self._overflow(state):
            names = self._matching(il, fraction)
            if names:
                moved[il] = (Moved(names, device),)
        return settings, replace(placement, moved=moved)

    def _overflow(self, state: _State) -> list[tuple[int, Fraction, int]]:
        """Layers held in part: index, what goes elsewhere, where to."""
        parts = []
        il = self.hp_ngl + 1 - sum(n.n_layer for n in state.layers)
        for device, held in enumerate(state.layers):
            il += held.n_full
            for k in range(held.n_part):
                first = k == 0
                parts.append(
                    (il, held.overflow if first else Fraction.MOE, state.targets[device] if first else HOST)
                )
                il += 1
        return parts

    def _matching(self, il: int, fraction: Fraction) -> frozenset[str]:
        if il >= len(self.table.group_of):
            return frozenset()
        key = (self.table.group_of[il], fraction)
        if key not in self.names:
            pattern = re.compile(fraction.value)
            group = self.table.arch.groups[key[0]]
            self.names[key] = frozenset(t.name for t in group.tensors if pattern.match(t.name))
        return self.names[key]

    def _step(self, delta: int, at: int, low: _State, high: _State, target: int) -> int:
        """Interpolate linearly between two bounds, in the engine's unsigned arithmetic."""
        numerator, denominator = delta * (target - low.memory[at]), high.memory[at] - low.memory[at]
        quotient = abs(numerator) // abs(denominator)
        if (numerator < 0) != (denominator < 0):
            quotient = -quotient
        return min(max(quotient % _UINT32, 1), delta - 1)

    def _fill_back_to_front(self, state: _State, targets: list[int]) -> _State:
        for at in range(self.nd - 1, -1, -1):
            last = at == self.nd - 1
            unassigned = self.hp_ngl + 1 - sum(n.n_layer for n in state.layers[at + 1 :])
            high = state.copy()
            high.layers[at].n_layer = unassigned
            if self.experts:
                high.layers[at].n_part = unassigned - 1 if last else unassigned
            if high.layers[at].n_layer == 0:
                continue
            high.memory = self._measure(high)
            if high.memory[at] <= targets[at]:
                state = high
                continue
            delta = high.layers[at].n_layer - state.layers[at].n_layer
            while delta > 1:
                step = self._step(delta, at, state, high, targets[at])
                test = state.copy()
                test.layers[at].n_layer += step
                if self.experts:
                    # the first layer is the output layer, which is never held in part
                    output = last and test.layers[at].n_part == 0
                    test.layers[at].n_part += step - 1 if output else step
                test.memory = self._measure(test)
                if test.memory[at] <= targets[at]:
                    state = test
                else:
                    high = test
                delta = high.layers[at].n_layer - state.layers[at].n_layer
        return state

    def _convert_front_to_back(self, state: _State, targets: list[int]) -> _State:
        """Turn layers without experts into whole ones, from the front, until the devices are full."""
        state.dense_start = self.nd
        for at in range(self.nd - 1, -1, -1):
            if state.layers[at].n_layer == 0:
                break
            state.dense_start = at
        at = 0
        while at <= state.dense_start < self.nd:
            high = state.copy()
            for other in range(state.dense_start, self.nd):
                n_move = high.layers[other].n_layer - (0 if other < self.nd - 1 else 1)
                high.layers[at].n_layer += n_move
                high.layers[other].n_layer -= n_move
                high.layers[other].n_part = 0
            high.dense_start = self.nd - 1
            high.memory = self._measure(high)
            tight = high.memory[at] > targets[at]
            state = self._between(state, high, at, targets[at]) if tight else high
            state = self._part_of_one_more(state, at, targets)
            at += 1
        return state

    def _between(self, state: _State, high: _State, at: int, target: int) -> _State:
        delta = high.layers[at].n_full - state.layers[at].n_full
        while delta > 1:
            step = self._step(delta, at, state, high, target)
            test = state.copy()
            converted = 0
            while test.dense_start < self.nd:
                source = test.layers[test.dense_start]
                n_convert = min(step - converted, source.n_part)
                source.n_layer -= n_convert
                source.n_part -= n_convert
                test.layers[at].n_layer += n_convert
                converted += n_convert
                if source.n_part > 0:
                    break
                test.dense_start += 1
            test.memory = self._measure(test)
            if test.memory[at] <= target:
                state = test
            else:
                high = test
            delta = high.layers[at].n_full - state.layers[at].n_full
        return state

    def _part_of_one_more(self, state: _State, at: int, targets: list[int]) -> _State:
        """Try to hold part of one more layer: attention and up, then gate too, or attention alone."""
        if state.dense_start >= self.nd:
            return state
        if state.layers[state.dense_start].n_layer <= (0 if at < self.nd - 1 else 1):
            return state
        test = state.copy()
        source = test.layers[test.dense_start]
        source.n_layer -= 1
        source.n_part -= 1
        test.layers[at].n_layer += 1
        test.layers[at].n_part += 1
        if source.n_part == 0:
            test.dense_start += 1
        if at < self.nd - 1:
            test.targets[at] = at + 1

        def attempt(fraction: Fraction) -> _State | None:
            trial = test.copy()
            trial.layers[at].overflow = fraction
            trial.memory = self._measure(trial)
            fits = trial.memory[at] < targets[at]
            fits = fits and (at + 1 == self.nd or trial.memory[at + 1] < targets[at + 1])
            return trial if fits else None

        up = attempt(Fraction.UP)
        if up is not None:
            return attempt(Fraction.GATE) or up
        return attempt(Fraction.ATTN) or state

    def _result(self, state: _State) -> Fit:
        settings, placement = self._placed(state)
        prefix = _prefix(self.devices)
        overrides = tuple(
            (rf"blk\.{il}\.{fraction.value}", "CPU" if device == HOST else f"{prefix}{device}")
            for il, fraction, device in self._overflow(state)
        )
        return Fit(
            fits=True,
            n_ctx=settings.n_ctx,
            n_gpu_layers=settings.n_gpu_layers,
            tensor_split=tuple(n.n_layer for n in state.layers) if self.nd > 1 else (0,),
            overrides=overrides,
            memory=self._allocate(settings, placement),
            settings=replace(settings, override_tensor=overrides),
        )


def _prefix(devices: Devices) -> str:
    names = {
        Backend.CUDA: "CUDA",
        Backend.ROCM: "ROCm",
        Backend.VULKAN: "Vulkan",
        Backend.METAL: "MTL",
        Backend.SYCL: "SYCL",
    }
    return names.get(devices.backend, "GPU")
