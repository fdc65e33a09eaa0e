"""Reasons are decided by their kind; a text can be reworded or translated without an answer changing."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

import planner
from planner.advice.plan.one_plan import shortage
from planner.errors import RefusedError, UnsupportedError
from planner.plan import Plan, Workload
from planner.reason import SHORTAGES, Reason, ReasonKind

PACKAGE = Path(planner.__file__).parent
BIG = ("llama-3.1-405b", "rtx-4090")


def plans() -> list[Plan]:
    """A plan of every engine that fits, and one that doesn't."""
    found = []
    for engine in ("llama.cpp", "ollama", "vllm"):
        found.append(planner.plan("qwen3-8b", "rtx-4090", engine=engine))
        found.append(planner.plan(*BIG, Workload(context=4096), engine=engine))
    return found


def test_every_reason_has_a_kind_and_says_its_figures() -> None:
    for plan in plans():
        assert plan.why
        for reason in (*plan.why, *plan.warnings):
            assert isinstance(reason.kind, ReasonKind) and reason.text == str(reason)
            assert all(isinstance(v, int | float | str) for v in reason.values.values())


def test_what_does_not_fit_says_what_is_short_first() -> None:
    for plan in plans():
        if plan.fits:
            assert plan.shortage is None
            continue
        assert plan.shortage is plan.why[0] and plan.shortage.kind in SHORTAGES
        assert plan.shortage.clause in plan.shortage.text
        assert shortage(plan) == plan.shortage.clause


def test_rewording_changes_no_decision() -> None:
    for plan in plans():
        reworded = tuple(replace(r, text="?", clause="!") for r in plan.why)
        other = replace(plan, why=reworded)
        assert (other.shortage is None) == (plan.shortage is None)


def test_a_refusal_carries_its_reason() -> None:
    with pytest.raises(UnsupportedError) as error:
        planner.plan("qwen3-8b", "apple-m4-max-128gb", engine="vllm", quant="BF16")
    assert error.value.reason is not None and error.value.reason.kind is ReasonKind.NOT_SUPPORTED
    refused = RefusedError(Reason(ReasonKind.REFUSED, "no"))
    assert str(refused) == "no" and refused.reason is not None
    assert RefusedError("plain").reason is None


PARTS = ("startswith", "endswith", "removeprefix", "removesuffix")


def reads_prose(node: ast.AST) -> bool:
    """True for a test of a reason's text: `plan.why[0].text.startswith(…)`, `"…" in reason.text`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in PARTS:
        return ends_in_text(node.func.value)
    if isinstance(node, ast.Compare):
        return any(ends_in_text(side) for side in node.comparators)
    return False


def ends_in_text(node: ast.AST) -> bool:
    """True for a reason's own words; an engine's log, which is read, is none of ours."""
    if isinstance(node, ast.Attribute) and node.attr in ("text", "clause"):
        node = node.value
        if isinstance(node, ast.Name | ast.Attribute):
            return name_of(node) in ("reason", "warning", "shortage", "change", "caution")
    if isinstance(node, ast.Subscript):
        node = node.value
    return isinstance(node, ast.Attribute) and node.attr in ("why", "warnings", "limited_by")


def name_of(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def test_nothing_reads_a_sentence_to_decide() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call | ast.Compare) and reads_prose(node)
    ]
    assert found == []
