"""Compute buffers for a search: exact figures kept, and bounds between them.

An exact figure builds the engine's graph (graph.reserve) and takes milliseconds. Two placements
whose layers differ only in how often each kind repeats need the same buffers, so figures are kept by kind. In
the context, a buffer is the largest of several phases, each linear: a convex function but for how the
allocator happens to lay tensors out, so that the line between two exact figures, and a little, is above it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Hashable
from functools import lru_cache
from typing import Final

from planner.engines.llama_cpp.architectures import traits
from planner.engines.llama_cpp.graph.buffers import ComputeBuffers
from planner.engines.llama_cpp.graph.closed_rules import estimated_buffers, largest_on_host
from planner.engines.llama_cpp.placing.placement import HOST, LayerPlacement
from planner.engines.llama_cpp.placing.run import Run
from planner.engines.llama_cpp.placing.weights import WeightTable
from planner.engines.llama_cpp.settings import LlamaCppSettings
from planner.engines.llama_cpp.shipped.constants import UBATCH, constant
from planner.engines.llama_cpp.shipped.curves import Curve
from planner.engines.llama_cpp.shipped.curves import curve as shipped_curve
from planner.fast_dataclass import replace
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture
from planner.models.cache import FullAttention, LatentAttention
from planner.quant.formats import ggml_format

_KEPT: Final = 20_000
_SLACK: Final = 5  # 1/32 on top: layouts were seen 3.5 % above the line
_MEASURED_FROM: Final = 4096  # shortest context of compute.json
_Known = tuple[WeightTable, list[int], dict[int, ComputeBuffers], Curve | None]
_points: dict[Hashable, _Known] = {}


def graph_buffers(run: Run) -> ComputeBuffers:
    """Return the buffers that the engine's graph needs."""
    found = known_buffers(run)
    if found is None:
        found = built_buffers(run)
        _, contexts, known, _ = _known(run)
        insort(contexts, run.context.n_ctx)
        known[run.context.n_ctx] = found
    return found


def known_buffers(run: Run) -> ComputeBuffers | None:
    """Return the exact buffers where they are known without building a graph."""
    _, _, known, curve = _known(run)
    found = known.get(run.context.n_ctx)
    if found is None:
        found = curve.at(run.context.n_ctx) if curve else _tabled(run)
    return found


def built_buffers(run: Run) -> ComputeBuffers:
    """Build the engine's graph; its modules are imported here, as most questions need none of them."""
    from planner.engines.llama_cpp.graph.reserve import compute_buffers

    return compute_buffers(run)


def accounted_buffers(run: Run) -> ComputeBuffers:
    """Return what llama.cpp accounts where nothing is allocated, as `--fit` and its breakdown do.

    A run differs where attention is pinned to the processor: the cache on the host and no flash attention.
    """
    if run.settings.kv_offload or run.context.flash_attn or not run.placement.n_devices:
        return graph_buffers(run)
    from planner.engines.llama_cpp.graph.reserve import compute_buffers

    return compute_buffers(run, pinned=False)


def upper_bound(run: Run) -> ComputeBuffers:
    """Return a figure not below the exact one, but for rare layouts; exact where no two exact ones enclose it."""
    _, contexts, known, curve = _known(run)
    n = run.context.n_ctx
    at = bisect_left(contexts, n)
    if n in known or (curve and curve.linear) or at == 0 or at == len(contexts):
        return graph_buffers(run)
    low, high = contexts[at - 1], contexts[at]
    share = (n - low) / (high - low)
    a, b = known[low], known[high]
    return ComputeBuffers(
        tuple(_between(x, y, share) for x, y in zip(a.devices, b.devices, strict=True)),
        _between(a.host, b.host, share),
    )


def _between(low: int, high: int, share: float) -> int:
    value = low + int((high - low) * share)
    return min(value + (value >> _SLACK), max(low, high))


def rough_buffers(run: Run) -> ComputeBuffers:
    """Return a figure without building a graph, for sorting out what can't win: nearly always too high.

    A part on the host adds the weights that a large batch brings to the GPU, never more than two at once.
    """
    row = _constant(run)
    if row is None or not run.context.flash_attn:
        return estimated_buffers(run)
    scale = run.context.n_ubatch / UBATCH
    mask = 2 * run.context.n_ubatch * run.context.n_ctx_seq
    device, host = int(row[0] * scale) + mask, int(row[1] * scale) + mask
    device += 4 * run.arch.vocab_size * (min(run.context.n_outputs_max, run.context.n_ubatch) - 1)
    if ggml_format(run.settings.cache_type_k).quantised or ggml_format(run.settings.cache_type_v).quantised:
        device += 2 * run.context.n_ctx_seq * run.context.n_stream * _widest_row(run.arch)
    if run.placement.any_on_host and run.settings.op_offload:
        device += 2 * largest_on_host(run)
    if not run.placement.n_devices:
        return ComputeBuffers((), device + host)
    return ComputeBuffers((device,) * run.placement.n_devices, host)


def _widest_row(arch: Architecture) -> int:
    """Elements of K and V of one token in the widest layer that sees the whole context."""
    rows = [
        s.k_elements + (0 if isinstance(s, LatentAttention) else s.v_elements)
        for g in arch.groups
        for s in g.caches
        if isinstance(s, FullAttention | LatentAttention)
    ]
    return max(rows, default=0)


def _constant(run: Run) -> tuple[int, int] | None:
    return constant(run.arch, quantised=run.table.quantised, cuda=run.cuda)


def _tabled(run: Run) -> ComputeBuffers | None:
    """The measured line, where this is what it was measured for: whole on one device, one sequence."""
    usual = (
        not _another_graph(run)
        and run.placement.n_devices == 1
        and not run.placement.any_on_host
        and not run.placement.overridden
        and run.settings.kv_offload
        and not run.settings.embeddings
        and not run.settings.load_mtp
        and not run.settings.swa_full
        and run.settings.split_mode != "tensor"
        and run.context.flash_attn
        and (run.context.n_ubatch, run.context.n_seq_max, run.context.n_outputs_max) == (UBATCH, 1, 1)
        and not run.context.unified
        and run.settings.cache_type_k == run.settings.cache_type_v == "f16"
        and run.context.n_ctx >= _MEASURED_FROM
    )
    row = _constant(run) if usual else None
    if row is None:
        return None
    mask = 2 * UBATCH * run.context.n_ctx_seq
    return ComputeBuffers((row[0] + mask,), row[1] + mask)


def _another_graph(run: Run) -> bool:
    """True where the run's build or file has another graph than the one that was measured for its shape."""
    own = traits(run.arch)
    return (
        not run.copies
        or run.backend in (Backend.VULKAN, Backend.METAL)
        or run.context.build.wide_mask
        or run.context.build.one_input
        or (run.context.build.early_rows and own.crops_early)
        or (own.mrope_if_said and run.arch.position_parts)
        or (own.clamps_if_said and run.arch.clamped_experts)
    )


def _known(run: Run) -> _Known:
    plain = _normal(run.settings)
    another = _another_graph(run)
    shape = (
        run.context.n_ubatch,
        run.context.n_outputs_max,
        run.context.flash_attn,
        run.context.build,
        run.copies,
    )
    key = (id(run.table), _kinds(run.table, run.placement), plain, shape, run.backend)
    found = _points.get(key)
    if found is None:
        if len(_points) > _KEPT:
            _points.clear()
        curve = None if another else shipped_curve(run)
        known = {}
        if curve is not None and not curve.linear:
            known = {row[0]: ComputeBuffers(tuple(row[1:-1]), row[-1]) for row in curve.rows}
        # holding the table keeps its id from being used again
        found = (run.table, sorted(known), known, curve)
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
        image_max_tokens=0,
        moe_cache_mib=0,
        mmap=True,
        cache_ram_mib=0,
        n_ctx_checkpoints=0,
        spec_type="none",
        spec_draft_model=None,
    )


_kinds_of: dict[tuple[int, int], tuple[WeightTable, LayerPlacement, Hashable]] = {}


def _kinds(table: WeightTable, placement: LayerPlacement) -> Hashable:
    """Which kinds of layers there are, with their neighbours, and where output and boundaries lie."""
    hit = _kinds_of.get((id(table), id(placement)))
    if hit is None:
        memory: dict[Hashable, Hashable] = {}  # equal signs become one object: quick to compare
        signs = [
            memory.setdefault(s, s)
            for s in (_sign(table, placement, i) for i in range(len(placement.layers)))
        ]
        triples = frozenset(zip([None, *signs], signs, [*signs[1:], None], strict=False))
        whole = placement.n_gpu_layers > len(placement.layers)
        kinds = (triples, placement.output, placement.n_devices, whole, placement.overridden)
        if len(_kinds_of) > _KEPT:
            _kinds_of.clear()
        # holding table and placement keeps their ids from being used again
        hit = _kinds_of[id(table), id(placement)] = (table, placement, kinds)
    return hit[2]


def _sign(table: WeightTable, placement: LayerPlacement, i: int) -> Hashable:
    home, moved = placement.layers[i], placement.moved.get(i, ())
    kinds: Hashable = None
    if home == HOST or moved:
        kinds = table.kinds_of(i)
    return (table.group_of[i], home, moved, kinds)
