"""Models that are too new to be rated: what nobody has published a score of is named, never put first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from planner.models.catalogue.catalogue import Entry

NEW_DAYS: Final = (
    183  # before the newest release of the catalogue; whatever is older and unrated nobody asks for
)
_MOST: Final = 4


def too_new(entries: Sequence[Entry], use_case: str, least: float, most_params: float) -> list[Entry]:
    """Return the new models without a published score that may be as good as `least`, the most promising first.

    `least` in points of the index; `most_params`: parameters that there is room for at all.
    """
    newest = max((_day(e.released) for e in entries), default=0)
    found = []
    for entry in entries:
        score = entry.score(use_case)
        if score.published or score.high is None or score.high < least:
            continue
        if _day(entry.released) >= newest - NEW_DAYS and 0 < entry.total_params <= most_params:
            found.append((score.high, entry))
    found.sort(key=lambda each: -each[0])
    return [entry for _, entry in found]


def in_words(found: Sequence[Entry], use_case: str) -> str:
    """Return the note, with the range that size, date and vendor let expect."""
    named = []
    for entry in found[:_MOST]:
        score = entry.score(use_case)
        named.append(f"{entry.short_name} ({score.low:.0f} to {score.high:.0f} points by size and date)")
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return f"Too new to be rated: {', '.join(named)}{more}. No score of theirs is published."


def _day(released: str) -> int:
    """Days since the year 1; the beginning of the month or year where that is all that is known."""
    parts = [int(part) for part in released.split("-") if part]
    return date(*(*parts, 1, 1)[:3]).toordinal() if parts else 0
