"""`planner cost MODEL`: own hardware against a subscription, an API and a rented GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli.machine_options import chosen_machine
from planner.cli.money_options import (
    CountryOption,
    CurrencyOption,
    HostPriceOption,
    HoursOption,
    KwhOption,
    MonthsOption,
    ResaleOption,
    UsdRateOption,
    money,
)
from planner.cli.options import (
    BackendOption,
    ContextOption,
    EngineOption,
    FormatOption,
    FreeOption,
    JsonOption,
    LicenseOption,
    LoadOption,
    MinSpeedOption,
    ModelArgument,
    ProfileOption,
    QuantOption,
    RamOption,
    UseCaseOption,
    UsersOption,
    VramOption,
    make_workload,
)
from planner.cli.output import (
    PLAIN,
    diagnostic,
    print_document,
    print_heading,
    print_line,
    print_table,
    print_wrapped,
)
from planner.errors import InputError
from planner.units import money_text

if TYPE_CHECKING:
    from planner.api import CostAnswer


def cost(
    model: ModelArgument,
    quant: QuantOption = None,
    engine: EngineOption = None,
    profile: ProfileOption = None,
    ram: RamOption = None,
    vram: VramOption = None,
    free: FreeOption = None,
    backend: BackendOption = None,
    context: ContextOption = None,
    users: UsersOption = 1,
    load: LoadOption = "typical",
    use_case: UseCaseOption = "general",
    license: LicenseOption = "any",
    min_speed: MinSpeedOption = None,
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
    kwh_price: KwhOption = None,
    country: CountryOption = None,
    months: MonthsOption = 36.0,
    price: Annotated[
        float | None, typer.Option("--price", metavar="PRICE", help="What the whole machine costs.")
    ] = None,
    host_price: HostPriceOption = None,
    resale: ResaleOption = 0.0,
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
    cached_share: Annotated[
        float,
        typer.Option(
            "--cached-share", metavar="SHARE", help="Share of the input in the API's cache: 0.8 in a chat."
        ),
    ] = 0.0,
    currency: CurrencyOption = None,
    usd_rate: UsdRateOption = None,
    plot: Annotated[
        str | None, typer.Option("--plot", metavar="FILE", help="Draw cumulative cost to a .png or .svg.")
    ] = None,
    json: JsonOption = False,
    format: FormatOption = PLAIN,
) -> int:
    """Own hardware against subscription, API and cloud by the hour: break-even and cost per million."""
    import planner

    if plot is not None:
        from planner.cli.plot import check_plot

        check_plot(plot)
    prices = money(country, currency, kwh_price, usd_rate)
    terms = planner.CostTerms(
        tokens_per_day=tokens_per_day,
        input_per_day=input_per_day,
        hours_per_day=hours_per_day,
        kwh_price=prices.kwh_price,
        months=months,
        price=price,
        host_price=host_price,
        resale=resale,
        idle_watts=idle_watts,
        load_watts=load_watts,
        subscription=subscription,
        api=None if api is None else _in_and_out(api),
        cloud=cloud,
        cached_share=cached_share,
        currency=prices.currency,
        usd_rate=prices.usd_rate,
    )
    chosen = planner.load_model(model)
    machine = chosen_machine(profile, ram, vram, free, backend)
    plan = planner.plan(
        chosen,
        machine,
        make_workload(context, users, use_case, license=license, min_speed=min_speed, load=load),
        engine=engine,
        quant=quant,
    )
    if not plan.fits or plan.speed is None:
        diagnostic(f"planner: {chosen.name} does not fit on {machine.name}: {planner.shortage(plan)}")
        return 1
    answer = planner.cost(plan, terms)
    if plot is not None:
        from planner.cli.plot import plot_cost

        plot_cost(answer, plot)
    if json:
        print_document(answer)
    else:
        _print(answer, chosen.name, format)
        if format == PLAIN:
            for note in prices.notes:
                print_wrapped(note, bullet="- ")
    return 0


def _in_and_out(text: str) -> tuple[float, float]:
    first, separator, second = text.partition("/")
    try:
        if not separator:
            raise ValueError
        return float(first), float(second)
    except ValueError:
        raise InputError(f"--api '{text}' is not IN/OUT; write for example 0.10/0.40") from None


def _print(answer: CostAnswer, model: str, format: str) -> None:
    own, usage, currency = answer.own, answer.usage, answer.currency
    rows = [_row("own: " + answer.machine, own.running_per_month, own.total, own.per_million_output)]
    rows += [_row(o.name, o.per_month, o.total, o.per_million_output) for o in answer.alternatives]
    headers = ["Option", "A month", f"{answer.months:g} months", f"{currency} a million out"]
    if format != PLAIN:
        print_table(rows, headers, format)
        return
    print_heading(f"{model} {answer.quant} on {answer.machine}")
    print_wrapped(
        f"{usage.output_tokens_per_day:,.0f} tokens out and {usage.input_tokens_per_day:,.0f} in a day: "
        f"{own.busy_hours_per_day:.2f} of {usage.hours_on_per_day:g} hours computing, "
        f"{own.kwh_per_day:.2f} kWh a day ({own.idle_watts:.0f} W idle, {own.load_watts:.0f} W under load)"
    )
    if not own.feasible:
        print_wrapped("That is more than this machine can do in the hours that it is on.")
    print_line()
    print_table(rows, headers, align=("left", "right", "right", "right"), wrap=0)
    print_line()
    if own.price:
        print_wrapped(f"Hardware: {money_text(own.price, currency)}, resale {answer.resale:.0%}.")
    for other in answer.alternatives:
        print_wrapped(f"Own hardware {other.verdict}.", bullet="- ")
    for note in answer.notes:
        print_wrapped(note, bullet="- ")


def _row(name: str, month: float, total: float, million: float | None) -> list[str]:
    return [
        name,
        money_text(month, ""),
        money_text(total, ""),
        "" if million is None else money_text(million, ""),
    ]
