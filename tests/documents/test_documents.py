"""Documents are the records that the program uses: what is printed, and what the schema says of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from importlib import import_module
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import jsonschema
import pytest

from planner.documents import forms, write
from planner.documents.forms import FORMS, Form, four_digits, or_null, whole
from planner.documents.schema import DOCUMENTS, schema, schemas
from planner.documents.write import SCHEMA_VERSION, doc, document
from planner.errors import InputError
from planner.fast_dataclass import dataclass, shown_fields

ROOT = Path(__file__).parents[2]


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Inner:
    low: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    text: str
    kind: str = "note"


@dataclass(frozen=True, slots=True)
class Outer:
    name: str
    colour: Colour
    inner: Inner
    parts: tuple[Inner, ...]
    sizes: Mapping[str, int]
    where: Path
    why: tuple[Told, ...] = ()
    bulk: str = field(default="", repr=False)
    empty: str = ""

    @property
    def double(self) -> str:
        """The name twice."""
        return self.name * 2


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {
        f"{__name__}:Outer": Form(
            without=("colour",),
            also=("double",),
            named={"name": "title"},
            by={"empty": or_null},
            inline=("inner",),
        ),
        f"{__name__}:Inner": Form(by={"low": four_digits}),
        f"{__name__}:Told": Form(alone="text"),
    }
    monkeypatch.setattr(write, "FORMS", {**FORMS, **here})


OUTER = Outer(
    "a",
    Colour.RED,
    Inner(1.23456),
    (Inner(2.0, "x"),),
    MappingProxyType({"k": 3}),
    Path("/a/b"),
    (Told("because"),),
    bulk="much",
)


def test_a_record_that_nothing_is_declared_of_is_printed_field_by_field() -> None:
    assert doc(OUTER) == {
        "name": "a",
        "colour": "red",
        "inner": {"low": 1.23456, "label": ""},
        "parts": [{"low": 2.0, "label": "x"}],
        "sizes": {"k": 3},
        "where": "/a/b",
        "why": [{"text": "because", "kind": "note"}],
        "empty": "",
    }


@pytest.mark.usefixtures("declared")
def test_what_is_declared_changes_it() -> None:
    assert document(OUTER) == {
        "schema_version": SCHEMA_VERSION,
        "title": "a",
        "low": 1.235,
        "label": "",
        "parts": [{"low": 2.0, "label": "x"}],
        "sizes": {"k": 3},
        "where": "/a/b",
        "why": ["because"],
        "empty": None,
        "double": "aa",
    }


@pytest.mark.usefixtures("declared")
def test_the_schema_follows_from_the_same_record(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "planner.documents.schema"
    monkeypatch.setattr(f"{module}.DOCUMENTS", {"toy": f"{__name__}:Outer"})
    toy = schema("toy")
    jsonschema.validate(document(OUTER), toy)
    properties = toy["properties"]
    assert set(properties) == set(document(OUTER))
    assert properties["double"]["description"] == "The name twice."
    assert properties["schema_version"]["const"] == SCHEMA_VERSION
    for bad in ({"title": 3}, {"low": "x"}, {"more": 1}, {"why": [{}]}, {"sizes": {"k": "x"}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**document(OUTER), **bad}, toy)


@pytest.mark.parametrize("value", [object(), Path, lambda: 1, 3j])
def test_what_has_no_json_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no JSON"):
        doc({"x": [value]})


def test_sets_are_printed_in_order_and_paths_as_text() -> None:
    assert doc(frozenset({"b", "a"})) == ["a", "b"]
    assert doc(PurePosixPath("x/y")) == "x/y"


@pytest.mark.parametrize("name", list(FORMS))
def test_forms_name_what_is_there(name: str) -> None:
    module, _, record = name.partition(":")
    found, form = getattr(import_module(module), record), FORMS[name]
    fields = set(shown_fields(found))
    assert set(form.without) <= fields
    assert set(form.inline) <= fields
    assert not fields & set(form.also)
    assert all(isinstance(getattr(found, also), property) for also in form.also)
    printed = (fields - set(form.without)) | set(form.also)
    assert {*form.named, *form.by} <= printed
    assert form.alone is None or form.alone in fields


@pytest.mark.parametrize("name", list(DOCUMENTS))
def test_schemas_are_whole(name: str) -> None:
    found = schema(name)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["properties"]["schema_version"] == {
        "const": SCHEMA_VERSION,
        "description": "The version of this schema; it grows when a field goes or changes its meaning.",
        "title": "Schema Version",
        "type": "integer",
    }
    assert set(found["required"]) == set(found["properties"]), "every key is always there"
    for part in (found, *found.get("$defs", {}).values()):
        assert part["additionalProperties"] is False
        assert part["description"], part["title"]


def test_every_command_that_takes_json_has_a_schema() -> None:
    from planner.cli.main import COMMANDS

    assert set(COMMANDS) - {"schema", "web", "mcp"} <= set(DOCUMENTS)
    assert set(schemas()) == set(DOCUMENTS)
    with pytest.raises(InputError, match="one of: check, plan"):
        schema("nothing")


# What other programs read: keys that no change may take away while the version stays.
CONTRACT: dict[str, set[str]] = {
    "plan": {
        "model", "quant", "engine", "fits", "placement", "settings", "memory", "max_context", "max_concurrency",
        "speed", "command", "fit", "env", "source", "why", "warnings",
    },
    "check": {"machine", "plans", "notes"},
    "launch": {"model", "command", "env", "files"},
    "buy": {
        "models", "currency", "budget", "months", "options", "next_step", "rented", "unpriced", "not_to_buy", "notes",
    },
    "cost": {
        "model", "quant", "engine", "machine", "currency", "months", "output_tokens_per_day",
        "input_tokens_per_day", "own", "alternatives", "days_per_month", "notes",
    },
    "models": {"models"},
    "models-check": {"models", "summary"},
    "models-refresh": {"answered", "failed", "licence_changes", "new"},
    "show": {
        "id", "name", "family", "vendor", "released", "licence", "licence_class", "context", "context_extended",
        "total_params", "active_params", "capabilities", "scores", "verified", "superseded_by", "aliases",
        "licence_terms", "architecture", "files", "ollama", "vllm", "benchmarks", "sources",
    },
    "compare": {"machine", "context", "models"},
    "claims": {"claims"},
    "bundle": {"models", "engines", "size", "on_the_target"},
    "doctor": {"machine", "engines", "differences", "models", "stores", "exported"},
    "profiles": {"profiles"},
    "verify": {"verifications"},
}  # fmt: skip
PARTS: dict[str, tuple[str, set[str]]] = {
    "DeviceMemory": (
        "plan",
        {"name", "kind", "weights", "kv_cache", "state", "compute", "overhead", "total", "available"},
    ),
    "MemoryEstimate": ("plan", {"devices", "total"}),
    "SpeedEstimate": ("plan", {"decode_tps", "prefill_tps", "ttft_s", "total_output_tps", "limited_by", "faster"}),
    "Interval": ("plan", {"low", "expected", "high"}),
    "Machine": ("check", {"name", "detected", "profile", "hosts", "sources", "notes"}),
    "Host": ("check", {"name", "os", "ram_total", "ram_available", "cpu", "gpus", "limits"}),
    "Accelerator": (
        "check",
        {"name", "vendor", "backend", "index", "profile", "memory_total", "memory_free", "unified", "mig",
         "compute_capability", "memory_bandwidth"},
    ),
    "FleetPlaces": ("check", {"placed", "unplaced", "short", "left"}),
    "LaunchFile": ("launch", {"name", "content"}),
    "Option": (
        "buy",
        {"profile", "name", "kind", "price", "price_low", "price_high", "price_note", "hourly_price", "cost", "watts",
         "noise", "decode_tps", "quality_loss", "problem", "plans"},
    ),
    "OwnCost": (
        "cost", {"price", "kwh_per_day", "running_per_month", "total", "per_million_output", "feasible"}
    ),
    "OtherCost": ("cost", {"name", "per_month", "total", "break_even_month", "verdict"}),
    "Column": ("compare", {"id", "kv_cache", "smallest_useful", "plan", "reason"}),
    "CardCheck": (
        "models-check",
        {"id", "complete", "parameters_verified", "published", "counted", "difference", "published_count_holds",
         "file_verified", "files", "reason"},
    ),
    "ProfileInfo": ("profiles", {"id", "class", "memory", "ram", "memory_bandwidth", "price_low", "hourly_price"}),
    "Part": ("verify", {"device", "what", "unit", "predicted", "measured", "error", "agrees"}),
    "BundledModel": (
        "bundle",
        {"model", "folder", "repository", "include", "ollama_tag", "files", "size", "licence", "licence_link",
         "start", "plan", "notes"},
    ),
    "BundledEngine": ("bundle", {"engine", "name", "from", "fetch"}),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CONTRACT))
def test_no_key_of_the_contract_is_gone(name: str) -> None:
    assert CONTRACT[name] <= set(schema(name)["properties"])


@pytest.mark.parametrize("part", list(PARTS))
def test_no_key_of_a_part_is_gone(part: str) -> None:
    name, keys = PARTS[part]
    assert keys <= set(schema(name)["$defs"][part]["properties"])


def test_figures_are_rounded_to_what_is_known() -> None:
    assert four_digits(123456.0) == 123500.0
    assert whole(3.9) == 3
    assert (or_null(""), or_null("x"), or_null(0)) == (None, "x", None)
    assert forms.dotted((8, 9)) == "8.9"


def test_writing_imports_nothing_heavy() -> None:
    code = "import sys, planner.documents.write; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    heavy: set[Any] = {"pydantic", "json"}
    assert not heavy & set(loaded.stdout.split())
