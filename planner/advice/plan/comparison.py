"""Models side by side: facts, memory of cache and weights, and how each runs on one machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from planner.errors import PlannerError
from planner.fast_dataclass import dataclass
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
class UsefulSize:
    """What a model's weights take in the quantisation that most people run."""

    quant: str
    """The quantisation; empty where the shape isn't known."""
    weights: int | None
    """Bytes; None where they can't be computed."""


@dataclass(frozen=True, slots=True)
class Column:
    """One model of a comparison."""

    entry: Entry
    """The catalogue's entry."""
    cache: int | None
    """Bytes of one sequence's cache at the comparison's context, 16 bit; None where the shape isn't known."""
    smallest_useful: UsefulSize
    """The weights in the usual quantisation."""
    plan: Plan | None = None
    """How it runs on the comparison's machine; None without one, or where it can't be planned."""
    reason: str = ""
    """Why there is no plan."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Models side by side."""

    columns: tuple[Column, ...]
    """One a model, in the order asked for."""
    context: int
    """Tokens of the context at which caches are compared."""
    machine: str | None
    """The name of the machine that they are planned on; None: they aren't planned."""


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
        return Column(entry, None, UsefulSize("", None), reason=str(error))
    plan, reason = None, ""
    if machine is not None:
        from planner.advice.plan.choose import plan_model
        from planner.advice.plan.question import PlanQuestion

        try:
            plan = plan_model(PlanQuestion(from_entry(entry), machine, workload, engine))
        except PlannerError as error:
            reason = str(error)
    return Column(entry, cache_bytes(arch, context), _weights(arch), plan, reason)


def _weights(arch: Architecture) -> UsefulSize:
    from planner.engines.llama_cpp.placing.weights import weight_table

    native = (arch.quantization or {}).get("quant_method") == "mxfp4"
    quant = _QUANTS[0] if native else _QUANTS[1]
    try:
        return UsefulSize(quant, weight_table(arch, quant).file_bytes)
    except PlannerError:
        return UsefulSize(quant, None)


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
