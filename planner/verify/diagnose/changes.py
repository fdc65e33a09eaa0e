"""The smallest change that fits by planning again, in the order of what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from planner.engines.evidence import Fix, Sizing, Step
from planner.engines.register import get_engine
from planner.errors import PlannerError
from planner.fast_dataclass import replace
from planner.plan import MemoryEstimate, Placement
from planner.units import GIB
from planner.verify.diagnose.sums import HOST, Sum

MOST_FIXES: Final = 3


LEAST_CONTEXT: Final = 4096  # tokens; less is no cure


def mends(total: Sum, sizing: Sizing) -> Iterator[Fix]:
    """Yield changes that fit by planning again, in the order of their cost; each by itself, a shorter context last."""
    asked = total.case.request.settings
    steps = sizing.steps
    found = 0
    weights, room = total.weights_and_room
    if weights >= room:
        steps = ()  # the weights alone are too large: nothing but smaller weights helps
    for step in steps:
        settings = _changed(asked, step)
        memory = None if settings is None else _fitting(total, sizing, settings)
        if memory is not None and found < MOST_FIXES:
            found += 1
            yield replace(step.fix, cost=_cost(step.fix.cost, memory))
    shorten = next((step for step in steps if step.context), None)
    shorter = None if shorten is None else _shorter(total, sizing, shorten, asked)
    if shorter is not None and found < MOST_FIXES:
        found += 1
        yield shorter
    if shorten is not None and found < MOST_FIXES:
        several = list(_together(total, sizing, shorten, shorter))
        found += len(several)
        yield from several
    if found < MOST_FIXES:
        yield from _smaller(total, sizing)
    if sizing.spill is not None and total.gpus and not total.spills:
        yield sizing.spill


def _fitting(
    total: Sum, sizing: Sizing, settings: Mapping[str, Any], quant: str | None = None
) -> MemoryEstimate | None:
    """The engine's memory with these settings and all layers on the GPUs, where that fits; None where it doesn't."""
    asked = total.case.request
    request = replace(asked, settings={**settings, **sizing.whole}, quant=quant or asked.quant)
    engine = get_engine(total.case.engine)
    try:
        # Where the placement is given the estimate says it all, and costs a tenth of a search.
        if sizing.whole and total.gpus:
            memory = engine.estimate(request)
            return memory if memory.fits else None
        plan = engine.plan(request)
    except (PlannerError, ArithmeticError):
        return None
    return plan.memory if plan.fits and (plan.placement is Placement.GPU or not total.gpus) else None


def _changed(settings: Mapping[str, Any], step: Step) -> dict[str, Any] | None:
    """The settings with a step made; None where it changes nothing, or is the one of the context."""
    if step.context or all(settings.get(name, step.unset) == value for name, value in step.settings.items()):
        return None
    changed = {**settings, **step.settings}
    return {name: value for name, value in changed.items() if value is not None}


def _cost(cost: str, memory: MemoryEstimate) -> str:
    gpu = next((d for d in memory.devices if d.kind != HOST), next(iter(memory.devices), None))
    proof = "" if gpu is None else f"fits by the plan: {gpu.total / GIB:.2f} of {gpu.available / GIB:.2f} GiB"
    return "; ".join(part for part in (cost, proof) if part)


def _together(total: Sum, sizing: Sizing, shorten: Step, alone: Fix | None) -> Iterator[Fix]:
    """Several changes at once, cheapest first, with the longest context that fits then.

    Where a shorter context alone fits (`alone`), only the last of the others is joined to it: the one that makes the
    cache itself smaller, and leaves more of the context.
    """
    settings: Mapping[str, Any] = total.case.request.settings
    others = [step for step in sizing.steps if not step.context and not step.gives_up]
    made: list[Fix] = []
    for step in others if alone is None else others[-1:]:
        changed = _changed(settings, step)
        if changed is None:
            continue
        settings = changed
        made.append(step.fix)
        shorter = _shorter(total, sizing, shorten, settings)
        if shorter is not None:
            every = [*made, shorter]
            yield Fix(
                ", ".join(fix.do for fix in every),
                "; ".join(fix.cost for fix in every),
                {flag: value for fix in every for flag, value in fix.set.items()},
                tuple(flag for fix in every for flag in fix.drop),
                {name: value for fix in every for name, value in fix.env.items()},
            )
            return


def _smaller(total: Sum, sizing: Sizing) -> Iterator[Fix]:
    """The largest quantisation that fits whole, found by halves: a list of names, largest first."""
    asked = total.case.request
    names = get_engine(total.case.engine).quants(asked.model)
    if asked.model.tensors is not None or asked.quant not in names:
        return
    low, high = names.index(asked.quant) + 1, len(names)
    best: Fix | None = None
    while low < high:
        middle = (low + high) // 2
        memory = _fitting(total, sizing, asked.settings, names[middle])
        if memory is not None:
            best, high = Fix(f"the same in {names[middle]}", _cost("quality", memory)), middle
        else:
            low = middle + 1
    if best is not None:
        yield best


def _shorter(total: Sum, sizing: Sizing, step: Step, settings: Mapping[str, Any]) -> Fix | None:
    """The longest context that fits with these settings, in thousands of tokens (1024), found by halves."""
    before = settings.get(step.context)
    most = before if isinstance(before, int) and before > 0 else total.case.request.arch.n_ctx_train
    low, high = LEAST_CONTEXT // 1024, -(-most // 1024) - 1
    best: tuple[int, MemoryEstimate] | None = None
    while low <= high:
        # the least first: where that doesn't fit, nothing does
        middle = low if best is None else (low + high) // 2
        memory = _fitting(total, sizing, {**settings, step.context: middle * 1024})
        if memory is None:
            if best is None:
                return None
            high = middle - 1
        else:
            best, low = (middle * 1024, memory), middle + 1
    if best is None:
        return None
    tokens, memory = best
    return Fix(
        step.fix.do.format(tokens),
        _cost(f"{most - tokens:,} tokens of context", memory),
        {flag: str(tokens) for flag in step.fix.set},
        env={variable: str(tokens) for variable in step.fix.env},
    )
