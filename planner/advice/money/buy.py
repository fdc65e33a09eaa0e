"""Buy: which hardware for these models, context, users, speed and budget.

Every option is planned exactly, as `planner plan --profile` would; what remains are the options that no
other beats in price, speed and quality at once, what the next step up buys, and what not to buy and why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from typing import Final

from planner.advice.money.cost import CloudGpu
from planner.advice.money.market import Offer
from planner.advice.money.own_cost import CostTerms, own_hardware
from planner.advice.money.power import Power, machine_power
from planner.advice.plan.candidates import SERVING_USERS
from planner.advice.plan.choose import choose, quant_loss
from planner.advice.plan.licence import hold_to_licence
from planner.advice.plan.one_plan import shortage
from planner.advice.plan.question import PlanQuestion
from planner.advice.plan.worth import user_interval
from planner.errors import PlannerError, check_range
from planner.fast_dataclass import dataclass
from planner.hardware.machine import Machine
from planner.models.model import Model
from planner.plan import Interval, Placement, Plan, Workload
from planner.units import gib, rate_text

SMALLEST_BITS: Final = 2.6  # no useful mix of a whole model is smaller
# What cooling so much usually sounds like, of the whole computer; an assumption.
QUIET_WATTS: Final = 200.0
AUDIBLE_WATTS: Final = 500.0
DEFAULT_MIN_SPEED: Final = 10.0
MANY: Final = 7  # options beyond which a table says less
NEXT_TO_SAME: Final = 1.1  # times a price: what a buyer pays without a second thought
STEP_UP: Final = 3.0  # times the budget: how far the next step up is looked for


@dataclass(frozen=True, slots=True)
class BuyTerms:
    """What a buyer can spend, and on what terms. Money is in the reader's currency.

    Raises InputError for what cannot be.
    """

    budget: float | None = None
    """The most that may be spent; None: no limit."""
    max_watts: float | None = None
    """The most that the whole computer may draw under load; None: no limit."""
    hours_per_day: float = 8.0
    """Hours a day that the machine is switched on."""
    tokens_per_day: float = 50_000
    """Tokens generated a day, all users together."""
    input_per_day: float | None = None
    """Tokens read a day; None: four times as many as are generated."""
    kwh_price: float = 0.30
    """Price of a kilowatt-hour of electricity."""
    months: float = 36.0
    """Months over which rent and electricity are counted."""
    resale: float = 0.0
    """Share of the price that is got back at the end."""
    currency: str = "USD"
    """Printed beside prices."""

    def __post_init__(self) -> None:
        check_range(self.budget, "budget", 1, 1e9)
        check_range(self.max_watts, "max_watts", 1, 1e6)
        _ = self.usage  # which checks the rest

    @property
    def usage(self) -> CostTerms:
        """The same terms as `cost` takes them."""
        return CostTerms(
            tokens_per_day=self.tokens_per_day,
            input_per_day=self.input_per_day,
            hours_per_day=self.hours_per_day,
            kwh_price=self.kwh_price,
            months=self.months,
            resale=self.resale,
            currency=self.currency,
        )


@dataclass(frozen=True, slots=True)
class Question:
    """What a buyer asks."""

    models: tuple[Model, ...]
    """What has to run, one at a time."""
    workload: Workload
    """How it is used."""
    terms: BuyTerms = field(default_factory=BuyTerms)
    """What may be spent, and on what terms."""


@dataclass(frozen=True, slots=True)
class Option:
    """One offer with what it does for the buyer."""

    offer: Offer
    """What is bought or rented."""
    plans: tuple[Plan, ...]
    """One for each model that was asked for."""
    speed: Interval
    """Decode tokens a second that a user sees, of the slowest of them."""
    loss: float
    """Points of quality that the quantisations cost, the worst of them."""
    watts: float | None
    """Power under load, of the whole computer; None where it isn't known."""
    noise: str
    """What cooling that power usually sounds like."""
    cost: float | None
    """Price, or rent over the period, with electricity, as `cost` reckons it."""
    problem: str | None = None
    """Why it does not do what was asked; None where it does."""

    @property
    def works(self) -> bool:
        """True where it does what was asked."""
        return self.problem is None


@dataclass(frozen=True, slots=True)
class BuyAnswer:
    """The options, cheapest first, and the advice around them."""

    question: Question
    """What was asked."""
    best: tuple[Option, ...]
    """Within the budget, and beaten by no other in price, speed and quality at once."""
    next_step: Option | None
    """The cheapest above the budget that is better; None where none is."""
    rented: tuple[Option, ...]
    """The cheapest by the hour."""
    unpriced: tuple[Option, ...]
    """What would do it, but has no price that is known."""
    not_to_buy: tuple[Option, ...]
    """What looks suited and is not, with the problem."""
    notes: tuple[str, ...]
    """What the reader should know beside the options."""


def buy(
    question: Question,
    offers: Iterable[Offer],
    load: Callable[[str], Machine],
    progress: Callable[[int, int], None] | None = None,
) -> BuyAnswer:
    """Answer a buyer's question. `load` turns an offer's spec into a Machine.

    `progress(done, all)` is called while it works.
    """
    for model in question.models:
        hold_to_licence(model, question.workload)
    need = max((m.architecture.parameters() * SMALLEST_BITS / 8 for m in question.models), default=0.0)
    limit = None if question.terms.budget is None else question.terms.budget * STEP_UP
    wanted = [o for o in offers if _is_possible(o, need, limit)]
    options: dict[str, Option] = {}
    for done, offer in enumerate(wanted):
        if progress:
            progress(done, len(wanted))
        option = evaluate(question, offer, load, ranking=True)
        if option is not None:
            options[offer.spec] = option
    exact: set[str] = set()
    while True:
        answer = _answer(question, list(options.values()))
        rough = [o.offer for o in _all_shown(answer) if o.offer.spec not in exact]
        if not rough:
            return answer
        for offer in rough:
            exact.add(offer.spec)
            option = evaluate(question, offer, load)
            if option is None:
                del options[offer.spec]
            else:
                options[offer.spec] = option


def _all_shown(answer: BuyAnswer) -> list[Option]:
    step = [answer.next_step] if answer.next_step else []
    return [*answer.best, *step, *answer.rented, *answer.unpriced, *answer.not_to_buy]


def _answer(question: Question, options: Sequence[Option]) -> BuyAnswer:
    bought = [o for o in options if o.offer.price is not None]
    within = [o for o in bought if _in_budget(o, question)]
    working = [o for o in within if o.works]
    front = shown(working)
    above = [o for o in bought if o.works and not _in_budget(o, question)]
    best_so_far = max(front, key=lambda o: o.speed.expected, default=None)
    next_step = min(
        (o for o in above if best_so_far is None or _is_step_up(o, best_so_far)),
        key=lambda o: o.offer.price or 0.0,
        default=None,
    )
    return BuyAnswer(
        question=question,
        best=tuple(front),
        next_step=next_step,
        rented=tuple(_cheapest_rents([o for o in options if o.offer.kind == "cloud" and o.works])),
        unpriced=tuple(
            sorted(
                (o for o in options if o.works and o.offer.price is None and o.offer.kind != "cloud"),
                key=lambda o: o.offer.memory,
            )[:5]
        ),
        not_to_buy=tuple(_traps([o for o in within if not o.works], front)),
        notes=tuple(_notes(question, front, within)),
    )


def evaluate(
    question: Question, offer: Offer, load: Callable[[str], Machine], *, ranking: bool = False
) -> Option | None:
    """Plan every model of the question on one offer; None where the profile makes no machine.

    `ranking`: well enough to compare offers, not to show one.
    """
    try:
        machine = load(offer.spec)
    except PlannerError:
        return None
    # Many users of one model that lies partly in RAM wait for the slowest memory together.
    spill = question.workload.users < SERVING_USERS
    plans: list[Plan] = []
    loss = 0.0
    problem: str | None = None
    for model in question.models:
        asked = PlanQuestion(model, machine, question.workload)
        choice = choose(asked, last_resort=False, ranking=ranking, spill=spill)
        if choice is None:
            return None
        plans.append(choice.plan)
        loss = max(loss, quant_loss(model, choice.plan.quant))
        problem = problem or _problem(choice.plan, model, question.workload)
    nothing = Interval(0.0, 0.0, 0.0)
    speeds = (user_interval(p, question.workload.users) or nothing for p in plans)
    speed = min(speeds, key=lambda interval: interval.expected)
    power = machine_power(machine)
    watts = power.load if power.complete and offer.kind != "cloud" else None
    problem = problem or too_hot(question.terms, watts, offer)
    cost = period_cost(question.terms.usage, offer, plans, power)
    return Option(offer, tuple(plans), speed, loss, watts, noise_of(offer, watts), cost, problem)


def _problem(plan: Plan, model: Model, workload: Workload) -> str | None:
    if not plan.fits:
        return f"{model.name} does not fit: {shortage(plan)}"
    minimum = workload.min_speed or DEFAULT_MIN_SPEED
    speed = user_interval(plan, workload.users)
    # Who pays for a speed wants to get it: the low end of the interval has to reach it.
    if speed is not None and speed.low < minimum:
        where = " because part of it runs from RAM" if plan.placement is Placement.HYBRID else ""
        slow = f"{model.name} may run at only {rate_text(speed.low)} tokens/s{where}"
        floor = f"the {rate_text(minimum)} wanted"
        if workload.min_speed is None:
            floor = f"the {rate_text(minimum)} of --min-speed's default"
        return f"{slow}, below {floor}"
    return None


def pareto(options: Sequence[Option], gain_that_counts: float = 1.2) -> list[Option]:
    """Options that no other beats in price, speed and quality at once, cheapest first.

    A gain of less than a fifth in speed is none: it lies inside every interval.
    """
    front: list[Option] = []
    for option in sorted(options, key=lambda o: (o.offer.price or 0.0, -o.speed.expected)):
        gain = option.speed.expected / gain_that_counts
        if not any(o.speed.expected >= gain and o.loss <= option.loss + 1e-9 for o in front):
            front.append(option)
    return front


def shown(working: Sequence[Option]) -> list[Option]:
    """The Pareto front, and one cheap option of each kind beside it, cheapest first: kinds differ in more than
    price and speed (power, noise, room, what one already owns). Of what costs next to the same, the fastest.
    """
    chosen = pareto(working)
    for gain in (1.35, 1.6, 2.0):
        if len(chosen) > MANY:
            chosen = pareto(working, gain)
    for kind in ("card", "cards", "machine"):
        alike = [o for o in working if o.offer.kind == kind]
        least = min((o.offer.price or 0.0 for o in alike), default=0.0)
        near = [o for o in alike if (o.offer.price or 0.0) <= least * NEXT_TO_SAME]
        cheap = max(near, key=lambda o: o.speed.expected, default=None)
        if cheap is not None and cheap not in chosen:
            chosen.append(cheap)
    return sorted(chosen, key=lambda o: o.offer.price or 0.0)


def _is_possible(offer: Offer, need: float, limit: float | None) -> bool:
    if limit is not None and offer.price is not None and offer.price > limit:
        return False
    if offer.price is None and offer.kind == "cards":
        return False
    # Up to three quarters of a mixture of experts may live in the RAM around a card.
    return offer.memory * 4 >= need if offer.kind in ("card", "cards") else offer.memory >= need


def _in_budget(option: Option, question: Question) -> bool:
    if option.offer.price is None:
        return False
    return question.terms.budget is None or option.offer.price <= question.terms.budget


def _is_step_up(option: Option, than: Option) -> bool:
    return option.speed.expected > than.speed.expected * 1.25 or option.loss < than.loss - 1e-9


def _cheapest_rents(options: Sequence[Option]) -> list[Option]:
    order = sorted(options, key=lambda o: o.offer.hourly or 0.0)
    seen: set[str] = set()
    rents = []
    for option in order:
        gpu = option.plans[0].machine
        if gpu not in seen:
            seen.add(gpu)
            rents.append(option)
    return rents[:3]


def _traps(failing: Sequence[Option], front: Sequence[Option]) -> list[Option]:
    """What looks suited and is not: the largest memory for at least half the cheapest working price."""
    floor = (front[0].offer.price or 0.0) / 2 if front else 0.0
    tempting = [o for o in failing if (o.offer.price or 0.0) >= floor]
    return sorted(tempting, key=lambda o: -o.offer.memory)[:3]


def noise_of(offer: Offer, watts: float | None) -> str:
    """A class, not a measurement: what cooling that power, in that form, usually sounds like."""
    if offer.kind == "cloud":
        return "none (rented)"
    if offer.device_class == "datacenter":
        return "server fans"
    if watts is None:
        return "unknown"
    if watts <= QUIET_WATTS:
        return "quiet"
    return "audible" if watts <= AUDIBLE_WATTS else "loud"


def too_hot(terms: BuyTerms, watts: float | None, offer: Offer) -> str | None:
    """Say why an offer draws too much for the terms; None where it doesn't."""
    if terms.max_watts is None or offer.kind == "cloud":
        return None
    if watts is None:
        return f"its power is not known, and at most {terms.max_watts:.0f} W are wanted"
    if watts > terms.max_watts:
        return f"draws {watts:.0f} W under load, above the {terms.max_watts:.0f} W wanted"
    return None


def period_cost(usage: CostTerms, offer: Offer, plans: Sequence[Plan], power: Power) -> float | None:
    """Money over the period: rent of the hours on, or the price and the electricity of the day's tokens."""
    if offer.hourly is not None:
        return CloudGpu(offer.name, offer.hourly).cumulative(usage.months, usage.usage)
    slowest = min((p for p in plans if p.speed), key=_output_rate, default=None)
    if offer.price is None or slowest is None:
        return None
    idle, load = power.idle, power.load
    own = own_hardware(slowest, usage, offer.price, (idle, load))
    return own.cumulative(usage.months, usage.usage)


def _output_rate(plan: Plan) -> float:
    assert plan.speed is not None
    return (plan.speed.total_output_tps or plan.speed.decode_tps).expected


def _notes(question: Question, front: Sequence[Option], within: Sequence[Option]) -> list[str]:
    if front:
        return []
    budget = "" if question.terms.budget is None else f" within the budget of {question.terms.budget:,.0f}"
    if not within:
        return [f"Nothing with a known price{budget} has the memory for this."]
    closest = max(within, key=lambda o: (o.plans[0].fits, o.speed.expected))
    return [
        f"Nothing does what was asked{budget}; the closest is {closest.offer.name} "
        f"({gib(closest.offer.memory, 0)}): {closest.problem}."
    ]
