"""JSON schemas of questions: what an OpenAPI document and an agent's tool say of their arguments."""

from __future__ import annotations

from typing import Any, Final

from planner.api.questions.ask import Argument, about, arguments

_TYPES: Final[dict[str, dict[str, Any]]] = {
    "text": {"type": "string"},
    "number": {"type": "number"},
    "whole number": {"type": "integer"},
    "list of texts": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 6},
    "table": {"type": "object"},
}


def question_schema(question: str) -> dict[str, Any]:
    """Return the JSON schema of a question's arguments. Raises InputError for a question that there is none of."""
    taken = arguments(question)
    return {
        "type": "object",
        "description": about(question),
        "properties": {argument.name: _property(argument) for argument in taken},
        "required": [argument.name for argument in taken if argument.required],
        "additionalProperties": False,
    }


def _property(argument: Argument) -> dict[str, Any]:
    plain = _TYPES[argument.kind]
    found: dict[str, Any] = {"anyOf": [plain, {"type": "null"}]} if argument.nullable else dict(plain)
    found["description"] = argument.about
    if not argument.required:
        found["default"] = argument.default
    return found
