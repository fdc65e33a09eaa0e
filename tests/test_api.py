"""The API: what it takes, what it refuses with one line, and that it is documented by examples that run."""

from __future__ import annotations

import ast
import doctest
import inspect
import pydoc
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import planner
from planner import api
from planner.errors import FieldError, InputError, PlannerError
from planner.fast_dataclass import field_docs

bad: Any = planner  # what a type checker would refuse is asked here
MODULES = ["catalogue", "evidence", "hardware", "money", "offline", "planning", "vocabulary"]


@cache
def small() -> planner.Plan:
    return planner.plan("qwen3-0.6b", "rtx-4090")


BAD_CALLS: list[tuple[str, Callable[[], object], str]] = [
    ("load_model, a number", lambda: bad.load_model(3), "model"),
    ("load_model, nothing", lambda: bad.load_model(None), "model"),
    ("load_model, empty", lambda: bad.load_model(""), "MODEL is empty"),
    ("load_model, a null", lambda: bad.load_model("a\0b"), "null character"),
    ("load_model, a typing mistake", lambda: bad.load_model("gpt-oss-2b"), "gpt-oss-20b"),
    ("load_profile, a number", lambda: bad.load_profile(4090), "profile"),
    ("load_profile, unknown", lambda: bad.load_profile("rtx-4099"), "rtx-4090"),
    ("load_profile, none of one", lambda: bad.load_profile("rtx-4090 x0"), "rtx-4090"),
    ("load_profile, no RAM", lambda: bad.load_profile("rtx-4090", ram=0), "ram"),
    ("load_profile, negative RAM", lambda: bad.load_profile("rtx-4090", ram=-1), "ram"),
    ("load_profile, tiny RAM", lambda: bad.load_profile("rtx-4090", ram=1024), "ram"),
    ("load_profile, half a byte", lambda: bad.load_profile("rtx-4090", ram=1.5), "ram"),
    ("load_profile, RAM in words", lambda: bad.load_profile("rtx-4090", ram="lots"), "ram"),
    ("load_profile, VRAM is true", lambda: bad.load_profile("rtx-4090", vram=True), "vram"),
    ("load_profile, nothing at all", lambda: bad.load_profile(), "ram"),
    ("list_profiles, a number", lambda: bad.list_profiles(3), "search"),
    ("export_profile, no machine", lambda: bad.export_profile("rtx-4090"), "machine"),
    ("export_profile, a bad name", lambda: bad.export_profile(bad.load_profile("rtx-4090"), "a/b"), "name"),
    ("load_cluster, no file", lambda: bad.load_cluster("/no/such/file"), "cluster"),
    ("load_cluster, a number", lambda: bad.load_cluster(5), "cluster"),
    ("read_nodes, no JSON", lambda: bad.read_nodes("{"), "kubectl"),
    ("plan, machine=5", lambda: bad.plan("gpt-oss-20b", 5), "machine"),
    ("plan, a list for a model", lambda: bad.plan(["gpt-oss-20b"], "rtx-4090"), "model"),
    ("plan, a dict for a workload", lambda: bad.plan("gpt-oss-20b", "rtx-4090", {"context": 1}), "workload"),
    ("plan, engine=x", lambda: bad.plan("gpt-oss-20b", "rtx-4090", engine="x"), "engine 'x'"),
    ("plan, engine=3", lambda: bad.plan("gpt-oss-20b", "rtx-4090", engine=3), "engine"),
    ("plan, quant=3", lambda: bad.plan("gpt-oss-20b", "rtx-4090", quant=3), "quant"),
    ("plan, quant unknown", lambda: bad.plan("gpt-oss-20b", "rtx-4090", quant="Q99"), "Q99"),
    ("plan, quant empty", lambda: bad.plan("gpt-oss-20b", "rtx-4090", quant=""), "quant"),
    ("plan, settings a list", lambda: bad.plan("gpt-oss-20b", "rtx-4090", settings=["n_ctx"]), "settings"),
    ("plan, settings by numbers", lambda: bad.plan("gpt-oss-20b", "rtx-4090", settings={1: 2}), "settings"),
    ("plan, a setting unknown", lambda: bad.plan("gpt-oss-20b", "rtx-4090", settings={"x": 1}), "'x'"),
    (
        "plan, a setting of another type",
        lambda: bad.plan("gpt-oss-20b", "rtx-4090", engine="llama.cpp", settings={"n_ctx": []}),
        "n_ctx",
    ),
    (
        "plan, a setting of another type under vLLM",
        lambda: bad.plan("gpt-oss-20b", "h100-80gb", engine="vllm", settings={"max_model_len": {}}),
        "max_model_len",
    ),
    (
        "plan, a draft model that isn't",
        lambda: bad.plan("gpt-oss-20b", "rtx-4090", settings={"spec_draft_model": "no-such-model"}),
        "no-such-model",
    ),
    ("recommend, limit=-1", lambda: bad.recommend("rtx-4090", limit=-1), "limit"),
    ("recommend, limit=0", lambda: bad.recommend("rtx-4090", limit=0), "limit"),
    ("recommend, limit in words", lambda: bad.recommend("rtx-4090", limit="8"), "limit"),
    ("recommend, engine unknown", lambda: bad.recommend("rtx-4090", engine="torch"), "torch"),
    ("recommend, entries a number", lambda: bad.recommend("rtx-4090", entries=3), "entries"),
    ("check, machine a path", lambda: bad.check(Path("rtx-4090")), "machine"),
    ("check_cluster, a number", lambda: bad.check_cluster(3), "cluster"),
    ("check_cluster, one host twice", lambda: bad.check_cluster(twice(), ["gpt-oss-20b"]), "names"),
    ("launch, no plan", lambda: bad.launch("gpt-oss-20b"), "plan"),
    ("launch, format=x", lambda: bad.launch(small(), format="x"), "format 'x'"),
    ("launch, format=3", lambda: bad.launch(small(), format=3), "format"),
    ("launch, another engine's format", lambda: bad.launch(small(), format="sglang"), "sglang"),
    ("run, no launch", lambda: bad.run("rm -rf"), "launch"),
    ("diagnose, nothing", lambda: bad.diagnose(""), "paste"),
    ("diagnose, a number", lambda: bad.diagnose(3), "text"),
    ("alternatives, no plan", lambda: bad.alternatives(None), "plan"),
    ("over_depth, no plan", lambda: bad.over_depth({}), "plan"),
    ("shortage, no plan", lambda: bad.shortage(3), "plan"),
    ("list_models, license=foo", lambda: bad.list_models(license="foo"), "license"),
    ("list_models, a number", lambda: bad.list_models(7), "search"),
    ("check_models, license=3", lambda: bad.check_models(license=3), "license"),
    ("show, unknown", lambda: bad.show("no-such-model"), "no-such-model"),
    ("show, a number", lambda: bad.show(3), "model"),
    ("compare, one model", lambda: bad.compare(["gpt-oss-20b"]), "2 to 6"),
    ("compare, one name", lambda: bad.compare("gpt-oss-20b"), "2 to 6"),
    ("compare, numbers", lambda: bad.compare([1, 2]), "model"),
    ("buy, no models", lambda: bad.buy([]), "models"),
    ("buy, terms a dict", lambda: bad.buy("gpt-oss-20b", terms={"budget": 1}), "terms"),
    ("buy, market a dict", lambda: bad.buy("gpt-oss-20b", market={}), "market"),
    ("buy, parts unknown", lambda: bad.buy("gpt-oss-20b", market=bad.Market(have="a boat")), "boat"),
    ("BuyTerms, budget=-5", lambda: bad.BuyTerms(budget=-5), "budget"),
    ("BuyTerms, 25 hours", lambda: bad.BuyTerms(hours_per_day=25), "hours_per_day"),
    ("BuyTerms, price in words", lambda: bad.BuyTerms(kwh_price="cheap"), "kwh_price"),
    ("BuyTerms, not a number", lambda: bad.BuyTerms(months=float("nan")), "months"),
    ("Market, prices a list", lambda: bad.Market(prices=["rtx-3090"]), "prices"),
    ("Market, a negative price", lambda: bad.Market(prices={"rtx-3090": -1}), "price"),
    ("read_prices, no file", lambda: bad.read_prices("/no/such/file.toml"), "/no/such/file.toml"),
    ("cost, no plan", lambda: bad.cost("gpt-oss-20b"), "plan"),
    ("cost, of what does not fit", lambda: bad.cost(bad.plan("kimi-k2", "rtx-4060")), "does not fit"),
    ("CostTerms, api of one price", lambda: bad.CostTerms(api=(0.1,)), "api"),
    ("CostTerms, api in words", lambda: bad.CostTerms(api="0.1/0.4"), "api"),
    (
        "CostTerms, idle above load",
        lambda: bad.cost(small(), bad.CostTerms(idle_watts=9, load_watts=1)),
        "idle",
    ),
    ("bundle, nothing", lambda: bad.bundle([], "rtx-4090"), "models"),
    ("bundle, too many", lambda: bad.bundle(["gpt-oss-20b"] * 21, "rtx-4090"), "20"),
    ("bundle, does not fit", lambda: bad.bundle("kimi-k2", "rtx-4060"), "does not fit"),
    ("write_bundle, none", lambda: bad.write_bundle({}, "/tmp"), "bundle"),
    ("verify_file, no file", lambda: bad.verify_file("/no/such.gguf"), "such.gguf"),
    ("verify_server, no address", lambda: bad.verify_server("ftp://x"), "server"),
    ("verify_server, a number", lambda: bad.verify_server(11434), "server"),
    ("claims, unknown", lambda: bad.claims("nothing"), "one of"),
    ("claims, a number", lambda: bad.claims(3), "name"),
    ("quants, engine=x", lambda: bad.quants("gpt-oss-20b", "x"), "engine 'x'"),
    ("schema, unknown", lambda: bad.schema("nothing"), "one of"),
    ("schema, a number", lambda: bad.schema(3), "schema"),
    ("document, no answer", lambda: bad.document(object()), "document"),
    ("Workload, context=-5", lambda: bad.Workload(context=-5), "context"),
    ("Workload, use_case=poetry", lambda: bad.Workload(use_case="poetry"), "use_case"),
]


def twice() -> planner.Machine:
    """A cluster whose two hosts have one name."""
    from planner.fast_dataclass import replace

    machine = planner.load_profile("rtx-4090")
    return replace(machine, hosts=machine.hosts * 2)


@pytest.mark.parametrize(("call", "said"), [c[1:] for c in BAD_CALLS], ids=[c[0] for c in BAD_CALLS])
def test_bad_values_end_in_one_line(call: Callable[[], object], said: str) -> None:
    with pytest.raises(PlannerError) as caught:
        call()
    text = str(caught.value)
    assert said in text
    assert "\n" not in text and len(text) < 600
    assert isinstance(caught.value, InputError) or "does not fit" in text


def test_there_are_enough_of_them() -> None:
    assert len(BAD_CALLS) >= 40
    assert len({name for name, *_ in BAD_CALLS}) == len(BAD_CALLS)


def test_a_field_is_named_apart() -> None:
    with pytest.raises(FieldError) as caught:
        planner.BuyTerms(hours_per_day=25)
    assert (caught.value.field, caught.value.problem) == ("hours_per_day", "25 must lie between 0.01 and 24")


def test_names_are_the_same_everywhere() -> None:
    imported: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(Path(api.__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("planner."):
            imported.setdefault(node.module, set()).update(alias.name for alias in node.names)
    assert {module: set(names) for module, names in api._HOMES.items()} == imported
    assert set(api.__all__) == set().union(*imported.values())
    assert set(planner.__all__) == {*api.__all__, "__version__"}
    for name in planner.__all__:
        assert getattr(planner, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        bad.nothing  # noqa: B018 (asking is the test)


def test_the_function_keeps_the_place_of_the_module_of_its_name() -> None:
    code = "import planner.plan, planner.models.model; import planner; print(callable(planner.plan))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_importing_loads_next_to_nothing() -> None:
    code = "import sys, planner; print(*(m for m in sys.modules if m.startswith('planner')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {
        "planner", "planner.api", "planner.api.arguments", "planner.api.planning", "planner.demand",
        "planner.errors", "planner.fast_dataclass", "planner.plan", "planner.reason", "planner.units",
    }  # fmt: skip


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module: str) -> None:
    found = doctest.testmod(
        import_module(f"planner.api.{module}"), extraglobs={"planner": planner}, optionflags=doctest.ELLIPSIS
    )
    assert found.attempted and not found.failed


@pytest.mark.parametrize("name", [n for n in api.__all__ if inspect.isfunction(getattr(api, n))])
def test_functions_say_what_they_do(name: str) -> None:
    function = getattr(api, name)
    assert (inspect.getdoc(function) or "").split("\n", 1)[0].endswith((".", ":"))
    assert len(inspect.signature(function).parameters) <= 6


@pytest.mark.parametrize("name", [n for n in api.__all__ if inspect.isclass(getattr(api, n))])
def test_records_show_what_they_hold(name: str) -> None:
    record = getattr(api, name)
    assert inspect.getdoc(record), name
    if not issubclass(record, Exception) and hasattr(record, "__dataclass_fields__"):
        signature = str(inspect.signature(record))
        assert "kwargs" not in signature
        assert set(field_docs(record)) == set(record.__dataclass_fields__), "a sentence a field"
        said = pydoc.render_doc(record, renderer=pydoc.plaintext)
        assert all(field in said for field in record.__dataclass_fields__)


def test_plans_and_machines_can_be_keys() -> None:
    one, other = planner.load_profile("rtx-4090"), planner.load_profile("rtx-4090")
    assert {one: 1}[other] == 1
    plan = small()
    assert {plan: 1}[planner.plan("qwen3-0.6b", "rtx-4090")] == 1
    assert hash(planner.load_model("qwen3-0.6b")) == hash(planner.load_model("qwen3-0.6b"))


def test_version_is_the_packages() -> None:
    from importlib.metadata import version

    assert planner.__version__ == version("open-weight-planner")


PAGE = Path(__file__).parent.parent / "docs" / "api.md"


def test_the_page_of_the_api_runs() -> None:
    found = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert found.attempted > 40 and not found.failed


def test_the_page_of_the_api_names_every_function() -> None:
    text = PAGE.read_text(encoding="utf-8")
    functions = [name for name in api.__all__ if inspect.isfunction(getattr(api, name))]
    assert [name for name in functions if f"`{name}(" not in text and f"planner.{name}(" not in text] == []
