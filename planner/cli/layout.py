"""Plain tables that are wider than the terminal: nothing is cut, columns go to a further line instead.

First the one column that may be wrapped (a name) is made narrower; where that leaves it no room, each row
takes as many lines as its columns need, the further ones indented, headers likewise.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

GAP: Final = 2  # columns between two cells
NARROWEST: Final = 12  # columns below which a wrapped name reads badly
_PARTS: Final = re.compile(r"(?<=[-\s])")


def columns_of(text: str) -> int:
    """Columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def is_wider(headers: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> bool:
    """True where the table as it is takes more columns than there are."""
    return _total(_widths(headers, rows)) > room


def fit(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    align: Sequence[str] | None,
    room: int,
    wrap: int | None,
) -> str:
    """Return the table in `room` columns; `wrap` is the column that may be broken over lines, if any.

    A header may be given in several lines. A cell that is wider than `room` by itself stays whole where it may
    not be wrapped.
    """
    whole = [range(len(headers))]
    in_one_line = [header.replace("\n", " ") for header in headers]
    for titles in (in_one_line, headers):
        widths = _widths(titles, rows)
        if _total(widths) <= room:
            return _lay_out(titles, rows, align, widths, whole, None)
    if wrap is not None:
        left = room - (_total(widths) - widths[wrap])
        if left >= NARROWEST:
            widths[wrap] = left
            return _lay_out(headers, rows, align, widths, whole, wrap)
    widths = _widths(in_one_line, rows)
    beside = wrap == 1 and widths[0] + GAP + min(widths[1], NARROWEST) <= room
    together = 2 if beside else 1  # a number stays with its name, where there is room for both
    if wrap is not None:
        before = sum(w + GAP for w in widths[:wrap]) if wrap < together else _indent(widths)
        widths[wrap] = min(widths[wrap], max(room - before, NARROWEST))
    return _lay_out(in_one_line, rows, align, widths, _groups(widths, room, together), wrap)


def _widths(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    lines = [[max(map(columns_of, h.split("\n"))) for h in headers]]
    return [max(column) for column in zip(*lines, *(map(columns_of, row) for row in rows), strict=True)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _indent(widths: Sequence[int]) -> int:
    """Columns by which further lines are indented: under what follows a number, else a little."""
    return widths[0] + GAP if widths[0] <= 3 else GAP


def _groups(widths: Sequence[int], room: int, first: int) -> list[range]:
    """Return which columns share a line, in order; the first `first` stay together."""
    groups: list[range] = []
    start, used = 0, 0
    for column, width in enumerate(widths):
        if column > start and column >= first and used + GAP + width > room:
            groups.append(range(start, column))
            start, used = column, _indent(widths) + width
        else:
            used += width + (GAP if column > start else 0)
    return [*groups, range(start, len(widths))]


def _lay_out(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    align: Sequence[str] | None,
    widths: Sequence[int],
    groups: Sequence[range],
    wrap: int | None,
) -> str:
    right = [how == "right" for how in align] if align else [False] * len(headers)
    lines: list[str] = []
    for row in [headers, *rows]:
        for number, group in enumerate(groups):
            if number and not any(row[i] for i in group):
                continue
            cells = [_broken(row[i], widths[i]) if i == wrap else row[i].split("\n") for i in group]
            height = max(map(len, cells))
            if row is headers:  # stand on what they name
                cells = [[""] * (height - len(cell)) + cell for cell in cells]
            for part in range(height):
                texts = [cell[part] if part < len(cell) else "" for cell in cells]
                line = (" " * GAP).join(
                    _padded(text, widths[i], right[i]) for i, text in zip(group, texts, strict=True)
                )
                lines.append((" " * _indent(widths) * (number > 0) + line).rstrip())
    return "\n".join(lines)


def _broken(text: str, width: int) -> list[str]:
    """Break a name after spaces and hyphens; a part that is wider than the column wherever it must."""
    lines = [""]
    for part in _PARTS.split(text):
        if columns_of((lines[-1] + part).rstrip()) > width and lines[-1]:
            lines.append("")
        lines[-1] += part
        while columns_of(lines[-1].rstrip()) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return [line.strip() for line in lines]


def _padded(text: str, width: int, right: bool) -> str:
    blank = " " * (width - columns_of(text))
    return blank + text if right else text + blank
