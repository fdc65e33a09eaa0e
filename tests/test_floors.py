"""A file imports only from floors below its own (see docs/architecture.md), never in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "planner"
FLOORS = [
    {"errors", "fast_dataclass"},
    {"outside_numbers", "safe_text", "bounded_read"},
    {"bounded_http"},
    {"units", "shipped_files", "text_search"},
    {"plan"},
    {"models", "hardware"},
    {"quant"},
    {"engines"},
    {"speed", "verify"},
    {"launching"},
    {"advice"},
    {"documents"},
    {"api"},
    {"cli"},
]
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


VOCABULARY = PACKAGE / "plan.py"  # names models and machines in annotations alone, and imports neither to run


def nodes(path: Path) -> Iterator[ast.AST]:
    """Everything in a file; of the vocabulary, what is there for a type checker alone is left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path == VOCABULARY:
        typed = [n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
        tree.body = [n for n in tree.body if n not in typed]
    return ast.walk(tree)


def imports(path: Path) -> set[str]:
    """Every planner module that a file imports, at its top or inside a function."""
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "planner":
            found.add(node.module)
            for alias in node.names:
                if (PACKAGE.parent / Path(*node.module.split(".")) / f"{alias.name}.py").exists():
                    found.add(f"{node.module}.{alias.name}")
        elif isinstance(node, ast.Import):
            found.update(a.name for a in node.names if a.name.split(".")[0] == "planner")
    return found


FILES = sorted(
    p for p in PACKAGE.rglob("*.py") if p.name not in {"__main__.py"} and p != PACKAGE / "__init__.py"
)


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(PACKAGE)) for p in FILES])
def test_imports_only_from_floors_below(path: Path) -> None:
    own = module_name(path).split(".")[1]
    for target in imports(path):
        parts = target.split(".")
        if len(parts) < 2:
            continue
        other = parts[1]
        assert other in FLOOR_OF, f"{path} imports {target}, which stands on no floor"
        if other == own:
            continue
        assert FLOOR_OF[other] < FLOOR_OF[own], f"{own} (floor {FLOOR_OF[own]}) imports {target}"


def test_no_circle() -> None:
    graph = {module_name(p): imports(p) - {module_name(p)} for p in FILES}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name in done:
            return
        for other in graph.get(name, ()):
            if other in graph and not graph_is_package(other):
                visit(other, (*trail, name))
        done.add(name)

    def graph_is_package(name: str) -> bool:
        return (PACKAGE.parent / Path(*name.split("."))).is_dir()

    for name in graph:
        visit(name, ())
