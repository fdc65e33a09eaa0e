"""The JSON schemas of all documents, made by pydantic from the records and from planner.documents.forms.

Imported only to publish or to check a schema, never on the way to an answer.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping, Sequence, Set
from enum import Enum
from functools import cache
from importlib import import_module
from os import PathLike
from types import GenericAlias, NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from planner.documents.forms import or_null
from planner.documents.register import DOCUMENTS
from planner.documents.write import SCHEMA_VERSION, JsonObject, form_of, parts_of
from planner.errors import InputError
from planner.fast_dataclass import field_docs


def schema(name: str) -> JsonObject:
    """Return the schema of one document. Raises InputError for a name that none has."""
    if name not in DOCUMENTS:
        raise InputError(f"no schema is called '{name}'; one of: {', '.join(DOCUMENTS)}")
    module, _, record = DOCUMENTS[name].partition(":")
    body = _model(getattr(import_module(module), record))
    version: Any = Literal[SCHEMA_VERSION]
    about = Field(
        description="The version of this schema; it grows when a field goes or changes its meaning."
    )
    whole: Any = create_model(
        body.__name__, __base__=body, __doc__=body.__doc__, schema_version=(version, about)
    )
    found: JsonObject = TypeAdapter(whole).json_schema(mode="serialization")
    return found


def schemas() -> dict[str, JsonObject]:
    """Return the schemas of all documents by name."""
    return {name: schema(name) for name in DOCUMENTS}


@cache
def _model(record: type) -> type[BaseModel]:
    """Return a pydantic model of what a record's JSON holds: no key beyond those."""
    fields: dict[str, Any] = {}
    form, types, docs = form_of(record), _types(record), _docs(record)
    for name in parts_of(record):
        if name in form.inline:
            fields.update(_fields_of(_model(types[name])))
            continue
        printed = _printed(types[name], form.by.get(name))
        fields[form.named.get(name, name)] = (printed, Field(description=docs.get(name)))
    made: type[BaseModel] = create_model(
        record.__name__,
        __config__=ConfigDict(extra="forbid"),
        __doc__=inspect.getdoc(record),
        **fields,
    )
    return made


def _fields_of(model: type[BaseModel]) -> dict[str, Any]:
    return {name: (field.annotation, field) for name, field in model.model_fields.items()}


def _docs(record: type) -> dict[str, str]:
    """Return the sentence of each field and property, as far as there is one."""
    properties = {n: p.fget for n, p in vars(record).items() if isinstance(p, property)}
    return {**field_docs(record), **{n: inspect.getdoc(get) or "" for n, get in properties.items()}}


def _types(record: type) -> dict[str, Any]:
    """Return the type of each field and property."""
    names = {**vars(inspect.getmodule(record)), **_imported_for_types(record)}
    found = get_type_hints(record, names)
    for name, value in vars(record).items():
        if isinstance(value, property) and value.fget is not None:
            found[name] = get_type_hints(value.fget, names)["return"]
    return found


def _imported_for_types(record: type) -> dict[str, Any]:
    """Return what a record's module imports for type checkers alone."""
    found: dict[str, Any] = {}
    tree = ast.parse(inspect.getsource(import_module(record.__module__)))
    for block in tree.body:
        if isinstance(block, ast.If) and getattr(block.test, "id", "") == "TYPE_CHECKING":
            for node in block.body:
                if isinstance(node, ast.ImportFrom) and node.module:
                    module = import_module(node.module)
                    found.update({a.asname or a.name: getattr(module, a.name) for a in node.names})
    return found


def _printed(kind: Any, by: Any = None) -> Any:
    """Return the type of a value's JSON; `by` is the function that it goes through, if any."""
    if by is or_null:
        return _printed(kind) | None
    if by is not None:
        through = get_type_hints(by)["return"]
        return through | None if NoneType in get_args(kind) else through
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return Union[tuple(_printed(one) for one in inner)]  # noqa: UP007 (made of a tuple)
    if origin is None:
        return _printed_class(kind)
    if origin is Literal:
        return kind
    if issubclass(origin, Mapping):
        return GenericAlias(dict, (str, _printed(inner[1])))
    if issubclass(origin, Sequence | Set):
        return GenericAlias(list, (_printed(inner[0]),))
    raise TypeError(f"{kind} has no JSON")


def _printed_class(kind: Any) -> Any:
    if kind in (str, int, float, bool, NoneType, Any):
        return kind
    if issubclass(kind, Enum):
        return Literal[tuple(member.value for member in kind)]
    if issubclass(kind, PathLike):
        return str
    alone = form_of(kind).alone
    return _model(kind) if alone is None else _printed(_types(kind)[alone])
