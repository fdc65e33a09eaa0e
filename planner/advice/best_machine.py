"""Which machine to get, where no model is named: what each runs best, and which of them is worth its price.

Each machine is asked what `planner check` answers first on it; what remains are machines on which no cheaper
one runs as good a model, as fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from typing import Final

from planner.advice.money.buy import SMALLEST_BITS, BuyTerms, noise_of, period_cost, too_hot
from planner.advice.money.market import Offer
from planner.advice.money.power import machine_power
from planner.advice.plan.worth import (
    HYBRID_PENALTY,
    comfortable_speed,
    enough_speed,
    is_usable,
    speed_share,
    started_context,
    upper_bound,
    user_interval,
    worth,
)
from planner.advice.recommend.recommend import recommend
from planner.errors import PlannerError
from planner.fast_dataclass import dataclass
from planner.hardware.machine import Machine
from planner.models.catalogue.catalogue import Entry, load_catalogue
from planner.plan import Interval, Plan, Workload

STEP_UP: Final = 1.6  # times the budget: how far above it a better machine is looked for
GAIN: Final = 1.02  # times the worth of a cheaper machine's answer: less is no reason to pay more
NEARLY: Final = 1.03  # the advised machine: the cheapest whose answer is worth the best one's but for so much
MANY: Final = 8  # rows of an answer


@dataclass(frozen=True, slots=True)
class MachineQuestion:
    """What somebody asks who has no model in mind."""

    workload: Workload
    """What for, how many users, which context, speed and licence."""
    terms: BuyTerms = field(default_factory=BuyTerms)
    """What may be spent, and on what terms."""
    among: tuple[str, ...] = ()
    """Machines that are compared, as profiles; empty: all that is sold."""


@dataclass(frozen=True, slots=True)
class MachineOption:
    """One machine with the best that it runs."""

    offer: Offer
    """What is bought."""
    plan: Plan | None
    """What `planner check` would answer first on it; None where nothing good enough fits."""
    score: float | None
    """The model's score for the use case, points of the catalogue's scale."""
    worth: float | None
    """What ranks it: the score less what quantisation, speed and context cost."""
    speed: Interval | None
    """Decode tokens a second that a user sees, at the depth of the workload's prompt."""
    context: int | None
    """Tokens that each user gets."""
    watts: float | None
    """Power under load, of the whole computer; None where it isn't known."""
    noise: str
    """What cooling that power usually sounds like."""
    cost: float | None
    """Price with electricity over the period, as `cost` reckons it."""
    problem: str | None = None
    """Why it does not do what was asked; None where it does."""


@dataclass(frozen=True, slots=True)
class MachineAnswer:
    """The machines, cheapest first, and which of them to get."""

    question: MachineQuestion
    """What was asked."""
    options: tuple[MachineOption, ...]
    """Within the budget: each runs something better than all that are cheaper. Of `among`: all of them."""
    advised: int | None
    """Which of the options, from 0: the cheapest that runs nearly the best; None where none does what was asked."""
    next_step: MachineOption | None
    """The cheapest above the budget that runs something better; None where none is."""
    notes: tuple[str, ...]
    """What the reader should know beside the options."""


def best_machine(
    question: MachineQuestion,
    offers: Iterable[Offer],
    load: Callable[[str], Machine],
    progress: Callable[[int, int], None] | None = None,
) -> MachineAnswer:
    """Answer the question for what is sold. `load` turns an offer's spec into a Machine.

    `progress(done, all)` is called while it works (seconds).
    """
    terms = question.terms
    listed = list(offers)
    if not question.among:
        most = None if terms.budget is None else terms.budget * STEP_UP
        listed = [o for o in listed if o.price is not None and (most is None or o.price <= most)]
    listed.sort(key=lambda o: (o.price is None, o.price or 0.0, -o.memory))
    machines = _loaded(listed, load)
    if not question.among:
        machines = _undominated(machines)
    options: list[MachineOption] = []
    floor = 0.0
    for done, (offer, machine) in enumerate(machines):
        if progress:
            progress(done, len(machines))
        option = _option(question, offer, machine, 0.0 if question.among else floor)
        if question.among:
            options.append(option)
        elif option.problem is None and option.worth is not None and option.worth > floor:
            options.append(option)
            floor = option.worth * GAIN
            if terms.budget is not None and (offer.price or 0.0) > terms.budget:
                break  # the next step up is one, the cheapest
    within = [o for o in options if question.among or not _above(o, terms)]
    step = next((o for o in options if not question.among and _above(o, terms)), None)
    return MachineAnswer(question, *_shown(within, question), step, tuple(_notes(question, within)))


def _above(option: MachineOption, terms: BuyTerms) -> bool:
    return terms.budget is not None and (option.offer.price or 0.0) > terms.budget


def _loaded(offers: Sequence[Offer], load: Callable[[str], Machine]) -> list[tuple[Offer, Machine]]:
    found = []
    for offer in offers:
        try:
            found.append((offer, load(offer.spec)))
        except PlannerError:  # a profile that makes no machine
            continue
    return found


def _undominated(machines: Sequence[tuple[Offer, Machine]]) -> list[tuple[Offer, Machine]]:
    """Leave out what a cheaper one with as many devices of the same kind beats in memory, bandwidth and computing."""
    kept: list[tuple[Offer, Machine]] = []
    seen: dict[object, list[tuple[float, ...]]] = {}
    for offer, machine in machines:
        kind, figures = _abilities(machine)
        others = seen.setdefault(kind, [])
        if not any(all(a >= b for a, b in zip(other, figures, strict=True)) for other in others):
            others.append(figures)
            kept.append((offer, machine))
    return kept


def _abilities(machine: Machine) -> tuple[object, tuple[float, ...]]:
    """What kind of machine it is, and the figures in which more is better."""
    gpus = machine.accelerators
    rates = [g.rates.fp16 or 0.0 for g in gpus]
    kind = (gpus[0].backend if gpus else None, len(gpus), any(g.unified for g in gpus))
    return kind, (
        sum(g.memory_total for g in gpus),
        sum(g.memory_bandwidth or 0.0 for g in gpus),
        sum(rates),
        machine.hosts[0].ram_total,
    )


def _option(question: MachineQuestion, offer: Offer, machine: Machine, floor: float) -> MachineOption:
    """What the machine runs best; nothing where that is worth no more than `floor`."""
    terms, workload = question.terms, question.workload
    power = machine_power(machine)
    watts = power.load if power.complete else None
    noise = noise_of(offer, watts)
    hot = too_hot(terms, watts, offer)
    if hot is not None:
        return MachineOption(offer, None, None, None, None, None, watts, noise, None, hot)
    entries = [e for e in load_catalogue().entries() if most_worth(e, machine, workload) > floor]
    found = recommend(machine, workload, limit=1, entries=entries) if entries else None
    if found is None or not found.plans:
        return MachineOption(
            offer,
            None,
            None,
            None,
            None,
            None,
            watts,
            noise,
            None,
            "nothing of use fits" if not floor else "no better",
        )
    (plan,) = found.plans
    entry = plan.request.model.entry
    score = None if entry is None else entry.scores.get(workload.use_case.value)
    value = _value(plan, score or 0.0, workload)
    speed = user_interval(plan, workload.users)
    cost = period_cost(terms.usage, offer, (plan,), power)
    problem = None
    if not is_usable(plan, workload):
        problem = "what fits is too slow" if plan.fits else "nothing of use fits"
    return MachineOption(offer, plan, score, value, speed, started_context(plan), watts, noise, cost, problem)


def most_worth(entry: Entry, machine: Machine, workload: Workload) -> float:
    """Return the most that any plan of a model can be worth on a machine: no bandwidth reads it faster.

    Weights in the fewest bits that are offered, every byte of what a token needs read once; all GPUs at once; twice
    as many tokens where drafts are taken; of what lies in RAM only half, as attention stays on the GPU.
    """
    score = entry.scores.get(workload.use_case.value)
    size = entry.total_params * SMALLEST_BITS / 8
    gpus, host = machine.accelerators, machine.hosts[0]
    vram = sum(g.memory_free for g in gpus)
    unified = any(g.unified for g in gpus)
    room = vram if unified else vram + sum(h.ram_available for h in machine.hosts)
    if score is None or not size or size > max(room, host.ram_available):
        return 0.0
    most = upper_bound(score, workload)
    fast = sum(g.memory_bandwidth or math.inf for g in gpus) or math.inf
    slow = math.inf if unified and gpus else host.cpu.memory_bandwidth or math.inf
    in_ram = max(0.0, 1.0 - vram / size)
    read = entry.active_params * SMALLEST_BITS / 8
    seconds = read * (1.0 - in_ram) / fast + read * in_ram / 2 / slow
    if workload.users > 1 or not seconds:
        return most
    comfortable = comfortable_speed(workload, thinks="reasoning" in entry.capabilities)
    share = speed_share(2.0 / seconds, comfortable, enough_speed(workload))
    return min(most, score * (1.0 + share - (HYBRID_PENALTY if in_ram and gpus else 0.0)))


def _value(plan: Plan, score: float, workload: Workload) -> float:
    from planner.advice.plan.choose import quant_loss

    loss = quant_loss(plan.request.model, plan.quant, score, workload.use_case)
    return worth(plan, score, loss, workload).total


def _shown(
    options: Sequence[MachineOption], question: MachineQuestion
) -> tuple[tuple[MachineOption, ...], int | None]:
    """Return the rows, cheapest first, and which of them is advised."""
    working = [o for o in options if o.problem is None and o.worth is not None]
    if not working:
        return (tuple(options) if question.among else ()), None
    best = max(o.worth or 0.0 for o in working)
    advised = next(o for o in working if (o.worth or 0.0) * NEARLY >= best)
    if question.among:
        return tuple(options), options.index(advised)
    # Small steps say little: the last rows hold what is nearest to the money that there is.
    rows = working[-MANY:]
    return tuple(rows), rows.index(advised) if advised in rows else len(rows) - 1


def _notes(question: MachineQuestion, within: Sequence[MachineOption]) -> list[str]:
    if any(o.problem is None for o in within):
        return []
    terms = question.terms
    budget = "" if terms.budget is None else f" for {terms.budget:,.0f} {terms.currency}"
    return [f"Nothing that is sold{budget} runs a model that is good for this, as it was asked."]
