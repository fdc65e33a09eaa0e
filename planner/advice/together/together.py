"""The answer about several models on one machine: who is loaded when, on which port, and whether all have room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from planner.advice.plan.worth import started_context
from planner.advice.together.arrange import Arrangement, arrange
from planner.advice.together.ports import with_ports
from planner.advice.together.speed import beside_each_other, rate_of
from planner.advice.together.usage import SharedDevice, devices_of, places
from planner.advice.together.wish import Wish
from planner.engines.register import engine_facts
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Machine
from planner.launching.served import Served
from planner.launching.several import launch_of
from planner.models.role import Role
from planner.plan import Interval, MemoryEstimate, Plan
from planner.reason import Reason, ReasonKind, Value
from planner.units import gib


@dataclass(frozen=True, slots=True)
class Member:
    """One model of a set-up."""

    role: Role
    """What it does."""
    plan: Plan
    """Its own plan, on what the others leave; with the command of a server on its own port."""
    port: int | None
    """Where its server answers; None where that isn't known."""
    stays: bool
    """True for one that stays loaded; False for one that takes turns with the others that don't."""
    alone: Interval | None
    """Tokens a second while the others rest: written, or read by a model that writes none; None where not known."""
    beside: Interval | None
    """Tokens a second (written; read, of a model that writes none) while all that are loaded work at once; None where
    that isn't known."""


@dataclass(frozen=True, slots=True)
class Together:
    """Several models on one machine."""

    machine: Machine
    """What the plans are for."""
    fits: bool
    """True where all have room: those that stay at once, each other one beside them."""
    members: tuple[Member, ...]
    """In the order in which to start them."""
    devices: tuple[SharedDevice, ...]
    """What each takes of each device, the host last."""
    why: tuple[Reason, ...]
    """The reasons for the arrangement."""
    warnings: tuple[Reason, ...] = ()
    """What to beware of."""

    @property
    def takes_turns(self) -> bool:
        """True where not all are loaded at the same time."""
        return not all(member.stays for member in self.members)


def plan_together(wishes: Sequence[Wish], machine: Machine) -> Together:
    """Plan several models on one machine, each on what the others leave.

    A set-up that has no room is returned with fits=False. Raises as one model's plan does.
    """
    return answer_of(wishes, machine, arrange(wishes, machine))


def served(answer: Together) -> tuple[Served, ...]:
    """Return the members with what starts them, for launching."""
    found, loaded = [], [0] * len(answer.machine.accelerators)
    for m in answer.members:
        plan = _as_it_starts(m.plan, answer.machine, loaded)
        found.append(Served(plan, launch_of(m.plan), m.role, m.stays, started_context(m.plan), m.port))
        for at, device in places(m.plan) if m.stays else ():
            if at is not None:
                loaded[at] += device.total
    return tuple(found)


def _as_it_starts(plan: Plan, machine: Machine, loaded: Sequence[int]) -> Plan:
    """The plan with what is free on each GPU when it starts: those that are started before it hold theirs."""
    devices = tuple(
        device
        if at is None
        else replace(device, available=max(0, machine.accelerators[at].memory_free - loaded[at]))
        for at, device in places(plan)
    )
    return replace(plan, memory=MemoryEstimate(devices))


def answer_of(wishes: Sequence[Wish], machine: Machine, found: Arrangement) -> Together:
    """Put an arrangement in the order of its start, with ports and what one server has for all."""
    order = sorted(range(len(wishes)), key=lambda i: _start(i, wishes, found))
    turns = frozenset(place for place, i in enumerate(order) if i in found.turns)
    plans = with_ports(_with_common([found.plans[i] for i in order], turns))
    devices = devices_of(machine, [plan for plan, _ in plans], turns)
    roles = [wishes[i].role for i in order]
    staying = [place for place in range(len(order)) if place not in turns]

    def beside(place: int) -> Interval | None:
        """What one reaches beside all that stay."""
        others = [other for other in staying if other != place]
        at = [place, *others]
        return beside_each_other([plans[i][0] for i in at], [roles[i] for i in at])[0]

    members = tuple(
        Member(
            role=roles[place],
            plan=plan,
            port=port,
            stays=place not in turns,
            alone=rate_of(plan, roles[place]),
            beside=beside(place),
        )
        for place, (plan, port) in enumerate(plans)
    )
    fits = found.fits and all(device.fits for device in devices)
    alone = [] if fits else [plan for plan in (wish.planned(machine) for wish in wishes) if not plan.fits]
    return Together(
        machine=machine,
        fits=fits,
        members=members,
        devices=devices,
        why=_why(members, devices) if fits else tuple(_shortages(members, devices, alone)),
        warnings=_warnings(members),
    )


def _start(i: int, wishes: Sequence[Wish], found: Arrangement) -> tuple[bool, bool, float]:
    """Those that stay before those that take turns; what takes memory by what is free after what doesn't look."""
    return i in found.turns, engine_facts(found.plans[i].engine).looks_first, wishes[i].size


def _with_common(plans: Sequence[Plan], turns: frozenset[int]) -> list[Plan]:
    """The plans with the environment of servers that have several of them."""
    loaded: dict[str, int] = {}
    for place, plan in enumerate(plans):
        loaded[plan.engine] = loaded.get(plan.engine, 0) + (place not in turns)
    for engine in {plans[place].engine for place in turns}:
        loaded[engine] += 1
    common: dict[str, dict[str, str]] = {}
    for engine in loaded:
        env: dict[str, str] = {}
        for plan in plans:
            if plan.engine == engine and engine_facts(engine).daemon:
                env.update(plan.env)
        common[engine] = {**env, **_kept_loaded(engine, loaded[engine], plans)}
    return [replace(plan, env={**plan.env, **common[plan.engine]}) for plan in plans]


def _kept_loaded(engine: str, loaded: int, plans: Sequence[Plan]) -> Mapping[str, str]:
    several = sum(plan.engine == engine for plan in plans) > 1
    return engine_facts(engine).common_environment(loaded) if several else {}


def _why(members: Sequence[Member], devices: Sequence[SharedDevice]) -> tuple[Reason, ...]:
    gpus = [device for device in devices if device.kind == "gpu"]
    left = sum(max(0, device.available - device.total) for device in gpus or devices)
    where = "the GPUs" if len(gpus) > 1 else "the GPU" if gpus else "the RAM"
    turns = [member for member in members if not member.stays]
    if not turns:
        text = f"All stay loaded at the same time; {gib(left)} of {where} stay free."
        return (Reason(ReasonKind.ALL_LOADED, text, {"models": len(members), "left": left}),)
    names = _listed([member.plan.name for member in turns])
    staying = [member.plan.name for member in members if member.stays]
    beside = f" beside {_listed(staying)}, which stay{'s' if len(staying) == 1 else ''}" if staying else ""
    text = f"{names} take turns{beside}: loaded at once they have no room, or are too slow to use."
    return (Reason(ReasonKind.TAKE_TURNS, text, {"models": len(turns)}),)


def _shortages(
    members: Sequence[Member], devices: Sequence[SharedDevice], alone: Sequence[Plan]
) -> Iterator[Reason]:
    """Yield what is short: of models that don't fit even alone; else beside the others; else the sum."""
    lonely = [(plan, "here even alone") for plan in alone]
    short = lonely or [(m.plan, "beside the others") for m in members if not m.plan.fits]
    for plan, where in short:
        reason = plan.shortage
        clause = "not enough memory" if reason is None else reason.clause or reason.text
        kind = ReasonKind.DEVICE_TOO_SMALL if reason is None else reason.kind
        text = f"{plan.name} does not fit {where}: {clause}."
        yield Reason(kind, text, {} if reason is None else reason.values, clause)
    for device in devices if not short else ():
        if not device.fits:
            clause = f"{device.name} has {gib(device.available)} free and may need up to {gib(device.high)}"
            values: dict[str, Value] = {
                "device": device.name,
                "free": device.available,
                "needed": device.high,
            }
            yield Reason(ReasonKind.DEVICE_TOO_SMALL, f"Does not fit: {clause}.", values, clause)


def _warnings(members: Sequence[Member]) -> tuple[Reason, ...]:
    looking = [m.plan.name for m in members if engine_facts(m.plan.engine).looks_first and m.stays]
    if len(members) < 2 or not looking:
        return ()
    text = (
        f"Start them in this order, each once the one before it answers: {_listed(looking)} "
        f"take{'s' if len(looking) == 1 else ''} memory by what is free at that moment."
    )
    return (Reason(ReasonKind.START_IN_ORDER, text),)


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
