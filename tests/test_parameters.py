"""No function takes more than six arguments: what rides along together is an object."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import planner

PACKAGE = Path(planner.__file__).parent
MOST = 6


def is_command(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """True for a command: its parameters are options, each with its own type and help."""
    return any(word in ast.unparse(function.args) for word in ("Option", "typer.", "Argument"))


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    given = function.args
    names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    names += [f"*{a.arg}" for a in (given.vararg, given.kwarg) if a is not None]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def long_ones(path: Path) -> Iterator[str]:
    """Functions of a file with more parameters than MOST; what a type checker alone sees is a record's fields."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    fields = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and id(node) not in fields:
            count = len(parameters(node))
            if count > MOST and not is_command(node):
                yield f"{path.relative_to(PACKAGE).as_posix()}:{node.lineno} {node.name} takes {count}"


def test_no_function_takes_more_than_six() -> None:
    assert [line for path in sorted(PACKAGE.rglob("*.py")) for line in long_ones(path)] == []
