"""How many tokens people keep in the cache at the same time: N users hardly ever fill N contexts at once."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from planner.fast_dataclass import dataclass


class Load(StrEnum):
    """How full the contexts of several users are while all of them are served."""

    LIGHT = "light"  # short questions: an eighth of the context
    TYPICAL = "typical"  # a quarter
    WORST = "worst"  # everybody fills all of it at the same time


# Conversations and agents' sessions grow from nothing to the limit and begin anew; most requests are far from it.
SHARES: Final[Mapping[Load, float]] = {Load.LIGHT: 1 / 8, Load.TYPICAL: 1 / 4, Load.WORST: 1.0}


@dataclass(frozen=True, slots=True)
class Demand:
    """What a cache has room for at the same time: one full context, and every user's share of one."""

    users: int = 1
    share: float = 1.0
    """Of the context, that each user fills."""

    @property
    def contexts(self) -> float:
        """Full contexts that take as much room; at least one, as one request must fit."""
        return max(1.0, self.users * self.share)

    def over(self, replicas: int) -> Demand:
        """What one of so many replicas serves."""
        return Demand(-(-self.users // replicas), self.share)


ONE: Final = Demand()
