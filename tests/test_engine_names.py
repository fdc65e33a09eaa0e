"""What is known of an engine stands in its folder: nobody else compares with its name or keys a table by it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from planner.engines.register import ENGINES, STARTERS

PACKAGE = Path(__file__).parent.parent / "planner"
NAMES = {*ENGINES, *STARTERS}
# The register is where a name is written down; model files are published in formats that are called like engines.
REGISTERS = {PACKAGE / "engines" / "register.py"}
FILES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if path not in REGISTERS
    and not (path.parent != PACKAGE / "engines" and PACKAGE / "engines" in path.parents)
)


def told_apart(tree: ast.AST) -> Iterator[int]:
    """Lines on which an engine's name is compared with, matched, or a key of a table."""
    for node in ast.walk(tree):
        found: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            found = [node.left, *node.comparators]
        elif isinstance(node, ast.Dict):
            found = [key for key in node.keys if key is not None]
        elif isinstance(node, ast.MatchValue):
            found = [node.value]
        for each in found:
            inner = each.elts if isinstance(each, ast.Tuple | ast.List | ast.Set) else [each]
            if any(isinstance(one, ast.Constant) and one.value in NAMES for one in inner):
                yield node.lineno


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(PACKAGE)) for path in FILES])
def test_nobody_tells_engines_apart_by_their_names(path: Path) -> None:
    lines = list(told_apart(ast.parse(path.read_text(encoding="utf-8"))))
    assert lines == [], f"{path.relative_to(PACKAGE)}, lines {lines}: ask the engine's facts"


@pytest.mark.parametrize(
    "code",
    [
        'if plan.engine == "vllm": pass',
        'if engine in ("llama.cpp", "ollama"): pass',
        'table = {"vllm": 1}',
        'match engine:\n    case "ollama": pass',
    ],
)
def test_such_code_would_be_found(code: str) -> None:
    assert list(told_apart(ast.parse(code)))
