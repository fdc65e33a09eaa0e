"""A fleet: which model on which machines of a cluster, how many replicas, and what is left.

Models are placed one after the other, the heaviest first, each on the fewest GPUs that serve it: inside
one node where one is enough (tensor parallel), over nodes with the same GPUs where not (pipeline parallel
across them). GPUs are taken in twos, fours and eights, over which tensors can be split. Every model gets a
place before any gets a second replica. A GPU holds one replica. Idle GPUs are taken before a context that nobody
named becomes shorter than its use needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any, Final

from planner.advice.plan.candidates import offered_quants
from planner.advice.plan.one_plan import complete
from planner.advice.plan.stated_context import is_open, planned_context
from planner.engines.register import get_engine, spanning_hosts
from planner.errors import InputError, PlannerError
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Accelerator, Host, Machine
from planner.models.model import Model
from planner.plan import Plan, PlanRequest, Workload

MAX_REPLICAS: Final = 64


@dataclass(frozen=True, slots=True)
class Request:
    """A model that the cluster shall serve."""

    model: Model
    workload: Workload = field(default_factory=Workload)
    quant: str | None = None  # None: the closest to the original that fits
    replicas: int | None = None  # None: as many as the workload's users need
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placed:
    """One replica: its plan and the GPUs that it takes."""

    plan: Plan
    gpus: tuple[tuple[str, int], ...]  # (host, index of the GPU there)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts that the replica spans, in pipeline order."""
        return tuple(dict.fromkeys(host for host, _ in self.gpus))


@dataclass(frozen=True, slots=True)
class Fleet:
    """The whole answer."""

    placed: tuple[Placed, ...]
    unplaced: tuple[tuple[str, str], ...]  # (model, reason)
    left: tuple[tuple[str, str, int], ...]  # (host, GPU's name, how many are free)
    short: tuple[
        tuple[str, str], ...
    ] = ()  # (model, reason): fewer replicas than were asked for or are needed

    @property
    def complete(self) -> bool:
        """True where everything that was asked for has its place."""
        return bool(self.placed) and not self.unplaced and not self.short

    def replicas(self, model: str) -> int:
        """How many replicas of a model run."""
        return sum(1 for p in self.placed if p.plan.model == model)


def fleet_engine() -> str:
    """Return the name of the engine that a fleet is planned for: one model may span several hosts."""
    return spanning_hosts().name


def plan_fleet(machine: Machine, requests: Sequence[Request]) -> Fleet:
    """Place every request on the machine's hosts; what can't be placed is named with its reason."""
    free = {host.name: list(host.accelerators) for host in machine.hosts}
    if len(free) != len(machine.hosts):
        raise InputError("the hosts of a cluster need different names")
    ordered = sorted(requests, key=_weight, reverse=True)
    trial = {host: list(gpus) for host, gpus in free.items()}
    answers = [_place(machine, trial, request) for request in ordered]
    if not all(found for found, _ in answers) and any(len(found) > 1 for found, _ in answers):
        trial = free
        answers = _one_each_first(machine, trial, ordered)
    placed = tuple(p for found, _ in answers for p in found)
    pairs = list(zip(ordered, answers, strict=True))
    return Fleet(
        placed,
        unplaced=tuple((r.model.id, reason) for r, (found, reason) in pairs if not found),
        left=_left(trial),
        short=tuple((r.model.id, reason) for r, (found, reason) in pairs if found and reason),
    )


def _one_each_first(
    machine: Machine, free: dict[str, list[Accelerator]], ordered: Sequence[Request]
) -> list[tuple[list[Placed], str]]:
    """Reserve one replica of each model, then let each grow on what the others leave."""
    answers = [_place(machine, free, request, most=1) for request in ordered]
    for i, (request, (held, _)) in enumerate(zip(ordered, answers, strict=True)):
        if not held:
            continue
        own = {gpu for placed in held for gpu in placed.gpus}
        wider = {
            host.name: [
                g for g in host.accelerators if (host.name, g.index) in own or _has(free[host.name], g)
            ]
            for host in machine.hosts
        }
        again = _place(machine, wider, request)
        if len(again[0]) >= len(held):
            answers[i] = again
            free.update(wider)
    return answers


def _has(gpus: Sequence[Accelerator], gpu: Accelerator) -> bool:
    return any(g.index == gpu.index for g in gpus)


def _weight(request: Request) -> int:
    return request.model.architecture.parameters()


def _left(free: Mapping[str, Sequence[Accelerator]]) -> tuple[tuple[str, str, int], ...]:
    rows = []
    for host, gpus in free.items():
        for name in dict.fromkeys(g.name for g in gpus):
            rows.append((host, name, sum(1 for g in gpus if g.name == name)))
    return tuple(rows)


def _place(
    machine: Machine, free: dict[str, list[Accelerator]], request: Request, most: int = MAX_REPLICAS
) -> tuple[list[Placed], str]:
    """Return the replicas of one request, at most `most`, and take their GPUs; why there are none or too few."""
    wanted = request.replicas or 0
    reason = "no GPU is free"
    counts = [wanted] if wanted else _replica_counts(request.workload.users)
    best: tuple[list[Placed], dict[str, list[Accelerator]]] | None = None
    whole: tuple[tuple[int, int, int], list[Placed], dict[str, list[Accelerator]]] | None = None
    for count in counts:
        users = -(-request.workload.users // count)
        trial = {host: list(gpus) for host, gpus in free.items()}
        done: list[Placed] = []
        for _ in range(min(count, most)):
            one, why = _replica(machine, trial, request, replace(request.workload, users=users))
            if one is None:
                reason = why
                break
            done.append(one)
        if len(done) == count:
            # Replicas that each stay inside a host serve better than one that spans two.
            squeezed = max(_squeezed(p.plan) for p in done)
            key = (squeezed, max(len(p.hosts) for p in done), sum(len(p.gpus) for p in done))
            if whole is None or key < whole[0]:
                whole = key, done, trial
            if key[:2] == (0, 1):
                break
            continue
        if done and (best is None or len(done) > len(best[0])):
            best = done, trial
    if whole is not None:
        free.update(whole[2])
        return whole[1], ""
    if best is None:
        return [], reason
    free.update(best[1])
    users = request.workload.users
    wish = f"{wanted} were asked for" if wanted else f"more are needed for {users} users"
    fit = "1 replica fits" if len(best[0]) == 1 else f"{len(best[0])} replicas fit"
    return best[0], f"{fit}, {wish}"


def _squeezed(plan: Plan) -> int:
    """Tokens that an open context lacks of what the use case needs; 1 where the cache is narrower than was asked for.

    Idle GPUs are taken before a context becomes shorter or its cache coarser.
    """
    request = plan.request
    short = request.context_need.most - planned_context(plan) if is_open(request) else 0
    narrow = "kv_cache_dtype" in plan.settings.keys() - request.settings.keys()
    return max(short, int(narrow), 0)


def _replica_counts(users: int) -> list[int]:
    counts, n = [], 1
    while n <= min(users, MAX_REPLICAS):
        counts.append(n)
        n *= 2
    return counts or [1]


def _replica(
    machine: Machine, free: dict[str, list[Accelerator]], request: Request, workload: Workload
) -> tuple[Placed | None, str]:
    """Place one replica on the fewest GPUs that don't squeeze it; the tightest host among those that are equal."""
    options: list[tuple[tuple[int, int, int, int], Placed]] = []
    reason = "no GPU is free"
    seen: set[tuple[Any, ...]] = set()  # hosts with the same free GPUs are planned once
    spans = 1
    for hosts in _candidates(machine, free):
        shape = tuple((g.name, g.memory_free) for h in hosts for g in free[h.name])
        if shape in seen:
            continue
        seen.add(shape)
        if options and len(hosts) > spans:
            break  # sets come in growing size: one that spans more hosts is never better
        spans = len(hosts)
        for offered in _offers(hosts, free):
            plan, why = _plan(machine, hosts, offered, request, workload)
            if plan is None:
                reason = why
                continue
            gpus = _taken(plan, hosts, offered)
            spare = sum(len(free[h.name]) for h in hosts) - len(gpus)
            squeezed = _squeezed(plan)
            options.append(((len(hosts), squeezed, len(gpus), spare), Placed(plan, gpus)))
            if not squeezed:
                break
    if not options:
        return None, reason
    chosen = min(options, key=lambda option: option[0])[1]
    for host, index in chosen.gpus:
        free[host] = [g for g in free[host] if g.index != index]
    return chosen, ""


def _candidates(machine: Machine, free: Mapping[str, Sequence[Accelerator]]) -> list[list[Host]]:
    """Single hosts with a free GPU, then growing sets of hosts with the same free GPUs."""
    able = [h for h in machine.hosts if free[h.name]]
    singles = [[h] for h in able]
    alike: dict[tuple[tuple[str, int], ...], list[Host]] = {}
    for host in able:
        alike.setdefault(tuple((g.name, g.memory_total) for g in free[host.name]), []).append(host)
    several = [hosts[:n] for hosts in alike.values() for n in range(2, len(hosts) + 1)]
    return singles + sorted(several, key=len)


def _offers(
    hosts: Sequence[Host], free: Mapping[str, Sequence[Accelerator]]
) -> Iterator[Mapping[str, Sequence[Accelerator]]]:
    """Twos, fours, eights of one kind of GPU: of a single host, or as many of each of several hosts.

    All of them are offered as well where that is an even number (six, ten), never an odd one: over that only a
    pipeline could be laid.
    """
    kinds: dict[tuple[str, int], list[list[Accelerator]]] = {}
    for host in hosts:
        by_kind: dict[tuple[str, int], list[Accelerator]] = {}
        for gpu in free[host.name]:
            by_kind.setdefault((gpu.name, gpu.memory_total), []).append(gpu)
        for kind, gpus in by_kind.items():
            kinds.setdefault(kind, []).append(gpus)
    shared = [held for held in kinds.values() if len(held) == len(hosts)]
    for count in sorted({c for held in shared for c in _counts(min(map(len, held)), len(hosts))}):
        for held in shared:
            if count in _counts(min(map(len, held)), len(hosts)):
                yield {h.name: gpus[:count] for h, gpus in zip(hosts, held, strict=True)}


def _counts(most: int, hosts: int) -> list[int]:
    """GPUs of each host to offer, growing; of several hosts all that a split can use."""
    powers = [1 << i for i in range(most.bit_length())]
    return (powers if hosts == 1 else powers[-1:]) + ([most] if most % 2 == 0 and most not in powers else [])


def _plan(
    machine: Machine,
    hosts: Sequence[Host],
    offered: Mapping[str, Sequence[Accelerator]],
    request: Request,
    workload: Workload,
) -> tuple[Plan | None, str]:
    part = replace(
        machine,
        hosts=tuple(replace(h, accelerators=tuple(offered[h.name])) for h in hosts),
        name=", ".join(h.name for h in hosts),
    )
    name = fleet_engine()
    engine = get_engine(name)
    reason = "no quantisation fits"
    model = request.model
    for quant in (request.quant,) if request.quant else offered_quants(model, name):
        try:
            plan = engine.plan(PlanRequest(model, quant, part, workload, request.settings))
        except PlannerError as error:
            reason = str(error)
            continue
        if plan.fits:
            return complete(plan), ""
        reason = reason if plan.shortage is None else plan.shortage.text
    return None, reason


def _taken(
    plan: Plan, hosts: Sequence[Host], offered: Mapping[str, Sequence[Accelerator]]
) -> tuple[tuple[str, int], ...]:
    """The GPUs that a plan's ranks take: the first of each host, a pipeline's stages spread evenly."""
    count = sum(1 for d in plan.memory.devices if d.kind == "gpu")
    each = -(-count // len(hosts))
    taken: list[tuple[str, int]] = []
    for host in hosts:
        gpus = offered[host.name]
        taken.extend((host.name, g.index) for g in gpus[: min(each, count - len(taken))])
    return tuple(taken)
