"""What the pages point at is there: links, files and folders that they name, modules that they run."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.md")])
# A file or folder of ours in backticks; with a placeholder (<vendor>) only the folder before it counts.
NAMED = re.compile(r"`((?:planner|tests|benchmarks|docs|examples|seeds|profiles)/[\w./<>*-]*)`")


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
def test_a_page_points_at_what_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target
    for name in NAMED.findall(text):
        whole = re.split(r"[<*]", name)[0]
        assert (ROOT / (whole if whole == name else whole.rpartition("/")[0])).exists(), name
    for module in re.findall(r"python -m\s+((?:planner|benchmarks)(?:\.\w+)+)", text):
        assert find_spec(module) is not None, module


def test_the_index_lists_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index, page.name
