"""What can be bought or rented: profiles with prices, in the numbers that people combine.

Prices are facts of the profiles with date and source; they may be replaced by the reader's own. A device
without a price is still offered, marked as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Final

from planner.advice.money.bill import NOTHING, Around, around_cards, around_machine
from planner.advice.money.power import SERVER_CLASSES
from planner.errors import FieldError, InputError, cause_of, check_range
from planner.fast_dataclass import dataclass
from planner.hardware.profiles.assemble import DESKTOP
from planner.hardware.profiles.listing import ProfileInfo, list_profiles
from planner.hardware.profiles.prices import DISCONTINUED

COUNTS: Final = {"consumer": (1, 2), "workstation": (1, 2, 4), "datacenter": (1, 2, 4, 8)}
LARGE_COUNTS: Final = (1, 2, 3, 4)  # consumer cards from 24 GB on, which people do put in threes and fours
LARGE_CARD: Final = 22 << 30  # bytes, as drivers report "24 GB"
# Older devices are losing their drivers and libraries (CUDA 13 has dropped what came before Turing, ROCm
# what came before RDNA 2): nobody should buy them for this any more.
OLDEST: Final = "2020-06"
# A launch price older than this is not what anyone pays today: the device counts as one without a price.
STALE_LAUNCH: Final = "2024-11"


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing to buy or to rent, by a profile that `planner plan --profile` takes."""

    spec: str
    """The profile."""
    name: str
    """As its maker writes it."""
    kind: str
    """card, cards, machine or cloud."""
    device_class: str
    """consumer, workstation, datacenter …, as the profile says."""
    memory: int
    """Bytes that GPUs (or the unified memory) offer together."""
    price: float | None
    """Of everything that has to be bought; None where no price is known, or it is rented."""
    price_low: float | None
    """The lowest price that was seen."""
    price_high: float | None
    """The highest price that was seen."""
    price_note: str
    """What the price is, its date, what is assumed."""
    hourly: float | None = None
    """Rent an hour; None for what is bought."""
    around: str = ""
    """computer or server: what has to be bought around a card, and is in the price; empty where nothing has."""
    around_price: float = 0.0
    """The part of the price that is for it."""


@dataclass(frozen=True, slots=True)
class Market:
    """What is to be had at which price, where that differs from the profiles. Raises InputError for what cannot be."""

    prices: Mapping[str, float] = field(default_factory=dict, hash=False)
    """One's own prices by profile, in any spelling."""
    have: str | None = None
    """What one owns, as parts of a profile ("64GiB ddr5-5600"): cards are added to it."""
    host_price: float | None = None
    """Price of a computer around cards; None: the sum of its parts by the size of its RAM."""
    usd_rate: float = 1.0
    """Units of the reader's currency for a US dollar of the profiles' prices."""

    def __post_init__(self) -> None:
        if not isinstance(self.prices, Mapping):
            raise FieldError("prices", f"{self.prices!r} must be a dict of prices by profile")
        for price in self.prices.values():
            check_range(price, "price", 0, 1e9)
        if self.have is not None and not isinstance(self.have, str):
            raise FieldError("have", f'{self.have!r} must be a text, for example "64GiB ddr5-5600"')
        check_range(self.host_price, "host_price", 0, 1e9)
        check_range(self.usd_rate, "usd_rate", 1e-4, 1e6)


def read_prices(path: Path) -> dict[str, float]:
    """Return the prices of a TOML file: a table of NAME = NUMBER, optionally under [prices]."""
    import tomllib

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such prices file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"{path}: not a prices file ({cause_of(error)}); write lines such as rtx-3090 = 900"
        ) from None
    entries = table.get("prices", table)
    if not isinstance(entries, dict):
        raise InputError(f"{path}: [prices] must be a table of NAME = NUMBER")
    prices: dict[str, float] = {}
    for name, value in entries.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
            raise InputError(f"{path}: the price of '{name}' must be a number, for example 900")
        prices[name] = float(value)
    return prices


def resolve_prices(prices: Mapping[str, float]) -> dict[str, float]:
    """Return own prices by profile id; InputError for a name that no profile has."""
    from planner.hardware.profiles.store import resolve

    return {resolve(name, None)[0].id: value for name, value in prices.items()}


def offers(market: Market, *, cloud: bool = True) -> Iterator[Offer]:
    """Yield everything that can be bought or rented, in the market's currency.

    Raises InputError for a price of a profile that is not known.
    """
    prices = resolve_prices(market.prices)
    for info in list_profiles():
        if info.user or (info.kind in ("gpu", "soc") and not _is_current(info)):
            continue
        if info.kind == "gpu" and info.device_class in COUNTS:
            if market.have and _is_module(info):
                continue
            yield from _cards(info, prices, market)
        elif info.kind == "soc" and (memory := info.memory or info.ram):
            price, low, high, note = _price(info, prices, market.usd_rate)
            yield Offer(info.id, info.name, "machine", info.device_class, memory, price, low, high, note)
        elif info.kind == "cloud" and cloud and info.hourly_price is not None:
            hourly = prices.get(info.id, info.hourly_price * market.usd_rate)
            note = "your price by the hour" if info.id in prices else f"on demand, as of {info.price_date}"
            yield Offer(
                info.id, info.name, "cloud", info.device_class, (info.memory or 0), None, None, None,
                note, hourly,
            )  # fmt: skip


def _is_module(info: ProfileInfo) -> bool:
    """True for SXM and OAM modules: they are bought with the board of a server, never put into a computer one has."""
    return "sxm" in info.id or info.id.startswith(
        ("mi250", "mi300", "mi308", "mi325", "mi350", "mi355", "mi455", "gaudi")
    )


def _cards(info: ProfileInfo, prices: Mapping[str, float], market: Market) -> Iterator[Offer]:
    each, low, high, note = _price(info, prices, market.usd_rate)
    large = info.device_class == "consumer" and (info.memory or 0) >= LARGE_CARD
    for count in LARGE_COUNTS if large else COUNTS[info.device_class]:
        if market.have and count > 2 and info.device_class in SERVER_CLASSES:
            continue  # more of these than two take a server
        host = _around(info, count, market)
        spec = info.id if count == 1 else f"{count}x {info.id}"
        if market.have:
            spec = f"{spec} + {market.have}"
        text = note
        if each is not None and host.house:
            text += f", plus {host.price:,.0f} for the {host.house} around it"
        yield Offer(
            spec=spec,
            name=info.name if count == 1 else f"{count} x {info.name}",
            kind="card" if count == 1 else "cards",
            device_class=info.device_class,
            memory=(info.memory or 0) * count,
            price=None if each is None else each * count + host.price,
            price_low=None if low is None else low * count + host.low,
            price_high=None if high is None else high * count + host.high,
            price_note=text,
            around=host.house,
            around_price=host.price,
        )


def _around(info: ProfileInfo, count: int, market: Market) -> Around:
    """What has to be bought around so many cards: nothing for who has it, else as --profile assumes it."""
    if market.have:
        return NOTHING
    around = around_cards(DESKTOP.ram, count, info.device_class in SERVER_CLASSES)
    if market.host_price is not None:
        return Around(around.house, market.host_price, market.host_price)
    return Around(around.house, around.low * market.usd_rate, around.high * market.usd_rate)


def _price(
    info: ProfileInfo, prices: Mapping[str, float], rate: float
) -> tuple[float | None, float | None, float | None, str]:
    if info.id in prices:
        price = prices[info.id]
        return price, price, price, "your price"
    if info.price is None or info.price_low is None or info.price_high is None:
        return None, None, None, "no price known"
    if "launch" in (info.price_kind or "") and not STALE_LAUNCH <= (info.price_date or "") < "3":
        return None, None, None, f"no price of today; {info.price_low:,.0f} USD at launch ({info.price_date})"
    if info.price_kind == DISCONTINUED:
        return None, None, None, f"no longer sold new; {info.price_low:,.0f} USD was its last list price"
    note = f"{info.price_kind} price of {info.price_date}"
    if info.price_low < info.price_high:
        note += f", {info.price_low * rate:,.0f} to {info.price_high * rate:,.0f} seen"
    return info.price * rate, info.price_low * rate, info.price_high * rate, note


def _is_current(info: ProfileInfo) -> bool:
    from planner.hardware.profiles.load import get_profile

    released = get_profile(info.id).released
    return released is not None and released >= OLDEST


def described(spec: str, market: Market) -> Offer:
    """Return an offer for any machine that a profile describes, with its price where one is known.

    Raises InputError for a profile that is not known.
    """
    from planner.hardware.profiles.load import load_profile

    wanted = spec.strip()
    listed = next((o for o in offers(market) if o.spec == wanted), None)
    if listed is not None:
        return listed
    text = f"{wanted} + {market.have}" if market.have and "+" not in wanted else wanted
    machine = load_profile(text)
    own = resolve_prices(market.prices).get(wanted)
    around = NOTHING if market.have else around_machine(machine)
    price, note = own, "your price"
    if own is None and machine.price is not None:
        note = f"{machine.price_source or 'price'} of {machine.price_date or 'no date'}"
        extra = around.price * market.usd_rate if market.host_price is None else market.host_price
        price = machine.price * market.usd_rate + (extra if around.house else 0.0)
        note += f", with the {around.house} around it" if around.house else ""
    gpus = machine.accelerators
    return Offer(
        spec=text,
        name=machine.name,
        kind="machine" if not gpus or gpus[0].unified else "card" if len(gpus) == 1 else "cards",
        device_class="datacenter" if around.house == "server" else "consumer",
        memory=sum(g.memory_total for g in gpus) or machine.host.ram_total,
        price=price,
        price_low=price,
        price_high=price,
        price_note=note if price is not None else "no price known",
        around=around.house if price is not None and own is None else "",
        around_price=around.price * market.usd_rate,
    )
