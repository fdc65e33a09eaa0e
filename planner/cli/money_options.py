"""Options of buy and cost: prices, electricity, hours, and the currency that they are said in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from planner.errors import InputError
from planner.fast_dataclass import dataclass

if TYPE_CHECKING:
    from planner.api import BuyTerms

HoursOption = Annotated[
    float, typer.Option("--hours-per-day", metavar="H", help="Hours a day that the machine is switched on.")
]
KwhOption = Annotated[
    float | None,
    typer.Option("--kwh-price", metavar="PRICE", help="Price of a kilowatt-hour; 0.30 without --country."),
]
CountryOption = Annotated[
    str | None,
    typer.Option("--country", metavar="CODE", help="Electricity and currency of DE, FR, US, US-CA …"),
]
CurrencyOption = Annotated[
    str | None, typer.Option("--currency", metavar="WORD", help="USD, EUR, or yours with --usd-rate.")
]
UsdRateOption = Annotated[
    float | None,
    typer.Option("--usd-rate", metavar="N", help="Your currency for a US dollar of the known prices."),
]
PriceOption = Annotated[
    list[str] | None,
    typer.Option("--price", metavar="NAME=PRICE", help="Your own price of a profile; may be repeated."),
]
PricesOption = Annotated[
    Path | None, typer.Option("--prices", metavar="FILE", help="A TOML file of NAME = PRICE lines.")
]
HostPriceOption = Annotated[
    float | None,
    typer.Option(
        "--host-price", metavar="PRICE", help="Price of the computer around cards; 0 if you have it."
    ),
]
ResaleOption = Annotated[
    float,
    typer.Option(
        "--resale", metavar="SHARE", help="Share of the price that is got back at the end, for example 0.4."
    ),
]
MonthsOption = Annotated[
    float, typer.Option("--months", metavar="N", help="Months over which it is counted.")
]


@dataclass(frozen=True, slots=True)
class Money:
    """What prices are said in."""

    currency: str
    kwh_price: float
    usd_rate: float
    notes: tuple[str, ...]


def resale_text(terms: BuyTerms) -> str:
    """Say what is got back at the end, as the end of a sentence; empty where nothing is."""
    return f", {terms.resale:.0%} of the price got back at the end" if terms.resale else ""


def money(
    country: str | None, currency: str | None, kwh_price: float | None, usd_rate: float | None
) -> Money:
    """Return currency, price of electricity and rate of the known dollar prices, with what was taken.

    Raises InputError for a country that is not known, or whose electricity is priced in another currency.
    """
    from planner.api import EUR_FOR_USD, electricity

    notes = []
    found = None if country is None else electricity(country)
    chosen = (currency or (found.currency if found else "USD")).strip()
    if kwh_price is None and found is not None:
        if chosen.upper() != found.currency:
            raise InputError(
                f"electricity in {found.name} is known in {found.currency}; say --kwh-price in {chosen}"
            )
        kwh_price = found.price
        notes.append(f"electricity in {found.name}: {found.price:g} {found.currency} a kWh ({found.period})")
    if usd_rate is None:
        usd_rate = EUR_FOR_USD if chosen.upper() == "EUR" else 1.0
        if chosen.upper() == "EUR":
            notes.append(
                f"euros are {usd_rate:.2f} for a dollar before tax, with VAT: one computer whose both prices are "
                "known (--usd-rate sets it)"
            )
        elif chosen.upper() != "USD":
            notes.append(f"known prices are in US dollars and not converted to {chosen}: say --usd-rate")
    return Money(chosen, 0.30 if kwh_price is None else kwh_price, usd_rate, tuple(notes))


def own_prices(prices: list[str] | None, file: Path | None) -> dict[str, float]:
    """Return the reader's prices by profile; single ones win over the file."""
    from planner.api import read_prices

    named = {} if file is None else read_prices(file)
    return {**named, **dict(parse_price(text) for text in prices or ())}


def parse_price(text: str) -> tuple[str, float]:
    """Return (profile, price) of "rtx-3090=900"; the decimal sign is a point whatever the locale."""
    name, separator, value = text.partition("=")
    try:
        price = float(value)
    except ValueError:
        price = -1.0
    if not separator or not name.strip() or not 0 <= price < 1e9:
        raise InputError(f"--price '{text}' is not NAME=NUMBER; write for example rtx-3090=900")
    return name.strip(), price


_MONEY: Final = re.compile(r"(\d{1,3}(?:[,.' ]\d{3})+|\d+)(?:[.,](\d{1,2}))?\s*(k?)", re.IGNORECASE)
_SIGNS: Final = re.compile(r"^[$€£]|\s*(?:[$€£]|usd|eur|dollars?|euros?)$", re.IGNORECASE)


def parse_money(text: str, option: str) -> float:
    """Return an amount as people write it: 2500, 2,500, 2.500, 2.5k, "2500 EUR". Raises InputError for none."""
    found = _MONEY.fullmatch(_SIGNS.sub("", text.strip()).strip())
    if found is None:
        raise InputError(f"{option} '{text[:40]}' is no amount; write for example 2500 or 2.5k")
    whole = float(re.sub(r"\D", "", found[1])) + float(f"0.{found[2] or 0}")
    return whole * 1000 if found[3] else whole
