"""Plain tables are laid out as tabulate lays them out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import tabulate
from hypothesis import given
from hypothesis import strategies as st

from planner.cli.output import table

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=9)
ALIGN = st.sampled_from(("left", "right"))


def by_tabulate(rows: Sequence[Sequence[str]], headers: Sequence[str], align: Sequence[str] | None) -> str:
    tabulate.MIN_PADDING = 0
    return tabulate.tabulate(
        rows, headers=list(headers), tablefmt="plain", disable_numparse=True, colalign=align if rows else None
    )


@pytest.mark.parametrize("align", [None, ("left", "right", "left"), ("right", "left", "right")])
@pytest.mark.parametrize("rows", [[], [["a", "1", ""]], [["aa", "10", "x y"], ["b…", "", "zzzzzzz"]]])
def test_as_tabulate(rows: list[list[str]], align: Sequence[str] | None) -> None:
    headers = ["Name", "GiB", ""]
    assert table(rows, headers, align=align) == by_tabulate(rows, headers, align)


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=4), st.tuples(ALIGN, ALIGN, ALIGN))
def test_as_tabulate_with_any_text(rows: list[tuple[str, ...]], align: tuple[str, ...]) -> None:
    assert table(rows, ["A", "Bb", "C"], align=align) == by_tabulate(rows, ["A", "Bb", "C"], align)


def test_wide_characters_are_left_to_tabulate() -> None:
    rows = [["模型", "1"], ["x", "22"]]
    assert table(rows, ["Name", "N"]) == by_tabulate(rows, ["Name", "N"], None)
