"""What the API's functions take: names as well as objects, and one clear line for anything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Final, TypeVar

from planner.errors import FieldError
from planner.plan import Plan, Workload
from planner.units import MAX_BYTES, MIB, parse_memory

if TYPE_CHECKING:
    from planner.hardware.machine import Machine
    from planner.models.model import Model

LEAST_MEMORY: Final = 64 * MIB  # bytes; smaller sizes are typing mistakes
_T = TypeVar("_T")


def the_model(value: object, progress: Callable[[str], None] | None = None) -> Model:
    """Return a model that is given as one or by its name. Raises InputError for anything else."""
    from planner.models.model import Model

    if isinstance(value, Model):
        return value
    if isinstance(value, str | PathLike):
        from planner.models.load import load_model

        return load_model(text_of(fspath(value), "model"), progress)
    raise FieldError("model", f"{_shown(value)} is none; give its name, an id, a path or a Model")


def the_models(value: object) -> list[Model]:
    """Return the models of one name, one Model or several of them. Raises InputError for none."""
    several = value if isinstance(value, list | tuple) else [value]
    if not several:
        raise FieldError("models", "are none; name at least one")
    return [the_model(one) for one in several]


def the_machine(value: object) -> Machine:
    """Return a machine that is given as one or by its profile; None is the one in front of us."""
    from planner.hardware.machine import Machine

    if isinstance(value, Machine):
        return value
    if value is None:
        from planner.hardware.detect import detect

        return detect()
    if isinstance(value, str):
        from planner.hardware.profiles.load import load_profile

        return load_profile(value)
    raise FieldError(
        "machine", f"{_shown(value)} is none; give a profile's name, a Machine, or None for this one"
    )


def the_workload(value: object) -> Workload:
    """Return a workload; None is the usual one."""
    return Workload() if value is None else instance_of(value, Workload, "workload")


def the_plan(value: object) -> Plan:
    """Return a plan. Raises InputError for what is none."""
    return instance_of(value, Plan, "plan")


def instance_of(value: object, kind: type[_T], field: str) -> _T:
    """Return a value of a kind. Raises InputError for another."""
    if not isinstance(value, kind):
        raise FieldError(field, f"{_shown(value)} must be a {kind.__name__}")
    return value


def text_of(value: object, field: str) -> str:
    """Return a text. Raises InputError for what is none, or holds a character that no name has."""
    if not isinstance(value, str):
        raise FieldError(field, f"{_shown(value)} must be a text")
    if "\0" in value:
        raise FieldError(field, "holds a null character")
    return value


def text_or_none(value: object, field: str) -> str | None:
    """Return a text or None."""
    return None if value is None else text_of(value, field)


def the_engine(value: object) -> str | None:
    """Return an engine's own name of any spelling; None is the planner's choice."""
    if value is None:
        return None
    from planner.engines.register import get_engine

    return get_engine(text_of(value, "engine")).name


def the_settings(value: object) -> Mapping[str, Any]:
    """Return an engine's settings by their names."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise FieldError(
            "settings", f'{_shown(value)} must be a dict of names, for example {{"n_ctx": 8192}}'
        )
    return value


def count_of(value: object, field: str, low: int, high: int) -> int:
    """Return a whole number within its limits. Raises InputError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise FieldError(field, f"{_shown(value)} must be a whole number from {low:,} to {high:,}")
    return value


def memory_of(value: object, field: str) -> int | None:
    """Return bytes that are given as such or as a text ("24GiB"); None stays None."""
    if value is None:
        return None
    size = (
        parse_memory(value, field=field) if isinstance(value, str) else count_of(value, field, 1, MAX_BYTES)
    )
    if size < LEAST_MEMORY:
        raise FieldError(field, "is less than any model needs; write for example 24GiB")
    return size


def _shown(value: object) -> str:
    """A value in an error's line: short, and never over several lines."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
