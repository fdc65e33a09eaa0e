"""The OpenAPI document: questions from their records, answers from the schemas of the documents."""

from __future__ import annotations

from typing import Any, Final

from planner.api import schema, schema_names
from planner.api.questions.ask import QUESTIONS, about
from planner.api.questions.forms import question_schema

_ERROR: Final = {
    "type": "object",
    "properties": {"error": {"type": "string", "description": "What is wrong, where, and how to mend it."}},
    "required": ["error"],
}


def openapi(version: str) -> dict[str, Any]:
    """Return the document, OpenAPI 3.1."""
    components: dict[str, Any] = {"Error": _ERROR}
    paths: dict[str, Any] = {}
    for name in QUESTIONS:
        components[f"{name}-question"] = question_schema(name)
        paths[f"/api/v1/{name}"] = {"post": _post(name)}
    for name in sorted(set(QUESTIONS) & set(schema_names())):
        components.update(_flat(name, schema(name)))
    plain = {"type": "object", "additionalProperties": True}
    for path, said in (
        ("health", "Whether the server answers."),
        ("version", "The planner's version, and which machine it would plan for."),
    ):
        paths[f"/api/v1/{path}"] = {
            "get": {"summary": said, "responses": {"200": _json("It does.", plain), **_refused()}}
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "planner",
            "version": version,
            "summary": "Which open-weight model runs on which machine: computed by the engines' own rules.",
        },
        "paths": paths,
        "components": {"schemas": components},
    }


def _post(name: str) -> dict[str, Any]:
    answer = {"$ref": f"#/components/schemas/{name}"} if name in schema_names() else {"type": "object"}
    return {
        "summary": about(name),
        "operationId": name,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}-question"}}},
        },
        "responses": {
            "200": _json("The document that the command of this name prints with --json.", answer),
            "400": _json("A question that cannot be answered.", {"$ref": "#/components/schemas/Error"}),
            "413": _json("A question that is too long.", {"$ref": "#/components/schemas/Error"}),
            "415": _json("No JSON.", {"$ref": "#/components/schemas/Error"}),
            **_refused(),
        },
    }


def _refused() -> dict[str, Any]:
    error = {"$ref": "#/components/schemas/Error"}
    return {
        "401": _json("Without the token that this server asks for.", error),
        "429": _json("Too many requests; ask again after a moment.", error),
    }


def _json(said: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": said, "content": {"application/json": {"schema": schema}}}


def _flat(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A document's schema with its parts as components of their own: references name the whole document."""
    parts = schema.pop("$defs", {})
    flat = {name: schema, **{f"{name}.{part}": body for part, body in parts.items()}}
    return {key: _renamed(body, name) for key, body in flat.items()}


def _renamed(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {
            key: f"#/components/schemas/{name}.{one.removeprefix('#/$defs/')}"
            if key == "$ref" and isinstance(one, str)
            else _renamed(one, name)
            for key, one in value.items()
        }
    return [_renamed(one, name) for one in value] if isinstance(value, list) else value
