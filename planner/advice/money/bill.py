"""What a whole computer costs: the cards, and what has to be bought around them.

`buy` and `cost` take their prices from here, so that both say the same of one machine. US dollars.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from planner.advice.money.power import is_server_card
from planner.fast_dataclass import dataclass
from planner.hardware.machine import Machine
from planner.units import GIB

# Sums of parts in September 2026: processor 200, board 200, power supply 130, case 90, drive 150, cooler 40, and
# DDR5 kits of 375 (32 GB), 680 to 1,000 (64 GB) and 3,399 (128 GB), from price trackers of June to August 2026.
COMPUTER: Final = ((32, 1180.0, 1250.0), (64, 1490.0, 1810.0), (128, 4200.0, 4300.0))  # GiB, low, high
COMPUTER_DATE: Final = "2026-09"
# A server for passively cooled cards, without them; an assumption.
SERVER_PRICE: Final = 6000.0
# More than two cards need another board, risers and power supply; an assumption.
MANY_CARDS_PRICE: Final = 800.0


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around cards, and its price."""

    house: str
    """computer or server; empty where nothing has to be bought."""
    low: float
    """The lowest price of its parts."""
    high: float
    """The highest."""

    @property
    def price(self) -> float:
        """What is reckoned with: the middle."""
        return (self.low + self.high) / 2


NOTHING: Final = Around("", 0.0, 0.0)


def around_cards(ram: int, cards: int, server: bool) -> Around:
    """Return the computer or server around cards: `ram` bytes of memory, so many cards."""
    if server:
        return Around("server", SERVER_PRICE, SERVER_PRICE)
    low, high = _computer(ram / GIB)
    many = MANY_CARDS_PRICE if cards > 2 else 0.0
    return Around("computer", low + many, high + many)


def around_machine(machine: Machine) -> Around:
    """Return what stands around the cards of a described machine; nothing where it is a computer by itself."""
    cards = [g for g in machine.accelerators if not g.unified]
    if not cards:
        return NOTHING
    return around_cards(machine.hosts[0].ram_total, len(cards), any(is_server_card(g) for g in cards))


def _computer(gib: float) -> tuple[float, float]:
    """Prices of a computer with so much RAM: straight lines between the sizes that were priced, and beyond."""
    smallest = COMPUTER[0]
    if gib <= smallest[0]:
        return smallest[1], smallest[2]
    below, above = next(((a, b) for a, b in pairwise(COMPUTER) if gib <= b[0]), COMPUTER[-2:])
    share = (gib - below[0]) / (above[0] - below[0])
    return _between(below[1:], above[1:], share)


def _between(below: Sequence[float], above: Sequence[float], share: float) -> tuple[float, float]:
    low, high = (b + (a - b) * share for b, a in zip(below, above, strict=True))
    return low, high
