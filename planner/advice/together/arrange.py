"""Sharing a machine out among several models: each engine's own plan on what the others leave.

The smallest is planned first, on its share of the memory by size, or as much more as keeps it on the GPU; the
largest gets what is left, then the others what that leaves. Where not all can be loaded at once, the largest take
turns, and each of these has what those leave that stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from planner.advice.plan.candidates import bits_of, is_last_resort
from planner.advice.plan.choose import plan_model
from planner.advice.plan.worth import is_usable, started_context
from planner.advice.together.usage import held_by
from planner.advice.together.wish import Wish
from planner.engines.register import engine_facts
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Machine
from planner.hardware.remaining import Held, nothing_held, remaining
from planner.plan import Placement, Plan
from planner.reason import ReasonKind

_SMALL: Final = 1e9  # elements
_MORE: Final = 1.5  # times the share that is tried next where a model does not lie on the GPU with the last


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Plans in the order of the wishes; those at `turns` are loaded one at a time, the others stay."""

    plans: tuple[Plan, ...]
    turns: frozenset[int] = frozenset()

    @property
    def fits(self) -> bool:
        """True where every plan has room beside those that stay."""
        return all(plan.fits for plan in self.plans)


def arrange(wishes: Sequence[Wish], machine: Machine) -> Arrangement:
    """Return the best way to run these models: all at once where each is usable so, else the largest in turns.

    What makes no text reads shorter pieces before anybody takes turns. Where nothing is pleasant, what fits is
    returned; where nothing fits, the plans that come nearest. Raises as one model's plan does.
    """
    first, fitting = _at_once(wishes, machine), None
    for found, asked in _arrangements(wishes, machine, first):
        if found.fits and _is_pleasant(found, asked):
            return found
        fitting = fitting or (found if found.fits else None)
    return fitting or first


def _arrangements(
    wishes: Sequence[Wish], machine: Machine, first: Arrangement
) -> Iterator[tuple[Arrangement, Sequence[Wish]]]:
    """Yield what to try, the best first, with what was asked for it."""
    yield first, wishes
    shorter = [wish.shorter() for wish in wishes]
    if shorter != list(wishes):
        yield _at_once(shorter, machine), shorter
    order = sorted(range(len(wishes)), key=lambda i: -wishes[i].size)
    for count in range(2, len(wishes) + 1):
        for asked in (wishes, shorter) if shorter != list(wishes) else (wishes,):
            yield _in_turns(asked, machine, frozenset(order[:count])), asked


def _is_pleasant(arrangement: Arrangement, wishes: Sequence[Wish]) -> bool:
    """True where everybody who waits for text gets it fast enough, and no model is a shadow of itself."""
    return all(
        not wish.role.writes or _serves(plan, wish)
        for plan, wish in zip(arrangement.plans, wishes, strict=True)
    )


def _serves(plan: Plan, wish: Wish) -> bool:
    """True for a plan that people would keep: usable, half of a context that isn't short, no last resort."""
    if not is_usable(plan, wish.workload) or (wish.quant is None and is_last_resort(plan.quant)):
        return False
    if plan.placement is Placement.CPU and plan.request.machine.accelerators:
        return False
    enough = min(plan.request.context_need.short // 2, wish.model.usable_context)
    return wish.workload.context is not None or started_context(plan) >= enough


def _in_turns(wishes: Sequence[Wish], machine: Machine, turns: frozenset[int]) -> Arrangement:
    """Those that stay, planned beside the largest of the others; each of these with what they leave."""
    staying = [i for i in range(len(wishes)) if i not in turns]
    largest = max(turns, key=lambda i: wishes[i].size)
    beside = _at_once([wishes[i] for i in (*staying, largest)], machine)
    if not beside.fits:
        return Arrangement(
            _in_order(wishes, dict(zip((*staying, largest), beside.plans, strict=True))), turns
        )
    plans = dict(zip((*staying, largest), beside.plans, strict=True))
    left = remaining(machine, _sum((held_by(plans[i]) for i in staying), machine))
    for i in turns - {largest}:
        plans[i] = wishes[i].planned(left)
    return Arrangement(_in_order(wishes, plans), turns)


def _in_order(wishes: Sequence[Wish], plans: Mapping[int, Plan]) -> tuple[Plan, ...]:
    """The plans in the order of the wishes; one that never came to be planned stands as it is alone."""
    missing = next(iter(plans.values())).request.machine
    return tuple(
        plans[i] if i in plans else replace(wish.planned(missing), fits=False)
        for i, wish in enumerate(wishes)
    )


def _at_once(wishes: Sequence[Wish], machine: Machine) -> Arrangement:
    """All loaded together."""
    order = sorted(range(len(wishes)), key=lambda i: wishes[i].size)
    plans: dict[int, Plan] = {}
    asked = dict(enumerate(wishes))
    for place, i in enumerate(order):
        left = remaining(machine, _others(plans, i, machine))
        last = place == len(order) - 1
        share = wishes[i].size / sum(wishes[j].size for j in order[place:])
        plans[i] = asked[i].planned(left) if last else _on_a_share(asked[i], left, share)
        if plans[i].fits and not last:
            asked[i] = _modest(asked[i], plans[i])
    if all(plan.fits for plan in plans.values()):
        for i in reversed(order[:-1]):
            more = wishes[i].planned(remaining(machine, _others(plans, i, machine)))
            if _is_better(more, plans[i]):
                plans[i], asked[i] = more, _modest(wishes[i], more)
        asked = _of_one_server(asked, plans)
        for i in order:
            plans[i] = _settled(asked[i], plans[i], remaining(machine, _others(plans, i, machine)))
    return Arrangement(tuple(plans[i] for i in range(len(wishes))))


def _others(plans: Mapping[int, Plan], but: int, machine: Machine) -> Held:
    return _sum((held_by(plan) for i, plan in plans.items() if i != but and plan.fits), machine)


def _sum(parts: Iterator[Held], machine: Machine) -> Held:
    total = nothing_held(machine)
    for part in parts:
        total = total + part
    return total


def _on_a_share(wish: Wish, machine: Machine, share: float) -> Plan:
    """The plan on a share of the memory, or on as much more as keeps the model on the GPU.

    Where no share does, the smallest on which it fits at all: the rest is not taken from the others for nothing.
    """
    if not wish.role.writes and wish.size < _SMALL:
        return wish.planned(machine)  # a share of next to nothing would only coarsen it
    fitting: Plan | None = None
    while True:
        limited = _limited(machine, share)
        plan = plan_model(wish.on(limited)) if share < 1.0 else wish.planned(limited)
        if plan.fits and (plan.placement is Placement.GPU or not machine.accelerators):
            return plan
        fitting = fitting or (plan if plan.fits else None)
        if share >= 1.0:
            return fitting or plan
        share = min(1.0, share * _MORE)


def _limited(machine: Machine, share: float) -> Machine:
    """The machine with this share of what is free: of the GPUs, of the RAM where there is no other memory."""
    if share >= 1.0:
        return machine
    gpus = tuple(int(gpu.memory_free * (1 - share)) for gpu in machine.accelerators)
    ram = 0 if gpus else int(machine.host.ram_available * (1 - share))
    return remaining(machine, Held(gpus, ram))


def _modest(wish: Wish, plan: Plan) -> Wish:
    """The wish with settings that keep its engine from taking more than the plan needs."""
    modest = engine_facts(plan.engine).modest(plan)
    return replace(wish, settings={**wish.settings, **modest}, engine=plan.engine) if modest else wish


def _of_one_server(asked: Mapping[int, Wish], plans: Mapping[int, Plan]) -> dict[int, Wish]:
    """The wishes with the settings that one server has for all its models."""
    found = dict(asked)
    for engine in {plan.engine for plan in plans.values()}:
        members = [i for i, plan in plans.items() if plan.engine == engine]
        common = engine_facts(engine).common_settings([plans[i] for i in members]) if len(members) > 1 else {}
        for i in members if common else ():
            found[i] = replace(found[i], settings={**common, **found[i].settings}, engine=engine)
    return found


def _is_better(plan: Plan, than: Plan) -> bool:
    if not plan.fits or (plan.placement is not Placement.GPU and than.placement is Placement.GPU):
        return False
    if _narrow_cache(plan) and not _narrow_cache(than):
        return False
    bits, before = bits_of(plan.quant), bits_of(than.quant)
    return bits > before or (bits == before and started_context(plan) > started_context(than))


def _narrow_cache(plan: Plan) -> bool:
    return any(reason.kind is ReasonKind.CACHE_QUANTISED for reason in plan.why)


def _settled(wish: Wish, plan: Plan, machine: Machine) -> Plan:
    """The same plan on what the others leave: engine, quantisation and context are as they were chosen."""
    context = started_context(plan)
    workload = replace(wish.workload, context=context, prompt=min(wish.workload.prompt, context))
    fixed = replace(wish, engine=plan.engine, quant=plan.quant, workload=workload)
    return fixed.planned(machine)
