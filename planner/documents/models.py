"""`planner models --json`, and with --check: what the catalogue knows, and how it was checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.fast_dataclass import dataclass

if TYPE_CHECKING:
    from planner.advice.recommend.catalogue_check import CardCheck
    from planner.models.catalogue.catalogue import Entry


@dataclass(frozen=True, slots=True)
class Models:
    """Models of the catalogue."""

    models: tuple[Entry, ...]
    """The best score first."""


@dataclass(frozen=True, slots=True)
class CheckedCounts:
    """How many cards were checked, and by what."""

    cards: int
    """All of them."""
    complete: int
    """Those that have every dimension."""
    parameters_verified: int
    """Those whose shape has the published number of parameters."""
    file_verified: int
    """Those of which a published file size is met."""
    unverified: int
    """Those that neither could be shown of."""


@dataclass(frozen=True, slots=True)
class CheckedModels:
    """What came of checking cards of the catalogue."""

    models: tuple[CardCheck, ...]
    """One a card."""

    @property
    def summary(self) -> CheckedCounts:
        """How many cards were checked, and by what."""
        checks = self.models
        return CheckedCounts(
            cards=len(checks),
            complete=sum(c.shape.complete for c in checks),
            parameters_verified=sum(c.shape.verified for c in checks),
            file_verified=sum(c.by_file for c in checks),
            unverified=sum(not c.shape.verified and not c.by_file for c in checks),
        )
