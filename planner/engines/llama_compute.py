"""Compute buffers for a search: exact figures kept, and bounds between them.

An exact figure builds the engine's graph (planner.engines.llama_graph) and takes milliseconds. Two placements
whose layers differ only in how often each kind repeats need the same buffers, so figures are kept by kind. In
the context, a buffer is the largest of several phases, each linear: a convex function, so that the line
between two exact figures is never below it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Hashable
from dataclasses import replace
from functools import lru_cache
from typing import Final

from planner.engines.llama_compute_rules import ComputeBuffers
from planner.engines.llama_graph import compute_buffers
from planner.engines.llama_placement import HOST, LayerPlacement
from planner.engines.llama_settings import Context, LlamaCppSettings
from planner.engines.llama_weights import WeightTable
from planner.hardware.machine import Backend

_KEPT: Final = 20_000
_points: dict[Hashable, tuple[WeightTable, list[int], dict[int, ComputeBuffers]]] = {}


def exact(
    table: WeightTable,
    placement: LayerPlacement,
    settings: LlamaCppSettings,
    context: Context,
    backend: Backend,
) -> ComputeBuffers:
    """Return the buffers that the engine's graph needs."""
    _, contexts, known = _known(table, placement, settings, context, backend)
    found = known.get(context.n_ctx)
    if found is None:
        found = compute_buffers(table.arch, table, placement, settings, context, backend)
        insort(contexts, context.n_ctx)
        known[context.n_ctx] = found
    return found


def bound(
    table: WeightTable,
    placement: LayerPlacement,
    settings: LlamaCppSettings,
    context: Context,
    backend: Backend,
) -> ComputeBuffers:
    """Return an upper bound: exact where two exact figures don't enclose this context."""
    _, contexts, known = _known(table, placement, settings, context, backend)
    n = context.n_ctx
    at = bisect_left(contexts, n)
    if n in known or at == 0 or at == len(contexts):
        return exact(table, placement, settings, context, backend)
    low, high = contexts[at - 1], contexts[at]
    share = (n - low) / (high - low)
    a, b = known[low], known[high]
    return ComputeBuffers(
        tuple(
            x + int((y - x) * share) + 1 if y > x else max(x, y)
            for x, y in zip(a.devices, b.devices, strict=True)
        ),
        max(a.host + int((b.host - a.host) * share) + 1, a.host),
    )


def _known(
    table: WeightTable,
    placement: LayerPlacement,
    settings: LlamaCppSettings,
    context: Context,
    backend: Backend,
) -> tuple[WeightTable, list[int], dict[int, ComputeBuffers]]:
    plain = _normal(settings)
    shape = (context.n_ubatch, context.n_outputs_max, context.flash_attn)
    key = (id(table), _kinds(table, placement), plain, shape, backend)
    found = _points.get(key)
    if found is None:
        if len(_points) > _KEPT:
            _points.clear()
        found = (table, [], {})  # holding the table keeps its id from being used again
        _points[key] = found
    return found


@lru_cache(maxsize=4096)
def _normal(settings: LlamaCppSettings) -> LlamaCppSettings:
    """The settings without what the placement and the context already say."""
    return replace(
        settings,
        n_ctx=0,
        n_gpu_layers=0,
        n_cpu_moe=0,
        cpu_moe=False,
        override_tensor=(),
        tensor_split=(),
        main_gpu=0,
        threads=None,
        mmproj=False,
        mmap=True,
    )


def _kinds(table: WeightTable, placement: LayerPlacement) -> Hashable:
    """Which kinds of layers there are, with their neighbours, and where output and boundaries lie."""
    signs = [_sign(table, placement, i) for i in range(len(placement.layers))]
    triples = frozenset(zip([None, *signs], signs, [*signs[1:], None], strict=False))
    whole = placement.n_gpu_layers > len(placement.layers)
    return (triples, placement.output, placement.n_devices, whole, bool(placement.moved))


def _sign(table: WeightTable, placement: LayerPlacement, i: int) -> Hashable:
    home, moved = placement.layers[i], placement.moved.get(i, ())
    kinds: Hashable = None
    if home == HOST or moved:
        kinds = table.kinds_of(i)
    return (table.group_of[i], home, moved, kinds)
