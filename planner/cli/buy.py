"""`planner buy [MODEL…]`: which hardware for these models, or which machine where none is named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from planner.api import engine_title
from planner.cli import completion
from planner.cli.machine_options import same_question
from planner.cli.money_options import (
    CountryOption,
    CurrencyOption,
    HostPriceOption,
    HoursOption,
    KwhOption,
    MonthsOption,
    PriceOption,
    PricesOption,
    ResaleOption,
    UsdRateOption,
    money,
    own_prices,
    parse_money,
    resale_text,
)
from planner.cli.options import (
    ContextOption,
    FormatOption,
    JsonOption,
    LicenseOption,
    LoadOption,
    MinSpeedOption,
    UseCaseOption,
    UsersOption,
    make_workload,
)
from planner.cli.output import PLAIN, print_document, print_heading, print_line, print_table, print_wrapped
from planner.cli.plan_view import range_text
from planner.cli.progress import Progress
from planner.errors import InputError
from planner.units import context_about, context_text, money_text, rate_text

if TYPE_CHECKING:
    from planner.api import BuyAnswer, BuyTerms, Option, Question

# Less than this is too little for documents and for thinking that runs to thousands of tokens.
DEFAULT_CONTEXT = "16k"


def buy(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL...]",
            help="What it has to run; without one, the machine that runs the best for the use case.",
            autocompletion=completion.models,
        ),
    ] = None,
    context: ContextOption = None,
    users: UsersOption = 1,
    load: LoadOption = "typical",
    use_case: UseCaseOption = "general",
    license: LicenseOption = "any",
    min_speed: MinSpeedOption = None,
    among: Annotated[
        str | None,
        typer.Option(
            "--among", metavar="A,B,C", help="Compare these machines only: rtx-5090,dgx-spark,2x rtx-3090."
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget", metavar="PRICE", help="The most that may be spent: 2500, 2,500, 2.5k."),
    ] = None,
    max_watts: Annotated[
        float | None, typer.Option("--max-watts", metavar="W", help="The most it may draw under load.")
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="As quiet as computers of 200 W usually are.")
    ] = False,
    have: Annotated[
        str | None,
        typer.Option("--have", metavar="PARTS", help="What you own, to add cards to: '64GiB ddr5-5600'."),
    ] = None,
    host_price: HostPriceOption = None,
    hours_per_day: HoursOption = 8.0,
    kwh_price: KwhOption = None,
    country: CountryOption = None,
    months: MonthsOption = 36.0,
    resale: ResaleOption = 0.0,
    price: PriceOption = None,
    prices: PricesOption = None,
    currency: CurrencyOption = None,
    usd_rate: UsdRateOption = None,
    json: JsonOption = False,
    format: FormatOption = PLAIN,
) -> int:
    """Which hardware to get for these models, and what not to buy; without models, which machine runs the best."""
    import planner

    prices_in = money(country, currency, kwh_price, usd_rate)
    terms = planner.BuyTerms(
        budget=None if budget is None else parse_money(budget, "--budget"),
        max_watts=planner.QUIET_WATTS if quiet and max_watts is None else max_watts,
        hours_per_day=hours_per_day,
        kwh_price=prices_in.kwh_price,
        months=months,
        resale=resale,
        currency=prices_in.currency,
    )
    market = planner.Market(
        own_prices(price, prices), have=have, host_price=host_price, usd_rate=prices_in.usd_rate
    )
    if not models:
        workload = make_workload(context, users, use_case, license=license, min_speed=min_speed, load=load)
        names = [name.strip() for name in (among or "").split(",") if name.strip()]
        if among is not None and not names:
            raise InputError("--among names no machine; write for example rtx-5090,dgx-spark")
        with Progress("machines") as progress:
            machines = planner.buy_machine(
                workload, terms, among=names, market=market, progress=progress.update
            )
        if json:
            print_document(machines)
        else:
            from planner.cli.buy_machine_view import print_machines

            print_machines(machines, format, prices_in.notes)
        return 1 if machines.advised is None else 0
    if among is not None:
        raise InputError("--among compares machines where no model is named; leave out one or the other")
    workload = make_workload(
        context or DEFAULT_CONTEXT, users, use_case, license=license, min_speed=min_speed, load=load
    )
    with Progress("options") as progress:
        answer = planner.buy(models, workload, terms, market=market, progress=progress.update)
    found = bool(answer.best or answer.rented)
    if json:
        print_document(answer)
        return 0 if found else 1
    if format != PLAIN:
        rows, headers = _table(answer.best, terms.currency)
        rows = [[*row, option.noise] for row, option in zip(rows, answer.best, strict=True)]
        print_table(rows, [*headers, "Noise"], fmt=format)
        return 0 if found else 1
    _print(answer)
    for note in prices_in.notes:
        print_wrapped(note[0].upper() + note[1:] + ".")
    return 0 if found else 1


def _table(options: tuple[Option, ...], currency: str) -> tuple[list[list[str]], list[str]]:
    rows = []
    for option in options:
        plan = option.plans[0]
        rows.append(
            [
                option.offer.spec,
                money_text(option.offer.price, ""),
                "/".join(dict.fromkeys(p.quant for p in option.plans)),
                _engines(option),
                context_about(min(p.max_context for p in option.plans)),
                range_text(option.speed) if plan.speed else "?",
                f"{option.watts:.0f}" if option.watts else "?",
            ]
        )
    return rows, ["Buy", currency or "Price", "Quant", "Engine", "Max\ncontext", "Tokens/s", "Watts"]


def _engines(option: Option) -> str:
    return "/".join(dict.fromkeys(engine_title(p.engine) for p in option.plans))


def _housed(option: Option) -> str:
    """The offer's spec, saying where it is a card that only a server can take."""
    return f"{option.offer.spec} in a server" if option.offer.around == "server" else option.offer.spec


def _around(options: Iterable[Option], currency: str) -> str:
    """Say what of the prices above is not the card; empty where nothing is."""
    counted: dict[str, list[float]] = {}
    for offer in (o.offer for o in options):
        if offer.around and offer.around_price and offer.price is not None:
            counted.setdefault(offer.around, []).append(offer.around_price)
    said = [
        f"a {what} ("
        + (f"{money_text(min(prices), '')} to " if max(prices) > min(prices) else "")
        + f"{money_text(max(prices), currency)})"
        for what, prices in sorted(counted.items())
    ]
    if not said:
        return ""
    return f"Prices of cards include what stands around them: {' or '.join(said)}; --host-price changes it."


def _print(answer: BuyAnswer) -> None:
    from planner.api import AUDIBLE_WATTS, QUIET_WATTS

    question, terms = answer.question, answer.question.terms
    currency = terms.currency
    asked = ", ".join(m.name for m in question.models)
    users = "" if question.workload.users == 1 else f", {question.workload.users} users"
    context = context_text(question.workload.context or 0)
    print_heading(f"To run {asked} with a context of {context}{users}")
    print_line()
    if answer.best:
        print_table(*_table(answer.best, currency), wrap=0)
        print_line()
        if len(question.models) > 1:
            print_wrapped(
                "Each model is planned alone, one at a time; context and speed are those of the one that "
                "gets less."
            )
        cheapest = answer.best[0]
        print_wrapped(
            f"Cheapest: {cheapest.offer.spec}, {money_text(cheapest.offer.price, currency)} "
            f"({cheapest.offer.price_note}). {_with_electricity(terms, cheapest)}"
        )
        within = "" if terms.budget is None else " within the budget"
        fastest = max(answer.best, key=lambda o: o.speed.expected)
        if fastest is not cheapest:
            print_wrapped(
                f"Fastest{within}: {fastest.offer.spec}, "
                f"{money_text(fastest.offer.price, currency)} ({fastest.offer.price_note}), "
                f"{range_text(fastest.speed)} tokens/s."
            )
        print_line("Check it:")
        for line in _check_it(question, cheapest):
            print_line(line)
    for note in answer.notes:
        print_wrapped(note)
    if answer.next_step:
        step = answer.next_step
        print_line()
        print_wrapped(
            f"The next step up, {step.offer.spec} for {money_text(step.offer.price, currency)} "
            f"({step.offer.price_note}), runs {step.plans[0].quant} with {_engines(step)} at "
            f"{range_text(step.speed)} tokens/s."
        )
    if answer.rented:
        print_line()
        print_heading("Or rent by the hour")
        for option in answer.rented:
            print_wrapped(
                f"{option.offer.name}: {money_text(option.offer.hourly, currency)} an hour "
                f"({option.offer.price_note}), {_engines(option)}, {range_text(option.speed)} tokens/s; "
                f"{money_text(option.cost, currency)} over {terms.months:g} months",
                "  ",
                "- ",
            )
    if answer.not_to_buy:
        print_line()
        print_heading("Not for this")
        for option in answer.not_to_buy:
            print_wrapped(
                f"{option.offer.spec} ({money_text(option.offer.price, currency)}): {option.problem}",
                "  ",
                "- ",
            )
    if answer.unpriced:
        print_line()
        names = ", ".join(f"{_housed(o)} ({rate_text(o.speed.expected)} tokens/s)" for o in answer.unpriced)
        print_wrapped(f"Would do it{' too' if answer.best else ''}, but no price is known: {names}.")
    print_line()
    print_wrapped("Devices from before mid-2020 are left out: their drivers are being dropped.")
    if answer.best:
        print_wrapped(
            f"Up to {QUIET_WATTS:.0f} W a computer is usually quiet, up to {AUDIBLE_WATTS:.0f} W audible, above "
            "that loud; cards for data centres are made for the fans of a server."
        )
    if around := _around([*answer.best, *answer.not_to_buy], currency):
        print_wrapped(around)
    print_wrapped("Prices are facts of their date and change; replace them with --price NAME=PRICE.")


def _with_electricity(terms: BuyTerms, option: Option) -> str:
    if option.watts is None:
        return "What it draws is not known: electricity is not counted."
    return (
        f"With electricity {money_text(option.cost, terms.currency)} over {terms.months:g} months at "
        f"{terms.hours_per_day:g} hours a day, {terms.tokens_per_day:,.0f} tokens written a day{resale_text(terms)}."
    )


def _check_it(question: Question, option: Option) -> list[str]:
    """The commands that plan what the table says of an option, each whole on its line."""
    context = context_text(question.workload.context or 0)
    asked = f" --profile '{option.offer.spec}'" + same_question(context=context)
    return [f"planner plan {model.name}{asked}" for model in question.models]
