"""Options of buy and cost: prices, electricity, hours. Currency is the reader's word, not converted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from planner.errors import InputError

HoursOption = Annotated[
    float, typer.Option("--hours-per-day", metavar="H", help="Hours a day that the machine is switched on.")
]
KwhOption = Annotated[
    float, typer.Option("--kwh-price", metavar="PRICE", help="Price of a kilowatt-hour of electricity.")
]
CurrencyOption = Annotated[
    str, typer.Option("--currency", metavar="WORD", help="Printed beside prices; nothing is converted.")
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
MonthsOption = Annotated[
    float, typer.Option("--months", metavar="N", help="Months over which it is counted.")
]


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
