"""A file imports only from floors below its own (see docs/architecture.md), never in a circle.

Inside a package its files and folders are the rooms, and the floors are those of FLOORS, lowest first. A room
that FLOORS doesn't name may stand on any floor on which nothing below it asks it and it asks nothing above.
The names of whole packages are all there: a new one is placed on purpose.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS: Mapping[str, list[set[str]]] = {
    "planner": [
        {"fast_dataclass"},
        {"reason"},
        {"errors"},
        {"outside_numbers", "safe_text", "bounded_read"},
        {"bounded_http", "own_files"},
        {"units", "shipped_files", "text_search"},
        {"demand"},
        {"plan"},
        {"models", "hardware"},
        {"quant"},
        {"engines"},
        {"speed", "verify"},
        {"launching"},
        {"advice"},
        {"documents"},
        {"api"},
        {"web", "mcp"},
        {"cli"},
        {"__main__"},
    ],
    "planner.models": [
        {"cache", "tensors"},
        {"architecture"},
        {"gguf"},
        {"config", "hub"},
        {"catalogue"},
        {"model"},
        {"load"},
    ],
    "planner.models.config": [{"reader"}, {"dims"}, {"rope"}, {"families"}, {"architecture"}],
    "planner.models.config.families": [
        {"parts"},
        {"decoder_keys"},
        {"decoder"},
        {"decoder_table", "latent_attention", "gated_delta", "mamba2"},
        {"kimi_delta", "deepseek_v4", "longcat", "granite_hybrid", "nemotron_h", "falcon_h1", "qwen4_exp"},
    ],
    "planner.models.gguf": [{"types", "tensor_roles"}, {"scan"}, {"header"}, {"layers"}, {"architecture"}],
    "planner.hardware": [
        {"machine"},
        {"profiles"},
        {"found"},
        {"host"},
        {"vendors"},
        {"detect"},
        {"cluster"},
    ],
    "planner.hardware.profiles": [
        {"profile"},
        {"build_index"},
        {"store"},
        {"listing"},
        {"load"},
    ],
    "planner.quant": [{"formats"}, {"mix_rules"}, {"mixes"}],
    "planner.engines": [{"base"}, {"llama_cpp", "vllm"}, {"ollama", "sglang", "whisper_cpp"}],
    "planner.engines.llama_cpp": [
        {"settings"},
        {"placing"},
        {"graph"},
        {"compute"},
        {"allocation"},
        {"room"},
        {"search"},
        {"reasons"},
        {"engine"},
    ],
    "planner.engines.llama_cpp.graph": [
        {"ggml"},
        {"builder"},
        {"feed_forward", "recurrent"},
        {"attention"},
        {"layers"},
        {"prediction_layers"},
        {"reserve"},
    ],
    "planner.engines.llama_cpp.graph.ggml": [
        {"tensor"},
        {"allocator", "cuda_fusion", "supported_ops"},
        {"scheduler"},
    ],
    "planner.engines.vllm": [
        {"releases"},
        {"settings"},
        {"memory"},
        {"refusals"},
        {"deployment"},
        {"search"},
        {"reasons"},
        {"engine"},
    ],
    "planner.engines.vllm.memory": [
        {"page_kinds", "storage", "mxfp4"},
        {"packed_pages", "shards"},
        {"weights"},
        {"layer_pages"},
        {"kv_cache"},
    ],
    "planner.speed": [
        {"situation", "cache_work"},
        {"model_work"},
        {"job", "count_work"},
        {"terms"},
        {"decode_terms", "prefill_terms"},
        {"coefficients", "first_token"},
        {"estimate"},
        {"plans"},
    ],
    "planner.advice": [{"plan"}, {"recommend", "money"}, {"claims", "best_machine"}],
}
# SGLang starts what was planned by vLLM's rules, as long as it has none of its own.
# whisper.cpp stands on the same ggml as llama.cpp, and takes as much beside its own accounting.
MAY_ASK = {("ollama", "llama_cpp"), ("sglang", "vllm"), ("lm_studio", "mlx"), ("whisper_cpp", "llama_cpp")}
# What ggml's allocator may know: how tensors are stored. It knows no model, no engine's setting.
BELOW_GGML = re.compile(
    r"planner\.(errors|units|fast_dataclass|quant\.formats|engines\.llama_cpp\.tensor_types|engines\.llama_cpp\.graph\.ggml)\b"
)
VOCABULARY = (
    ROOT / "planner/plan.py"
)  # names models and machines in annotations alone, imports neither to run
TARGET = re.compile(r"planner(?:\.\w+)+:\w+")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def exists(name: str) -> bool:
    place = ROOT / Path(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").exists()


def nodes(path: Path) -> Iterator[ast.AST]:
    """Everything in a file; of the vocabulary, what is there for a type checker alone is left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path == VOCABULARY:
        typed = [n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
        tree.body = [n for n in tree.body if n not in typed]
    return ast.walk(tree)


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module of ours that a file imports: at its top, inside a function, or for types alone."""
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            found.update(name if exists(name) else node.module for name in whole)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return frozenset(name for name in found if name.split(".")[0] in ("planner", "benchmarks"))


FILES = sorted(
    p
    for top in ("planner", "benchmarks")
    for p in (ROOT / top).rglob("*.py")
    if p != ROOT / "planner/__init__.py"
)
PACKAGES = sorted(
    {module_name(p.parent / "__init__.py") for p in FILES if (p.parent / "__init__.py").exists()}
)


def room(name: str, package: str) -> str:
    """Return the file or folder of a package that a module is, or is in; "" where it is in none."""
    return name.removeprefix(package + ".").split(".")[0] if name.startswith(package + ".") else ""


def arrows(package: str) -> dict[str, dict[str, str]]:
    """Return which room of a package imports which, with one import that shows it."""
    found: dict[str, dict[str, str]] = {}
    for path in FILES:
        own = room(module_name(path), package)
        if not own:
            continue
        asked = found.setdefault(own, {})
        for target in imports(path):
            other = room(target, package)
            if other and other != own:
                asked.setdefault(other, f"{module_name(path)} imports {target}")
    return found


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the names along a circle, empty where there is none."""
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        for other in graph.get(name, ()):
            found = visit(other, [*trail, name])
            if found:
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := visit(name, []))), [])


@pytest.mark.parametrize("package", FLOORS)
def test_imports_only_from_floors_below(package: str) -> None:
    floor_of = {name: floor for floor, names in enumerate(FLOORS[package]) for name in names}
    graph = arrows(package)
    assert set(floor_of) <= {*graph, "__main__"}, f"{package} has no {set(floor_of) - set(graph)}"
    for own, asked in graph.items():
        for other, shown in asked.items():
            if own in floor_of and other in floor_of:
                assert floor_of[other] < floor_of[own], (
                    f"{shown}: floor {floor_of[other]} from {floor_of[own]}"
                )


@pytest.mark.parametrize("package", FLOORS)
def test_a_room_that_is_not_named_stands_on_a_floor(package: str) -> None:
    graph = {own: set(asked) for own, asked in arrows(package).items()}
    for lower, upper in zip(FLOORS[package], FLOORS[package][1:], strict=False):
        for name in upper:
            graph.setdefault(name, set()).update(lower)
    assert not circle(graph), f"{package}: {' -> '.join(circle(graph))}"


def test_every_package_of_the_house_is_placed_on_purpose() -> None:
    assert set(arrows("planner")) == set().union(*FLOORS["planner"])


@pytest.mark.parametrize("package", PACKAGES)
def test_no_circle_between_the_rooms_of_a_package(package: str) -> None:
    found = circle(arrows(package))
    assert not found, " -> ".join(found)


@pytest.mark.parametrize("top", ["planner", "benchmarks"])
def test_no_circle_between_modules(top: str) -> None:
    graph = {module_name(p): imports(p) - {module_name(p)} for p in FILES if module_name(p).startswith(top)}
    found = circle(graph)
    assert not found, " -> ".join(found)


def test_the_planner_imports_no_benchmark() -> None:
    for path in FILES:
        if module_name(path).startswith("planner"):
            assert not [name for name in imports(path) if name.startswith("benchmarks")], path


def test_nothing_below_imports_the_whole_planner() -> None:
    """`import planner` is the door of people: behind it, whoever asks the API names it."""
    for path in FILES:
        name = module_name(path)
        if name.startswith("planner.") and room(name, "planner") not in ("cli", "web", "mcp"):
            assert "planner" not in imports(path), name


def test_engines_do_not_import_each_other() -> None:
    folders = {p.name for p in (ROOT / "planner/engines").iterdir() if (p / "__init__.py").exists()}
    assert {"llama_cpp", "ollama", "vllm"} <= folders
    for own, asked in arrows("planner.engines").items():
        for other, shown in asked.items():
            if own in folders and other in folders:
                assert (own, other) in MAY_ASK, shown


def test_ggml_knows_no_model_and_no_engine() -> None:
    for path in (ROOT / "planner/engines/llama_cpp/graph/ggml").glob("*.py"):
        for target in imports(path):
            assert BELOW_GGML.match(target), f"{module_name(path)} imports {target}"


def targets() -> list[str]:
    """Every "module:attribute" in the planner: arrows that no import shows."""
    found: set[str] = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and TARGET.fullmatch(node.value)
            ):
                found.add(node.value)
    return sorted(found)


@pytest.mark.parametrize("target", targets())
def test_a_registered_target_can_be_imported(target: str) -> None:
    module, _, attribute = target.partition(":")
    assert callable(getattr(import_module(module), attribute))
