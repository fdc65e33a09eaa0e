"""Prices that ship with the program: electricity by country, and what providers ask for tokens of open models."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

from planner.errors import FieldError
from planner.fast_dataclass import dataclass
from planner.shipped_files import seeds_dir

# Euros that a shop asks, with VAT, for a dollar of a price before tax: the one computer whose both prices are known
# (Minisforum MS-S1 Max, 3,799 USD and 3,999 EUR in September and October 2026). No exchange rate.
EUR_FOR_USD: Final = 3999 / 3799


@dataclass(frozen=True, slots=True)
class Electricity:
    """What a household pays for a kilowatt-hour, with taxes."""

    country: str
    """Its code: DE, US, US-CA, EU …"""
    name: str
    """In English."""
    price: float
    """Of a kilowatt-hour, in the currency."""
    currency: str
    """EUR or USD."""
    period: str
    """When it was paid."""


@dataclass(frozen=True, slots=True)
class ApiPrice:
    """What a provider asks for a million tokens, US dollars."""

    provider: str
    """Who serves the model."""
    input: float
    """For tokens read."""
    cached: float | None
    """For tokens read that lie in its cache; None where there is no such price."""
    output: float
    """For tokens generated."""
    date: str
    """When the prices were gathered."""


def electricity(country: str) -> Electricity:
    """Return a country's (or US state's) price. Raises InputError for one that is not known."""
    prices = _shipped("electricity.json")["prices"]
    code = country.strip().upper().replace("_", "-")
    found = prices.get(code) or prices.get(f"US-{code}")
    if found is None:
        known = ", ".join(code for code in prices if not code.startswith("US-"))
        raise FieldError(
            "country", f"'{country[:40]}' is not known: {known}, US-CA …; or say the price of a kWh"
        )
    return Electricity(code if code in prices else f"US-{code}", *found)


def api_prices(model: str) -> tuple[ApiPrice, ...]:
    """Return what providers ask for a model of the catalogue, the cheapest output first; empty where none is known."""
    table = _shipped("api_prices.json")
    rows = table["models"].get(model, ())
    return tuple(ApiPrice(who, read, cached, out, table["date"]) for who, read, cached, out in rows)


@cache
def _shipped(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((seeds_dir() / name).read_bytes())
    return found
