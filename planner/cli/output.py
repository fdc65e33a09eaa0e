"""Tables, JSON and colour: the only module that prints answers.

Answers go to stdout, diagnostics to stderr. Colour only on a terminal and never with NO_COLOR.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from planner.safe_text import markdown, one_line, shell_shown, terminal

PLAIN = "plain"
DEFAULT_WIDTH = 80
_STYLES = re.compile(r"(\x1b\[(?:0|1|2|31|32|33|36)(?:;(?:1|2|31|32|33|36))*m)")
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def use_colour() -> bool:
    """True on a terminal without NO_COLOR and with a TERM that can."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def style(text: str, *names: str) -> str:
    """Colour text for a terminal; returned unchanged anywhere else."""
    if not names or not use_colour():
        return text
    codes = ";".join(_CODES[name] for name in names)
    return f"\x1b[{codes}m{terminal(text)}\x1b[0m"


def width() -> int:
    """Columns to print in: 80, or the terminal's when it is wider or narrower."""
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return max(40, shutil.get_terminal_size((DEFAULT_WIDTH, 24)).columns)
    return DEFAULT_WIDTH


def print_document(answer: object) -> None:
    """Print an answer as one JSON document on stdout."""
    from planner.documents.write import document

    print_json(document(answer))


def print_json(value: Any) -> None:
    """Print one JSON value on stdout."""
    from planner.documents.text import document_text

    unicode = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")
    sys.stdout.write(document_text(value, ascii=not unicode))


def table(
    rows: Iterable[Sequence[object]],
    headers: Sequence[str],
    fmt: str = PLAIN,
    align: Sequence[str] | None = None,
) -> str:
    """Lay out rows with tabulate, or as RFC 4180 CSV for the format "csv".

    Raises InputError for a format that tabulate does not know. Cells are text: nothing is reformatted.
    """
    cells = [["" if cell is None else _cell(str(cell), fmt) for cell in row] for row in rows]
    if fmt == "csv":
        import csv
        import io

        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(headers)
        writer.writerows(cells)
        return buffer.getvalue().rstrip("\n")
    if fmt == PLAIN and all(_is_narrow(cell) for row in [headers, *cells] for cell in row):
        return _plain([[cell.strip() for cell in row] for row in cells], headers, align)
    import tabulate as tabulate_module
    from tabulate import tabulate, tabulate_formats

    # Headers need no room beyond their own: 80 columns are few.
    tabulate_module.MIN_PADDING = 0

    if fmt not in tabulate_formats:
        from planner.errors import InputError

        raise InputError(f"unknown table format '{fmt}'; one of: csv, {', '.join(sorted(tabulate_formats))}")
    return tabulate(
        cells, headers=list(headers), tablefmt=fmt, disable_numparse=True, colalign=align if cells else None
    )


def _cell(text: str, fmt: str) -> str:
    """A cell that stays one: no tab (which ends a cell of TSV), no bar or link of Markdown."""
    if fmt in ("github", "pipe"):
        return markdown(text)
    return text if text.isprintable() else terminal(text).replace("\t", " ")


def _is_narrow(text: str) -> bool:
    """True for one line on which every character takes one column."""
    return "\n" not in text and text.replace("…", "").isascii()


def _plain(cells: Sequence[Sequence[str]], headers: Sequence[str], align: Sequence[str] | None) -> str:
    """As tabulate's "plain": most commands print nothing else, and importing tabulate takes longer than they do."""
    widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]
    right = [how == "right" for how in align] if align and cells else [False] * len(headers)
    lines = (
        "  ".join(
            cell.rjust(wide) if to_right else cell.ljust(wide)
            for cell, wide, to_right in zip(row, widths, right, strict=True)
        )
        for row in [headers, *cells]
    )
    return "\n".join(line.rstrip() for line in lines)


def print_table(
    rows: Iterable[Sequence[object]],
    headers: Sequence[str],
    fmt: str = PLAIN,
    align: Sequence[str] | None = None,
    wrap: int | None = None,
) -> None:
    """Print `table`; a plain one that is wider than the terminal goes over more lines, nothing is cut.

    `wrap` is the column whose cells may be broken over lines: a name that nobody has to copy whole. A header
    in several lines saves columns on the screen; in any other format it is one line.
    """
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if fmt == PLAIN and cells:
        from planner.cli.layout import fit, is_wider

        if any("\n" in h for h in headers) or is_wider(headers, cells, width()):
            print_line(fit(headers, cells, align, width(), wrap))
            return
    print_line(table(cells, [h.replace("\n", " ") for h in headers], fmt, align))


def print_line(text: str = "") -> None:
    """Print text; of what a terminal acts on, only our own colours reach it."""
    if not text.isprintable():
        styled = _STYLES.split(text) if use_colour() else [text]
        text = "".join(part if place % 2 else terminal(part) for place, part in enumerate(styled))
    sys.stdout.write(text + "\n")


def print_shell(command: str) -> None:
    """Print shell commands, coloured; a word that a terminal would act on is written with escapes."""
    if not command.replace("\n", "").isprintable():
        from planner.safe_text import commands

        command = "\n".join(map(shell_shown, commands(command)))
    print_line(style(command, "cyan"))


def print_wrapped(text: str, indent: str = "", bullet: str = "") -> None:
    """Print a paragraph wrapped to the terminal, continuation lines indented under the text."""
    lead = indent + bullet
    print_line(
        textwrap.fill(
            text,
            width=width(),
            initial_indent=lead,
            subsequent_indent=indent + " " * len(bullet),
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def print_heading(text: str) -> None:
    """Print a heading, wrapped to the terminal, bold on one."""
    for line in textwrap.wrap(text, width=width(), break_long_words=False, break_on_hyphens=False) or [""]:
        print_line(style(line, "bold"))


def diagnostic(text: str) -> None:
    """Print one line on stderr."""
    sys.stderr.write(one_line(text) + "\n")
