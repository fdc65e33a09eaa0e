"""Options of buy and cost: prices, electricity, hours. Currency is the reader's word, not converted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from planner.advice.money.market import parse_price, read_prices, resolve_prices

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
MonthsOption = Annotated[
    float, typer.Option("--months", metavar="N", help="Months over which it is counted.")
]


def own_prices(prices: list[str] | None, file: Path | None) -> dict[str, float]:
    """Return the reader's prices by profile id; single ones win over the file."""
    named = {} if file is None else read_prices(file)
    named.update(dict(parse_price(text) for text in prices or ()))
    return resolve_prices(named)
