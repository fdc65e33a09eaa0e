"""`planner cost MODEL`: own hardware against a subscription, an API and a rented GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

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
from planner.cli.machine_options import chosen_machine
from planner.cli.money_options import CurrencyOption, HoursOption, KwhOption, MonthsOption, checked, money
from planner.cli.options import (
    ContextOption,
    EngineOption,
    FormatOption,
    JsonOption,
    ModelArgument,
    ProfileOption,
    QuantOption,
    RamOption,
    UsersOption,
    VramOption,
    make_workload,
)
from planner.cli.output import (
    PLAIN,
    diagnostic,
    print_heading,
    print_json,
    print_line,
    print_table,
    print_wrapped,
)
from planner.errors import InputError
from planner.hardware.machine import Machine
from planner.models.model import Model
from planner.plan import Plan

# Share of its full power that a GPU draws doing nothing, and what the computer around it draws: assumptions,
# replaced by --idle-watts and --load-watts.
IDLE_SHARE = 0.06
COMPUTER_IDLE_WATTS = 40.0
COMPUTER_LOAD_WATTS = 90.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that is printed."""

    model: Model
    plan: Plan
    own: OwnHardware
    usage: Usage
    alternatives: tuple[Alternative, ...]
    months: float
    notes: tuple[str, ...]


def cost(
    model: ModelArgument,
    quant: QuantOption = None,
    engine: EngineOption = None,
    profile: ProfileOption = None,
    ram: RamOption = None,
    vram: VramOption = None,
    context: ContextOption = None,
    users: UsersOption = 1,
    tokens_per_day: Annotated[
        float,
        typer.Option("--tokens-per-day", metavar="N", help="Tokens generated a day, all users together."),
    ] = 50_000,
    input_per_day: Annotated[
        float | None,
        typer.Option(
            "--input-per-day", metavar="N", help="Tokens read a day; four times as many by default."
        ),
    ] = None,
    hours_per_day: HoursOption = 8.0,
    kwh_price: KwhOption = 0.30,
    months: MonthsOption = 36.0,
    price: Annotated[
        float | None, typer.Option("--price", metavar="PRICE", help="What the machine costs.")
    ] = None,
    resale: Annotated[
        float, typer.Option("--resale", metavar="SHARE", help="Share of the price got back at the end.")
    ] = 0.0,
    idle_watts: Annotated[float | None, typer.Option("--idle-watts", metavar="W")] = None,
    load_watts: Annotated[float | None, typer.Option("--load-watts", metavar="W")] = None,
    subscription: Annotated[
        float, typer.Option("--subscription", metavar="PRICE", help="Price a month and user.")
    ] = 20.0,
    api: Annotated[
        str | None,
        typer.Option("--api", metavar="IN/OUT", help="API prices a million tokens, for example 0.10/0.40."),
    ] = None,
    cloud: Annotated[
        float | None, typer.Option("--cloud", metavar="PRICE", help="Price of a rented GPU by the hour.")
    ] = None,
    currency: CurrencyOption = "USD",
    plot: Annotated[
        str | None, typer.Option("--plot", metavar="FILE", help="Draw cumulative cost to a .png or .svg.")
    ] = None,
    json: JsonOption = False,
    format: FormatOption = PLAIN,
) -> int:
    """Own hardware against subscription, API and cloud by the hour: break-even and cost per million."""
    import planner
    from planner.advice.plan.one_plan import shortage

    if plot is not None:
        from planner.cli.plot import check_plot

        check_plot(plot)
    usage = Usage(
        output_tokens_per_day=checked(tokens_per_day, 0, 1e12, "--tokens-per-day"),
        input_tokens_per_day=checked(
            tokens_per_day * 4 if input_per_day is None else input_per_day, 0, 1e13, "--input-per-day"
        ),
        hours_on_per_day=checked(hours_per_day, 0.01, 24, "--hours-per-day"),
    )
    chosen = planner.load_model(model)
    machine = chosen_machine(profile, ram, vram)
    answer = planner.plan(chosen, machine, make_workload(context, users), engine=engine, quant=quant)
    if not answer.fits or answer.speed is None:
        diagnostic(f"planner: {chosen.name} does not fit on {machine.name}: {shortage(answer)}")
        return 1
    notes: list[str] = []
    own = _own(machine, answer, price, resale, kwh_price, months, idle_watts, load_watts, notes)
    alternatives: list[Alternative] = [
        Subscription("subscription", checked(subscription, 0, 1e6, "--subscription"), users)
    ]
    if api is not None:
        alternatives.append(_api(api))
    if cloud is not None:
        alternatives.append(CloudGpu("rented GPU", checked(cloud, 0, 1e6, "--cloud")))
    comparison = Comparison(
        chosen, answer, own, usage, tuple(alternatives), checked(months, 1, 1200, "--months"), tuple(notes)
    )
    if plot is not None:
        from planner.cli.plot import plot_cost

        plot_cost([own, *alternatives], usage, comparison.months, currency, plot)
    if json:
        print_json(_document(comparison, currency))
    else:
        _print(comparison, currency, format)
    return 0


def _own(
    machine: Machine,
    plan: Plan,
    price: float | None,
    resale: float,
    kwh_price: float,
    months: float,
    idle_watts: float | None,
    load_watts: float | None,
    notes: list[str],
) -> OwnHardware:
    assert plan.speed is not None
    if price is None:
        price = machine.price
        if price is not None:
            notes.append(
                f"price of {machine.name}: {machine.price_source or 'profile'}, {machine.price_date or 'undated'}"
            )
            if machine.accelerators and not machine.unified:
                notes.append("a card's price is without the computer around it (--price sets the whole)")
    if price is None:
        price = 0.0
        notes.append("no price given or known: the hardware is counted as already paid (--price sets it)")
    tdp = sum(a.tdp_w or 0.0 for a in machine.accelerators)
    if load_watts is None or idle_watts is None:
        if not tdp and machine.accelerators:
            notes.append(
                "the GPU's power is not known: only the computer's is counted (--load-watts sets it)"
            )
        notes.append("idle and load power are estimates from the devices' rated power")
    load = tdp + COMPUTER_LOAD_WATTS if load_watts is None else load_watts
    idle = _idle(machine) + COMPUTER_IDLE_WATTS if idle_watts is None else idle_watts
    checked(idle, 0, 1e6, "--idle-watts")
    checked(load, 0, 1e6, "--load-watts")
    if idle > load:
        raise InputError(f"--idle-watts {idle:g} is more than --load-watts {load:g}")
    decode = plan.speed.total_output_tps or plan.speed.decode_tps
    return OwnHardware(
        name=machine.name,
        price=checked(price, 0, 1e9, "--price"),
        idle_w=idle,
        load_w=load,
        decode_tps=decode.expected,
        prefill_tps=plan.speed.prefill_tps.expected,
        kwh_price=checked(kwh_price, 0, 100, "--kwh-price"),
        resale_fraction=checked(resale, 0, 1, "--resale"),
        lifetime_months=months,
    )


def _idle(machine: Machine) -> float:
    """Watts that the GPUs draw doing nothing: measured where a profile knows it, else a share of the rated."""
    return sum(
        a.idle_w if a.idle_w is not None else (a.tdp_w or 0.0) * IDLE_SHARE for a in machine.accelerators
    )


def _api(text: str) -> Api:
    first, separator, second = text.partition("/")
    try:
        if not separator:
            raise ValueError
        return Api(
            "API",
            checked(float(first), 0, 1e6, "--api"),
            checked(float(second), 0, 1e6, "--api"),
        )
    except ValueError:
        raise InputError(f"--api '{text}' is not IN/OUT; write for example 0.10/0.40") from None


def _verdict(comparison: Comparison, other: Alternative, currency: str) -> str:
    month = break_even_month(comparison.own, other, comparison.usage)
    if month is None:
        saving = other.cumulative(1, comparison.usage) - comparison.own.running_per_month(comparison.usage)
        if saving <= 0:
            return (
                f"never pays against the {other.name}: electricity alone costs "
                f"{money(comparison.own.running_per_month(comparison.usage), currency)} a month, "
                f"the {other.name} {money(other.cumulative(1, comparison.usage), currency)}"
            )
        return f"never pays against the {other.name} within a century"
    if month == 0:
        paid = "" if comparison.own.price else ", its own price not counted"
        return f"cheaper than the {other.name} from the first month{paid}"
    return f"pays against the {other.name} after {month:,.1f} months"


def _print(comparison: Comparison, currency: str, format: str) -> None:
    own, usage, months = comparison.own, comparison.usage, comparison.months
    rows = []
    for option in (own, *comparison.alternatives):
        total = option.cumulative(months, usage)
        output = usage.months(months)[1]
        rows.append(
            [
                "own: " + own.name if option is own else option.name,
                money(option.cumulative(1, usage) if option is not own else own.running_per_month(usage), ""),
                money(total, ""),
                money(total / output * 1e6, "") if output else "",
            ]
        )
    headers = ["Option", "A month", f"{months:g} months", f"{currency} a million out"]
    if format != PLAIN:
        print_table(rows, headers, format)
        return
    print_heading(f"{comparison.model.name} {comparison.plan.quant} on {own.name}")
    print_wrapped(
        f"{usage.output_tokens_per_day:,.0f} tokens out and {usage.input_tokens_per_day:,.0f} in a day: "
        f"{own.busy_hours_per_day(usage):.2f} of {usage.hours_on_per_day:g} hours computing, "
        f"{own.kwh_per_day(usage):.2f} kWh a day ({own.idle_w:.0f} W idle, {own.load_w:.0f} W under load)"
    )
    if not own.can_do(usage):
        print_wrapped("That is more than this machine can do in the hours that it is on.")
    print_line()
    print_table(rows, headers, align=("left", "right", "right", "right"), wrap=0)
    print_line()
    if own.price:
        print_wrapped(f"Hardware: {money(own.price, currency)}, resale {own.resale_fraction:.0%}.")
    for other in comparison.alternatives:
        print_wrapped(f"Own hardware {_verdict(comparison, other, currency)}.", bullet="- ")
    for note in comparison.notes:
        print_wrapped(note, bullet="- ")


def _document(comparison: Comparison, currency: str) -> dict[str, object]:
    own, usage, months = comparison.own, comparison.usage, comparison.months
    per_million = cost_per_million(own, usage, months)
    return {
        "model": comparison.model.id,
        "quant": comparison.plan.quant,
        "engine": comparison.plan.engine,
        "machine": own.name,
        "currency": currency,
        "months": months,
        "output_tokens_per_day": usage.output_tokens_per_day,
        "input_tokens_per_day": usage.input_tokens_per_day,
        "own": {
            "price": own.price,
            "kwh_per_day": round(own.kwh_per_day(usage), 4),
            "running_per_month": round(own.running_per_month(usage), 4),
            "total": round(own.cumulative(months, usage), 2),
            "per_million_output": None if per_million == float("inf") else round(per_million, 4),
            "feasible": own.can_do(usage),
        },
        "alternatives": [
            {
                "name": other.name,
                "per_month": round(other.cumulative(1, usage), 4),
                "total": round(other.cumulative(months, usage), 2),
                "break_even_month": break_even_month(own, other, usage),
                "verdict": _verdict(comparison, other, currency),
            }
            for other in comparison.alternatives
        ],
        "days_per_month": DAYS_PER_MONTH,
        "notes": list(comparison.notes),
    }
