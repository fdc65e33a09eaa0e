"""One model on hardware of one's own against a subscription, an API and a rented GPU: what each costs, and when.

Prices are in whatever currency the person uses; what is assumed is said in the answer's notes.
"""

from __future__ import annotations

from dataclasses import field
from typing import Final

from planner.advice.money.bill import COMPUTER_DATE, around_machine
from planner.advice.money.cost import (
    DAYS_PER_MONTH,
    Alternative,
    Api,
    CloudGpu,
    OwnHardware,
    Subscription,
    Usage,
    break_even_month,
    cost_per_million,
)
from planner.advice.money.power import machine_power
from planner.advice.money.shipped_prices import api_prices
from planner.errors import FieldError, InputError, check_range
from planner.fast_dataclass import dataclass
from planner.hardware.machine import Machine
from planner.plan import Plan
from planner.units import money_text

# Tokens read for each token written, where nobody says: a chat that carries its history along.
INPUT_FOR_OUTPUT: Final = 4.0


@dataclass(frozen=True, slots=True)
class CostTerms:
    """How much a model is used, and at which prices. Raises InputError for what cannot be."""

    tokens_per_day: float = 50_000
    """Tokens generated a day, all users together."""
    input_per_day: float | None = None
    """Tokens read a day; None: four times as many as are generated."""
    hours_per_day: float = 8.0
    """Hours a day that the machine is switched on."""
    kwh_price: float = 0.30
    """Price of a kilowatt-hour of electricity."""
    months: float = 36.0
    """Months over which it is counted."""
    price: float | None = None
    """What the whole machine costs; None: its profile's price with the computer around its cards, or nothing where
    none is known (it is there already)."""
    host_price: float | None = None
    """Price of the computer around cards; None: the sum of its parts by the size of its RAM."""
    resale: float = 0.0
    """Share of the price that is got back at the end."""
    idle_watts: float | None = None
    """Power of the whole machine doing nothing; None: measured at the wall, or reckoned from its parts."""
    load_watts: float | None = None
    """Power of the whole machine while it computes; None: measured at the wall, or reckoned from its parts."""
    subscription: float = 20.0
    """Price of a subscription, a month and user."""
    api: tuple[float, float] | None = None
    """Prices of an API for a million tokens in and out; None: what the cheapest provider of the model asks, where
    that is known."""
    cached_share: float = 0.0
    """Share of the tokens read that a provider finds in its cache: 0.8 and more where a conversation goes on."""
    cloud: float | None = None
    """Price of a rented GPU by the hour; None: not compared."""
    currency: str = "USD"
    """Printed beside prices."""
    usd_rate: float = 1.0
    """Units of the currency for a US dollar of the profiles' prices; prices of one's own are in the currency."""

    def __post_init__(self) -> None:
        check_range(self.usd_rate, "usd_rate", 1e-4, 1e6)
        check_range(self.host_price, "host_price", 0, 1e9)
        check_range(self.tokens_per_day, "tokens_per_day", 0, 1e12)
        check_range(self.input_per_day, "input_per_day", 0, 1e13)
        check_range(self.hours_per_day, "hours_per_day", 0.01, 24)
        check_range(self.kwh_price, "kwh_price", 0, 100)
        check_range(self.months, "months", 1, 1200)
        check_range(self.price, "price", 0, 1e9)
        check_range(self.resale, "resale", 0, 1)
        check_range(self.idle_watts, "idle_watts", 0, 1e6)
        check_range(self.load_watts, "load_watts", 0, 1e6)
        check_range(self.subscription, "subscription", 0, 1e6)
        check_range(self.cloud, "cloud", 0, 1e6)
        check_range(self.cached_share, "cached_share", 0, 1)
        if self.api is not None:
            if not isinstance(self.api, tuple) or len(self.api) != 2 or None in self.api:
                raise FieldError(
                    "api", f"{self.api!r} must be two prices, in and out, for example (0.10, 0.40)"
                )
            for price in self.api:
                check_range(price, "api", 0, 1e6)

    @property
    def usage(self) -> Usage:
        """How much the model is used."""
        read = self.tokens_per_day * INPUT_FOR_OUTPUT if self.input_per_day is None else self.input_per_day
        return Usage(self.tokens_per_day, read, self.hours_per_day)


@dataclass(frozen=True, slots=True)
class OwnCost:
    """What the own machine costs, in the question's currency."""

    price: float
    """What it cost to buy; 0 where that isn't counted."""
    kwh_per_day: float
    """Electricity a day."""
    running_per_month: float
    """Price of the electricity of a month."""
    total: float
    """Money spent over the whole period, less what the machine would still fetch."""
    per_million_output: float | None
    """Price of a million generated tokens; None where none are generated."""
    feasible: bool
    """True where the day's tokens fit into the hours that the machine is on."""
    busy_hours_per_day: float
    """Hours a day that the machine computes."""
    idle_watts: float
    """Power while it does nothing."""
    load_watts: float
    """Power while it computes."""


@dataclass(frozen=True, slots=True)
class OtherCost:
    """What a subscription, an API or a rented GPU costs, in the question's currency."""

    name: str
    """What it is."""
    per_month: float
    """Price of a month."""
    total: float
    """Money spent over the whole period."""
    per_million_output: float | None
    """Price of a million generated tokens; None where none are generated."""
    break_even_month: float | None
    """Month, with fraction, from which the own machine is cheaper for good; None where it never is."""
    verdict: str
    """The same in a clause."""


@dataclass(frozen=True, slots=True)
class CostAnswer:
    """Own hardware beside its alternatives."""

    model: str
    """Hugging Face id or file."""
    quant: str
    """The quantisation that was planned."""
    engine: str
    """The engine that was planned."""
    machine: str
    """The machine's name."""
    currency: str
    """Printed beside prices; nothing is converted."""
    months: float
    """Months over which it is counted."""
    usage: Usage
    """How much the model is used."""
    own: OwnCost
    """What the own machine costs."""
    alternatives: tuple[OtherCost, ...]
    """What else would serve, and what that costs."""
    notes: tuple[str, ...]
    """What was assumed."""
    options: tuple[OwnHardware | Alternative, ...] = field(repr=False)
    """The own machine and each alternative as they are reckoned with, for curves over time."""
    resale: float = 0.0
    """Share of the price that is got back at the end."""
    days_per_month: float = DAYS_PER_MONTH
    """Days that a month is reckoned with."""


def own_cost(plan: Plan, terms: CostTerms) -> CostAnswer:
    """Reckon what a plan that fits costs on its machine, and what its alternatives would.

    Raises InputError for powers that contradict each other, and for a plan that does not fit.
    """
    model, machine, users = plan.request.model, plan.request.machine, plan.request.workload.users
    if not plan.fits or plan.speed is None:
        raise InputError(f"{model.name} does not fit on {machine.name}: there is nothing to reckon")
    notes: list[str] = []
    own = _own(machine, plan, terms, notes)
    others: list[Alternative] = [Subscription("subscription", terms.subscription, users)]
    api = _api(model.id, terms, notes)
    if api is not None:
        others.append(api)
    if terms.cloud is not None:
        others.append(CloudGpu("rented GPU", terms.cloud))
    usage, months = terms.usage, terms.months
    return CostAnswer(
        model=model.id,
        quant=plan.quant,
        engine=plan.engine,
        machine=machine.name,
        currency=terms.currency,
        months=months,
        usage=usage,
        own=OwnCost(
            price=own.price,
            kwh_per_day=own.kwh_per_day(usage),
            running_per_month=own.running_per_month(usage),
            total=own.cumulative(months, usage),
            per_million_output=cost_per_million(own, usage, months),
            feasible=own.can_do(usage),
            busy_hours_per_day=own.busy_hours_per_day(usage),
            idle_watts=own.idle_w,
            load_watts=own.load_w,
        ),
        alternatives=tuple(_beside(own, other, terms) for other in others),
        notes=tuple(notes),
        options=(own, *others),
        resale=terms.resale,
    )


def _api(model: str, terms: CostTerms, notes: list[str]) -> Api | None:
    """The API that is compared: as it was said, else the provider that would be cheapest for this use."""
    if terms.api is not None:
        return Api("API", *terms.api)
    rate = terms.usd_rate
    offers = {
        price: Api(
            f"API ({price.provider})",
            price.input * rate,
            price.output * rate,
            None if price.cached is None else price.cached * rate,
            terms.cached_share,
        )
        for price in api_prices(model)
    }
    if not offers:
        return None
    price, api = min(offers.items(), key=lambda offer: offer[1].cumulative(1, terms.usage))
    cached = "" if price.cached is None else f", {price.cached:g} from its cache"
    notes.append(
        f"{price.provider} is the cheapest of {len(offers)} known prices of this model, gathered {price.date}: "
        f"{price.input:g} USD a million in{cached}, {price.output:g} out (--api sets it)"
    )
    return api


def _beside(own: OwnHardware, other: Alternative, terms: CostTerms) -> OtherCost:
    return OtherCost(
        name=other.name,
        per_month=other.cumulative(1, terms.usage),
        total=other.cumulative(terms.months, terms.usage),
        per_million_output=cost_per_million(other, terms.usage, terms.months),
        break_even_month=break_even_month(own, other, terms.usage),
        verdict=_verdict(own, other, terms),
    )


def _own(machine: Machine, plan: Plan, terms: CostTerms, notes: list[str]) -> OwnHardware:
    price = terms.price
    if price is None and machine.price is not None:
        price = machine.price * terms.usd_rate
        notes.append(
            f"price of {machine.name}: {machine.price_source or 'profile'}, {machine.price_date or 'undated'}"
        )
        around = around_machine(machine)
        if around.house:
            whole = around.price * terms.usd_rate if terms.host_price is None else terms.host_price
            price += whole
            notes.append(
                f"{money_text(whole, terms.currency)} of it for the {around.house} around the cards: a sum of "
                f"parts of {COMPUTER_DATE} (--host-price sets it, 0 where you have it)"
            )
    if price is None:
        price = 0.0
        notes.append("no price given or known: the hardware is counted as already paid (--price sets it)")
    idle, load = _power(machine, terms, notes)
    return own_hardware(plan, terms, price, (idle, load))


def own_hardware(plan: Plan, terms: CostTerms, price: float, watts: tuple[float, float]) -> OwnHardware:
    """The machine of a plan that fits, as it is reckoned with: `watts` idle and under load."""
    assert plan.speed is not None
    decode = plan.speed.total_output_tps or plan.speed.decode_tps
    return OwnHardware(
        name=plan.request.machine.name,
        price=price,
        idle_w=watts[0],
        load_w=watts[1],
        decode_tps=decode.expected,
        prefill_tps=plan.speed.prefill_tps.expected,
        kwh_price=terms.kwh_price,
        resale_fraction=terms.resale,
        lifetime_months=terms.months,
    )


def _power(machine: Machine, terms: CostTerms, notes: list[str]) -> tuple[float, float]:
    """Watts doing nothing and computing: as they are given, else those of the table."""
    power = machine_power(machine)
    if terms.load_watts is None or terms.idle_watts is None:
        notes.append(power.note)
    load = power.load if terms.load_watts is None else terms.load_watts
    idle = min(power.idle, load) if terms.idle_watts is None else terms.idle_watts
    if idle > load:
        raise InputError(f"--idle-watts {idle:g} is more than --load-watts {load:g}")
    return idle, load


def _verdict(own: OwnHardware, other: Alternative, terms: CostTerms) -> str:
    usage, month = terms.usage, break_even_month(own, other, terms.usage)
    if month is None:
        running, price = own.running_per_month(usage), other.cumulative(1, usage)
        if price <= running:
            return (
                f"never pays against the {other.name}: electricity alone costs "
                f"{money_text(running, terms.currency)} a month, "
                f"the {other.name} {money_text(price, terms.currency)}"
            )
        return f"never pays against the {other.name} within a century"
    if month == 0:
        paid = "" if own.price else ", its own price not counted"
        return f"cheaper than the {other.name} from the first month{paid}"
    if month > terms.months:
        return (
            f"does not pay against the {other.name} within the {terms.months:g} months of the hardware's life: "
            f"only after {span_text(month)}"
        )
    return f"pays against the {other.name} after {span_text(month)}"


def span_text(months: float) -> str:
    """A number of months as people say it: "8 months", "about 15 years"."""
    if months < 24:
        return f"{months:,.1f} months"
    return f"{'about ' if months % 12 > 0.5 else ''}{months / 12:,.0f} years"
