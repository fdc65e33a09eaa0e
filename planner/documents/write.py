"""Any record as JSON: its fields under their own names, but for what planner.documents.forms declares.

A document is a record that the program uses anyway; its schema (planner.documents.schema) is made from the
same record and the same declarations. A field that a record keeps out of its `repr` is kept out of its JSON
too. Built for a cold start: nothing here imports pydantic or json.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from os import PathLike, fspath
from typing import Any, Final

from planner.documents.forms import FORMS, PLAIN_FORM, Form
from planner.fast_dataclass import shown_fields

JsonObject = dict[str, Any]
# Of every document. It grows when a field goes, is renamed or changes its meaning; new fields leave it as it is.
SCHEMA_VERSION: Final = 1
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


def document(value: object) -> JsonObject:
    """Return an answer as what --json prints: a JSON object with the version of the schema first."""
    return {"schema_version": SCHEMA_VERSION, **_object(value)}


def doc(value: Any) -> Any:
    """Return any value of an answer as JSON. Raises TypeError for what has no JSON."""
    kind = value.__class__
    if kind in _PLAIN:
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): doc(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [doc(one) for one in value]
    if isinstance(value, frozenset | set):
        return sorted(doc(one) for one in value)
    if isinstance(value, PathLike):
        return fspath(value)
    alone = form_of(kind).alone
    return _object(value) if alone is None else doc(getattr(value, alone))


def form_of(record: type) -> Form:
    """Return what is declared of a record."""
    return FORMS.get(f"{record.__module__}:{record.__qualname__}", PLAIN_FORM)


def parts_of(record: type) -> tuple[str, ...]:
    """Return the names of the fields and properties that a record's JSON has, in its order."""
    form = form_of(record)
    return (*(name for name in shown_fields(record) if name not in form.without), *form.also)


def _object(record: object) -> JsonObject:
    form, names = form_of(record.__class__), parts_of(record.__class__)
    if not names:
        raise TypeError(f"{record.__class__.__name__} has no JSON")
    found: JsonObject = {}
    for name in names:
        value = getattr(record, name)
        if value is not None and name in form.by:
            value = form.by[name](value)
        if name in form.inline:
            found.update(_object(value))
        else:
            found[form.named.get(name, name)] = doc(value)
    return found
