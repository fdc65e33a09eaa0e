"""Outside an engine's own folder nobody spells its name: not in a comparison, not as a key, not in a list of choices.

What differs between engines is asked of their facts (planner/engines/facts.py). The register is the one place that
lists them.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from planner.engines.register import DIAGNOSED, ENGINES, STARTERS, all_facts

PACKAGE = Path(__file__).parent.parent / "planner"
REGISTER = PACKAGE / "engines" / "register.py"
FOLDERS = {
    *(PACKAGE / "engines" / name for name in DIAGNOSED),
    *(
        PACKAGE.parent.joinpath(*target.partition(":")[0].split(".")).parent
        for target in (*ENGINES.values(), *STARTERS.values())
    ),
}
# A format of files is called as the engine that reads them.
FORMATS = PACKAGE / "models" / "file_format.py"
FILES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path not in (REGISTER, FORMATS) and not any(folder in path.parents for folder in FOLDERS)
]
NAMES = frozenset(
    name.lower()
    for facts in all_facts()
    for name in (facts.name, facts.title, facts.server or "", *facts.aliases, *facts.programs)
    if name
)


def names_in(source: str) -> list[tuple[int, str]]:
    """(line, name) of every string that is an engine's name, in any case; sentences and texts may hold one."""
    return [
        (node.lineno, node.value)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.lower() in NAMES
    ]


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(PACKAGE)) for p in FILES])
def test_nobody_spells_an_engines_name(path: Path) -> None:
    assert not names_in(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "line",
    [
        "if plan.engine == 'vllm': pass",
        "x = name.lower() in ('llama.cpp', 'other')",
        "x = {'OLLAMA': 1}[name]",
        "match name:\n    case 'sglang': pass",
        "get_engine('vLLM')",
    ],
)
def test_the_test_sees_it(line: str) -> None:
    assert names_in(line)


def test_the_test_reads_the_folders() -> None:
    """Every engine's folder is left out, and nothing else."""
    assert {f.name for f in FOLDERS} == {
        "llama_cpp",
        "ollama",
        "vllm",
        "sglang",
        "mlx",
        "lm_studio",
        "whisper_cpp",
    }
    assert PACKAGE / "engines" / "facts.py" in FILES and len(FILES) > 150
    assert not names_in("print('vllm is named in a sentence')")
