"""From plain values to a question, and from its answer to a document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, Final

from planner.api.questions import kinds
from planner.api.questions.strangers import LONGEST_NAME
from planner.errors import FieldError, InputError
from planner.fast_dataclass import dataclass, field_docs

QUESTIONS: Final[dict[str, type[kinds.Question]]] = {
    "check": kinds.Check,
    "plan": kinds.PlanOf,
    "neighbours": kinds.Neighbours,
    "quants": kinds.Quants,
    "launch": kinds.Launch,
    "buy": kinds.Buy,
    "buy-machine": kinds.BuyMachine,
    "cost": kinds.Cost,
    "compare": kinds.Compare,
    "models": kinds.Models,
    "show": kinds.Show,
    "profiles": kinds.Profiles,
    "claims": kinds.Claims,
    "diagnose": kinds.Diagnose,
}
# Texts that may be longer than a name; the question itself says how long.
_LONG: Final = frozenset({"text", "model"})
_KINDS: Final = {
    "str": "text",
    "float": "number",
    "int": "whole number",
    "list[str]": "list of texts",
    "dict": "table",
}


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a question."""

    name: str
    """As it is sent."""
    kind: str
    """text, number, whole number, list of texts or table."""
    about: str
    """What it is, in a sentence."""
    required: bool
    """True where there is no default."""
    default: Any = None
    """What it is, left out."""
    nullable: bool = False
    """True where null may be sent."""


@cache
def arguments(question: str) -> tuple[Argument, ...]:
    """Return what a question takes. Raises InputError for a question that there is none of."""
    record = _record(question)
    docs: dict[str, str] = {}
    for base in reversed(record.__mro__):
        docs.update(field_docs(base) if base is not object else {})
    found = []
    for one in fields(record):
        written = str(one.type)
        kind = next(said for start, said in _KINDS.items() if written.startswith(start))
        required = one.default is MISSING
        default = None if required else one.default
        found.append(Argument(one.name, kind, docs.get(one.name, ""), required, default, "None" in written))
    return tuple(sorted(found, key=lambda argument: not argument.required))


def about(question: str) -> str:
    """Return what a question asks, in a sentence."""
    return " ".join((_record(question).__doc__ or "").split())


def ask(question: str, values: Mapping[str, object], *, here: bool = False) -> dict[str, Any]:
    """Answer a question of plain values with its document: what the command of its name prints with --json.

    `here`: the machine that computes is the asker's own, so that a question without a machine means this one.
    Raises InputError for a question or an argument that there is none of, or a value that cannot be;
    UnsupportedError, RefusedError and UnfitError as the API's functions.

        >>> from planner.api.questions.ask import ask
        >>> ask("plan", {"model": "gpt-oss-20b", "profile": "rtx-4090"})["fits"]
        True
    """
    from planner.api.vocabulary import document

    known = {argument.name: argument for argument in arguments(question)}
    given: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise InputError(f"{question} has no argument '{name[:40]}'; it takes {', '.join(known)}")
        given[name] = _checked(known[name], value)
    missing = [a.name for a in known.values() if a.required and a.name not in given]
    if missing:
        raise FieldError(missing[0], f"is missing; {question} needs it")
    return document(_record(question)(**given).answer(here))


def _record(question: str) -> type[kinds.Question]:
    record = QUESTIONS.get(question)
    if record is None:
        raise InputError(f"there is no question '{question[:40]}'; there are {', '.join(QUESTIONS)}")
    return record


def _checked(argument: Argument, value: object) -> object:
    """A value of the argument's kind; numbers are finite. Raises InputError for another."""
    if value is None and argument.nullable:
        return None
    fits = {
        "text": isinstance(value, str) and (argument.name in _LONG or len(value) <= LONGEST_NAME),
        "whole number": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15,
        "list of texts": isinstance(value, list)
        and all(isinstance(one, str) and len(one) <= LONGEST_NAME for one in value),
        "table": isinstance(value, dict) and all(isinstance(name, str) for name in value),
    }
    if not fits[argument.kind]:
        raise FieldError(argument.name, f"must be a {argument.kind}")
    return float(value) if argument.kind == "number" and isinstance(value, int) else value
