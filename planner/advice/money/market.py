"""What can be bought or rented: profiles with prices, in the numbers that people combine.

Prices are facts of the profiles with date and source; they may be replaced by the reader's own. A device
without a price is still offered, marked as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Final

from planner.errors import FieldError, InputError, cause_of, check_range
from planner.fast_dataclass import dataclass
from planner.hardware.profiles.listing import ProfileInfo, list_profiles

# A computer around the card(s): board, processor, 64 GiB of RAM, drive, power supply, case. An assumption,
# stated wherever it is used and replaced by --host-price; a passive data centre card needs a server.
HOST_PRICE: Final = 1200.0
SERVER_PRICE: Final = 6000.0
COUNTS: Final = {"consumer": (1, 2), "workstation": (1, 2, 4), "datacenter": (1, 2, 4, 8)}
LARGE_COUNTS: Final = (1, 2, 3, 4)  # consumer cards from 24 GB on, which people do put in threes and fours
LARGE_CARD: Final = 22 << 30  # bytes, as drivers report "24 GB"
# More than two cards need another board, risers and power supply; an assumption like the host's price.
MANY_CARDS_PRICE: Final = 800.0
# Older devices are losing their drivers and libraries (CUDA 13 has dropped what came before Turing, ROCm
# what came before RDNA 2): nobody should buy them for this any more.
OLDEST: Final = "2020-06"
# A launch price older than this is not what anyone pays today: the device counts as one without a price.
STALE_LAUNCH: Final = "2024-11"
SERVER_CLASSES: Final = frozenset({"datacenter", "cloud-accelerator"})


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
    """Price of a computer around cards; None: what is assumed."""

    def __post_init__(self) -> None:
        if not isinstance(self.prices, Mapping):
            raise FieldError("prices", f"{self.prices!r} must be a dict of prices by profile")
        for price in self.prices.values():
            check_range(price, "price", 0, 1e9)
        if self.have is not None and not isinstance(self.have, str):
            raise FieldError("have", f'{self.have!r} must be a text, for example "64GiB ddr5-5600"')
        check_range(self.host_price, "host_price", 0, 1e9)


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


def offers(
    own_prices: Mapping[str, float] | None = None,
    *,
    have: str | None = None,
    host_price: float | None = None,
    cloud: bool = True,
) -> Iterator[Offer]:
    """Yield everything that can be bought or rented.

    `have` is what the reader already owns, as parts of a profile ("64GiB ddr5-5600"): cards are then added
    to it and no computer has to be bought. `own_prices` is by profile id.
    """
    prices = own_prices or {}
    for info in list_profiles():
        if info.user or (info.kind in ("gpu", "soc") and not _is_current(info)):
            continue
        if info.kind == "gpu" and info.device_class in COUNTS:
            if have and _is_module(info):
                continue
            yield from _cards(info, prices, have, host_price)
        elif info.kind == "soc" and info.memory:
            price, low, high, note = _price(info, prices)
            yield Offer(info.id, info.name, "machine", info.device_class, info.memory, price, low, high, note)
        elif info.kind == "cloud" and cloud and info.hourly_price is not None:
            hourly = prices.get(info.id, info.hourly_price)
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


def _cards(
    info: ProfileInfo, prices: Mapping[str, float], have: str | None, host_price: float | None
) -> Iterator[Offer]:
    each, low, high, note = _price(info, prices)
    server = info.device_class in SERVER_CLASSES
    around = 0.0 if have else host_price if host_price is not None else SERVER_PRICE if server else HOST_PRICE
    large = info.device_class == "consumer" and (info.memory or 0) >= LARGE_CARD
    for count in LARGE_COUNTS if large else COUNTS[info.device_class]:
        host = around + (MANY_CARDS_PRICE if count > 2 and around and not server else 0.0)
        spec = info.id if count == 1 else f"{count}x {info.id}"
        if have:
            spec = f"{spec} + {have}"
        house = "" if have else "server" if server else "computer"
        text = note
        if each is not None and host:
            text += f", plus {host:,.0f} assumed for the {house} around it"
        yield Offer(
            spec=spec,
            name=info.name if count == 1 else f"{count} x {info.name}",
            kind="card" if count == 1 else "cards",
            device_class=info.device_class,
            memory=(info.memory or 0) * count,
            price=None if each is None else each * count + host,
            price_low=None if low is None else low * count + host,
            price_high=None if high is None else high * count + host,
            price_note=text,
            around=house,
            around_price=host,
        )


def _price(
    info: ProfileInfo, prices: Mapping[str, float]
) -> tuple[float | None, float | None, float | None, str]:
    if info.id in prices:
        price = prices[info.id]
        return price, price, price, "your price"
    if info.price_low is None or info.price_high is None:
        return None, None, None, "no price known"
    if info.price_kind == "launch" and (info.price_date or "") < STALE_LAUNCH:
        return None, None, None, f"no price of today; {info.price_low:,.0f} at launch in {info.price_date}"
    middle = (info.price_low + info.price_high) / 2
    return middle, info.price_low, info.price_high, f"{info.price_kind} price of {info.price_date}"


def _is_current(info: ProfileInfo) -> bool:
    from planner.hardware.profiles.load import get_profile

    released = get_profile(info.id).released
    return released is not None and released >= OLDEST
