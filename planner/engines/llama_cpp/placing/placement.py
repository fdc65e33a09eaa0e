"""Which device holds which layer in llama.cpp: -ngl, -sm, -ts, --n-cpu-moe, -ot.

load_tensors in src/llama-model.cpp and the override patterns of common/arg.cpp, llama.cpp b11434.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import field
from functools import lru_cache
from typing import Final

from planner.engines.llama_cpp.builds import CURRENT, Build
from planner.engines.llama_cpp.settings import LlamaCppSettings
from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.models.architecture import Architecture, LayerGroup

HOST: Final = -1  # the device index of the host
EXPERT_PATTERN: Final = r"ffn_(up|down|gate_up|gate)_(ch|)exps"
_EXPERTS: Final = re.compile(EXPERT_PATTERN)


@lru_cache(maxsize=4096)
def is_expert_name(name: str) -> bool:
    """True for what --cpu-moe moves: expert weights, their biases and scales."""
    return _EXPERTS.search(name) is not None


@dataclass(frozen=True, slots=True)
class Moved:
    """Tensors of one layer that live elsewhere than the layer: names without "blk.N."."""

    names: frozenset[str]
    device: int


@dataclass(frozen=True, slots=True)
class LayerPlacement:
    """Where everything goes: device indices, HOST for the host."""

    n_devices: int
    layers: tuple[int, ...]  # device of every layer, prediction layers too
    output: int  # device of the output head
    moved: Mapping[int, tuple[Moved, ...]] = field(default_factory=dict)  # by layer
    row_split: tuple[float, ...] = ()  # share of each device's rows under -sm row; () otherwise
    n_gpu_layers: int = 0  # layers on devices, the output layer counted
    patterns: bool = False  # whether settings say where tensors go, though none may match

    @property
    def overridden(self) -> bool:
        """True where the engine has patterns to look for (has_tensor_overrides): no pipeline parallelism then."""
        return self.patterns or bool(self.moved)

    @property
    def any_on_host(self) -> bool:
        """True where a layer, the output or a part of a layer stays on the host."""
        return (
            self.output == HOST
            or HOST in self.layers
            or any(m.device == HOST for moves in self.moved.values() for m in moves)
        )

    def counts(self, group: LayerGroup) -> dict[int, int]:
        """How many of a group's layers each device holds."""
        if self.layers.count(self.output) == len(self.layers):
            return {self.output: group.count}
        counts: dict[int, int] = {}
        for i in group.layers:
            device = self.layers[i]
            counts[device] = counts.get(device, 0) + 1
        return counts


def float32(value: float) -> float:
    """Return a number rounded to single precision."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def place(
    arch: Architecture, settings: LlamaCppSettings, free: tuple[int, ...], build: Build = CURRENT
) -> LayerPlacement:
    """Place the layers on devices with this much free memory (bytes, in the engine's order).

    Raises InputError for a main_gpu or tensor_split that the machine doesn't have, or a bad pattern.
    """
    n_layer = sum(g.count for g in arch.groups)
    n_devices = len(free)
    ngl = min(max(settings.n_gpu_layers, 0), n_layer + 1) if n_devices else 0
    splits = _splits(settings, free)
    start = max(n_layer - ngl, 0) if build.output_last else n_layer + 1 - ngl

    def device_of(i: int) -> int:
        if not 0 <= i - start < ngl:
            return HOST
        if n_devices == 1:
            return 0
        return min(bisect_right(splits, float32((i - start) / ngl)), n_devices - 1)

    devices = tuple(device_of(i) for i in range(n_layer + 1))
    return LayerPlacement(
        n_devices=n_devices,
        layers=devices[:-1],
        output=devices[-1],
        moved=_moved(arch, settings),
        row_split=_shares(splits) if settings.split_mode == "row" and n_devices > 1 else (),
        n_gpu_layers=ngl,
        patterns=settings.n_cpu_moe > 0 or settings.cpu_moe or bool(settings.override_tensor),
    )


def _splits(settings: LlamaCppSettings, free: tuple[int, ...]) -> tuple[float, ...]:
    """Cumulative shares of the devices, in single precision as the engine sums them."""
    n = len(free)
    if n == 0:
        return ()
    if settings.split_mode == "none":
        if not 0 <= settings.main_gpu < n:
            raise InputError(f"main_gpu is {settings.main_gpu}, but there are {n} devices")
        return tuple(0.0 if i < settings.main_gpu else 1.0 for i in range(n))
    if len(settings.tensor_split) > n:
        raise InputError(f"tensor_split names {len(settings.tensor_split)} devices, but there are {n}")
    weights: list[float] = [*settings.tensor_split, *([0.0] * n)][:n]
    if not any(weights):
        weights = [float(f) for f in free] if any(free) else [1.0] * n
    total, sums = 0.0, []
    for weight in weights:
        total = float32(total + float32(weight))
        sums.append(total)
    return tuple(float32(s / total) for s in sums)


def _shares(splits: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(b - a for a, b in zip((0.0, *splits), splits, strict=False))


def _moved(arch: Architecture, settings: LlamaCppSettings) -> dict[int, tuple[Moved, ...]]:
    """Evaluate -ot, --n-cpu-moe and --cpu-moe, first match first, as the engine appends them."""
    if settings.override_tensor:
        return _by_pattern(arch, settings)
    n_moe = len(_all_layers(arch)) if settings.cpu_moe else settings.n_cpu_moe
    if n_moe <= 0:
        return {}
    moved: dict[int, tuple[Moved, ...]] = {}
    for group in arch.groups:
        names = frozenset(t.name for t in group.tensors if is_expert_name(t.name))
        if names:
            entry = (Moved(names, HOST),)
            moved.update((i, entry) for i in group.layers if i < n_moe)
    return moved


def _all_layers(arch: Architecture) -> list[int]:
    return [i for g in arch.groups for i in g.layers]


def device_index(name: str) -> int:
    """Return the device of a buffer type's name: "CPU" is the host, "CUDA1" the second device."""
    match = re.fullmatch(r"[A-Za-z]+?(\d+)", name)
    if name.upper() == "CPU" or name.endswith("_Host"):
        return HOST
    if match is None:
        raise InputError(f"override_tensor buffer '{name}' is not CPU or a device such as CUDA0")
    return int(match.group(1))


def _by_pattern(arch: Architecture, settings: LlamaCppSettings) -> dict[int, tuple[Moved, ...]]:
    rules: list[tuple[re.Pattern[str], int]] = []
    for pattern, buffer in settings.override_tensor:
        try:
            rules.append((re.compile(pattern), device_index(buffer)))
        except re.error as error:
            raise InputError(
                f"override_tensor '{pattern}' is not a regular expression: {error.msg}"
            ) from error
    if settings.cpu_moe:
        rules.append((re.compile(EXPERT_PATTERN), HOST))
    rules += [(re.compile(rf"blk\.{i}\.{EXPERT_PATTERN}"), HOST) for i in range(settings.n_cpu_moe)]
    moved: dict[int, tuple[Moved, ...]] = {}
    for group in arch.groups:
        for i in group.layers:
            found: dict[int, set[str]] = {}
            for tensor in group.tensors:
                full = f"blk.{i}.{tensor.name}"
                device = next((d for pattern, d in rules if pattern.search(full)), None)
                if device is not None:
                    found.setdefault(device, set()).add(tensor.name)
            if found:
                moved[i] = tuple(Moved(frozenset(names), device) for device, names in found.items())
    return moved
