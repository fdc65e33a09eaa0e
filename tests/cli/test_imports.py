"""The command line stands on the API and the documents: it imports nothing below them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_floors import ROOT, imports

# Beside its own modules: the API, the documents, the vocabulary, and what stands on the ground floor.
ALLOWED = (
    "planner.web",
    "planner.mcp",
    "planner.api",
    "planner.documents",
    "planner.plan",
    "planner.demand",
    "planner.reason",
    "planner.errors",
    "planner.units",
    "planner.fast_dataclass",
    "planner.text_search",
    "planner.bounded_read",
    "planner.own_files",
    "planner.safe_text",
    "planner.cli",
)
FILES = sorted((ROOT / "planner" / "cli").glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=[p.stem for p in FILES])
def test_nothing_below_the_api_is_imported(path: Path) -> None:
    below = {
        target
        for target in imports(path)
        if target != "planner" and not any(target == a or target.startswith(f"{a}.") for a in ALLOWED)
    }
    assert not below, f"{path.name} goes past the API"
