"""What --moe-cache-mib takes of the GPUs: copies of the experts that lie in RAM and were used last.

llama_moe_cache in src/llama-moe-cache.cpp, llama.cpp b11549. Only layers whose experts all lie in RAM, and that are a
GPU's themselves, have a share; within a GPU it is divided by the size of the experts, in whole experts of a layout.
"""

from __future__ import annotations

from typing import Final

from planner.engines.llama_cpp.builds import CURRENT
from planner.engines.llama_cpp.placing.placement import HOST
from planner.engines.llama_cpp.placing.run import Run
from planner.engines.llama_cpp.placing.weights import WeightTable, tensor_sizes
from planner.errors import RefusedError
from planner.models.architecture import MixtureOfExperts
from planner.quant.formats import CUDA_ALIGNMENT
from planner.units import MIB, round_up

_BANKS: Final = frozenset(
    f"ffn_{part}_exps.weight" for part in ("gate_up", "gate", "up", "down")
)  # llama_moe_cache_layer_experts
Layout = tuple[int, tuple[int, ...]]  # experts a layer, and bytes of one expert's part of each of its tensors


def expert_cache(run: Run, left: tuple[int, ...]) -> tuple[int, ...]:
    """Return the bytes of the cache on each device; `left`: what weights and caches leave free there, bytes.

    Raises RefusedError, in the engine's words, where it would refuse the setting.
    """
    settings, arch = run.settings, run.arch
    build = run.context.build
    if not (build.expert_cache or build is CURRENT):  # which build will run it isn't known: a warning says it
        raise RefusedError("error: invalid argument: --moe-cache-mib (it came with b11549)")
    if not run.placement.n_devices:
        raise RefusedError("MoE cache requires a GPU backend")
    if settings.split_mode == "tensor":
        raise RefusedError("MoE cache does not support tensor parallelism")
    used = max(
        (g.feed_forward.n_expert_used for g in arch.groups if isinstance(g.feed_forward, MixtureOfExperts)),
        default=0,
    )
    if not used:
        raise RefusedError("MoE cache requires a MoE model")
    groups = _groups(run)
    held = [0] * run.placement.n_devices
    for (device, (experts, parts)), layers in groups.items():
        held[device] += experts * sum(parts) * layers
    shares = [
        (settings.tensor_split[i] if any(settings.tensor_split) else float(max(left[i], 0))) if h else 0.0
        for i, h in enumerate(held)
    ]
    if not any(shares):
        shares = [1.0 if h else 0.0 for h in held]
    taken = [0] * run.placement.n_devices
    for (device, (experts, parts)), layers in groups.items():
        own = experts * sum(parts) * layers / held[device]
        budget = int(settings.moe_cache_mib * MIB * shares[device] / sum(shares) * own)
        slots = _slots(parts, budget, layers * experts)
        if slots >= used:
            taken[device] += _size(parts, slots)
    if groups and not any(taken):
        raise RefusedError("MoE cache is too small to hold the experts of one token")
    return tuple(taken)


def _groups(run: Run) -> dict[tuple[int, Layout], int]:
    """How many layers of each layout keep all of their experts in RAM, by the device that the layer is of."""
    found: dict[tuple[int, Layout], int] = {}
    for i, device in enumerate(run.placement.layers):
        moved = {n for m in run.placement.moved.get(i, ()) if m.device == HOST for n in m.names}
        layout = _layout(run.table, i)
        if device == HOST or layout is None or not _bank_names(run.table, i) <= moved:
            continue
        found[device, layout] = found.get((device, layout), 0) + 1
    return found


def _bank_names(table: WeightTable, layer: int) -> set[str]:
    return {t.name for t in table.arch.groups[table.group_of[layer]].tensors if t.name in _BANKS}


def _layout(table: WeightTable, layer: int) -> Layout | None:
    tensors = [t for t in table.arch.groups[table.group_of[layer]].tensors if t.name in _BANKS]
    if not tensors:
        return None
    parts = tuple(tensor_sizes(t.shape[:2], table.kind(layer, t.name))[2] for t in tensors)
    return tensors[0].shape[2], parts


def _size(parts: tuple[int, ...], slots: int) -> int:
    """Bytes of so many slots, and of one more that a kernel may read past the last."""
    return sum(round_up(part * (slots + 1), CUDA_ALIGNMENT) for part in parts)


def _slots(parts: tuple[int, ...], budget: int, most: int) -> int:
    low = min(max(budget // sum(parts) - 2, 0), most)
    while low < most and _size(parts, low + 1) <= budget:
        low += 1
    return low if _size(parts, low) <= budget else 0
