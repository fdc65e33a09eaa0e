"""Prices of devices as sources state them, and the one that a buyer meets. US dollars."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from planner.fast_dataclass import dataclass, replace

# Prices of one kind seen so shortly before the latest are of the same market.
RECENT_DAYS: Final = 61
_DATE: Final = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?")
# What its maker or shops no longer sell new, at the last price that they asked.
DISCONTINUED: Final = "last list price"


@dataclass(frozen=True, slots=True)
class Price:
    """What someone asked for the device, when, and who says so. US dollars."""

    kind: str  # launch | new | used | list | on-demand | spot | … as the source calls it
    date: str
    source: str
    low: float | None = None  # purchase
    high: float | None = None
    hourly_low: float | None = None  # rent by the hour
    hourly_high: float | None = None
    typical: float | None = None  # the median of several prices that were seen; None: one price or range

    @property
    def usd(self) -> float | None:
        """What to reckon with: the median of what was seen, or the middle of one range."""
        if self.low is None or self.high is None:
            return None
        return (self.low + self.high) / 2 if self.typical is None else self.typical

    @property
    def usd_per_hour(self) -> float | None:
        """Middle of the hourly range."""
        if self.hourly_low is None or self.hourly_high is None:
            return None
        return (self.hourly_low + self.hourly_high) / 2


def met_by_a_buyer(prices: Sequence[Price]) -> Price | None:
    """The latest new, else used, else street, else launch price; None where no purchase price is known.

    Prices of its kind that were seen within RECENT_DAYS before the latest make its range; their median is what
    is reckoned with, so that one shop's figure does not carry an answer.
    """
    bought = [p for p in prices if p.usd is not None]
    for rank in (_is_new, _is_used, _is_street):
        found = [p for p in bought if rank(p.kind)]
        if found:
            return _together(found)
    return bought[-1] if bought else None


def _together(prices: list[Price]) -> Price:
    """The latest price, with the range and the median of those seen shortly before it."""
    latest = max(prices, key=lambda p: p.date)
    newest = _days(latest.date)
    recent = [p for p in prices if (newest or 0.0) - (_days(p.date) or 0.0) <= RECENT_DAYS]
    if newest is None or len(recent) == 1:
        return latest
    middles = sorted(p.usd for p in recent if p.usd is not None)
    half = len(middles) // 2
    return replace(
        latest,
        low=min(p.low for p in recent if p.low is not None),
        high=max(p.high for p in recent if p.high is not None),
        typical=middles[half] if len(middles) % 2 else (middles[half - 1] + middles[half]) / 2,
    )


def _days(date: str) -> float | None:
    """Days of a date as sources write them, a month taken at its first; None where no year begins it."""
    found = _DATE.match(date)
    if found is None:
        return None
    year, month, day = (int(part or 1) for part in found.groups())
    return year * 365.25 + month * 30.44 + day


def _is_new(kind: str) -> bool:
    return kind == "new" or "retail" in kind or ("list" in kind and kind != DISCONTINUED)


def _is_used(kind: str) -> bool:
    return "used" in kind or "refurb" in kind


def _is_street(kind: str) -> bool:
    return kind != "launch"
