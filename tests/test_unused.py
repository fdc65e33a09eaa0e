"""What is defined is used: by the planner or by its benchmarks, not by tests alone."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Asked by people, not by our own files.
FOR_OTHERS = {
    "redirect_request", "http_open", "https_open",  # of urllib's handlers
    "increase_indent", "ignore_aliases", "represent_mapping",  # of PyYAML's dumper
    "bits_per_weight",  # of a record that the API hands out
}  # fmt: skip


def definitions(tree: ast.Module) -> Iterator[str]:
    """Yield the name of every constant, and of every function, method and class that no decorator registers."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        yield from (t.id for t in targets if isinstance(t, ast.Name))
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        decorators = [ast.unparse(d) for d in node.decorator_list]
        registered = [
            d for d in decorators if re.match(r"app\.|field_validator|model_validator|\w+\.command", d)
        ]
        if not registered and not node.name.startswith("__"):
            yield node.name


def test_every_definition_is_used_outside_the_tests() -> None:
    words: Counter[str] = Counter()
    defined: Counter[str] = Counter()
    for top in ("planner", "benchmarks"):
        for path in (ROOT / top).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            words.update(re.findall(r"\w+", text))
            if top == "planner":
                defined.update(definitions(ast.parse(text)))
    unused = [name for name, times in defined.items() if words[name] <= times and name not in FOR_OTHERS]
    assert not unused
