"""Models side by side: facts, memory of cache and weights, and how each runs on one machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from planner.errors import PlannerError
from planner.hardware.machine import Machine
from planner.models.architecture import Architecture
from planner.models.cache import CompressedAttention, FullAttention, LatentAttention, SlidingWindow
from planner.models.catalogue.catalogue import Entry
from planner.models.load import from_entry
from planner.plan import Plan, Workload

DEFAULT_CONTEXT: Final = 32_768
_CACHE_BYTES: Final = 2  # an element in f16 or bf16
_QUANTS: Final = ("MXFP4", "Q4_K_M")


@dataclass(frozen=True, slots=True)
class Column:
    """One model of a comparison."""

    entry: Entry
    cache: int | None  # bytes of one sequence's cache at the comparison's context, 16 bit; None: no shape
    quant: str  # the usual quantisation that `weights` is for
    weights: int | None  # bytes
    plan: Plan | None = None
    reason: str = ""  # why there is no plan


@dataclass(frozen=True, slots=True)
class Comparison:
    """Models side by side."""

    columns: tuple[Column, ...]
    context: int
    machine: str | None


def compare(
    entries: Sequence[Entry],
    machine: Machine | None = None,
    workload: Workload | None = None,
    *,
    engine: str | None = None,
) -> Comparison:
    """Put models side by side; with a machine, plan each of them on it."""
    wanted = workload or Workload()
    context = wanted.context or DEFAULT_CONTEXT
    columns = tuple(_column(entry, context, machine, wanted, engine) for entry in entries)
    return Comparison(columns, context, machine.name if machine else None)


def _column(
    entry: Entry, context: int, machine: Machine | None, workload: Workload, engine: str | None
) -> Column:
    try:
        arch = entry.architecture()
    except PlannerError as error:
        return Column(entry, None, "", None, reason=str(error))
    quant, weights = _weights(arch)
    plan, reason = None, ""
    if machine is not None:
        from planner.advice.plan.choose import plan_model
        from planner.advice.plan.question import PlanQuestion

        try:
            plan = plan_model(PlanQuestion(from_entry(entry), machine, workload, engine))
        except PlannerError as error:
            reason = str(error)
    return Column(entry, cache_bytes(arch, context), quant, weights, plan, reason)


def _weights(arch: Architecture) -> tuple[str, int | None]:
    """Return the usual quantisation and its bytes."""
    from planner.engines.llama_cpp.placing.weights import weight_table

    native = (arch.quantization or {}).get("quant_method") == "mxfp4"
    quant = _QUANTS[0] if native else _QUANTS[1]
    try:
        return quant, weight_table(arch, quant).file_bytes
    except PlannerError:
        return quant, None


def cache_bytes(arch: Architecture, tokens: int) -> int:
    """Return the bytes that one sequence of `tokens` keeps in 16 bit, without an engine's padding.

    Recurrent states are counted at their own size; windows hold no more than their window.
    """
    total = 0
    for group in arch.groups:
        if group.mtp:
            continue
        for spec in group.caches:
            if isinstance(spec, FullAttention):
                if spec.owns_cache:
                    total += group.count * tokens * (spec.k_elements + spec.v_elements) * _CACHE_BYTES
            elif isinstance(spec, SlidingWindow):
                if spec.owns_cache:
                    kept = min(tokens, spec.window)
                    total += group.count * kept * (spec.k_elements + spec.v_elements) * _CACHE_BYTES
            elif isinstance(spec, LatentAttention):
                total += group.count * tokens * spec.k_elements * _CACHE_BYTES
                if spec.indexer is not None:
                    total += group.count * tokens * spec.indexer.head_dim * _CACHE_BYTES
            elif isinstance(spec, CompressedAttention):
                entries = min(tokens, spec.window) + (tokens // spec.ratio if spec.ratio else 0)
                total += group.count * entries * spec.head_dim * _CACHE_BYTES
            else:
                total += group.count * (spec.conv_elements + spec.state_elements) * 4
    return total
