"""Records behave as the standard library's dataclasses do."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import pydoc
import re
from dataclasses import field
from typing import Any

import pytest

from planner.fast_dataclass import dataclass, field_docs, replace, shown_fields

quick: Any = dataclass  # two decorators on one body: more than a type checker follows


class Body:
    """A record with every kind of field that is used."""

    name: str
    size: int = 3
    parts: list[int] = field(default_factory=list, compare=False)
    note: str = field(default="", repr=False, hash=False)

    @property
    def double(self) -> int:
        """A property beside the fields."""
        return 2 * self.size


def plain_copy() -> Any:
    return type("Body", (), {k: v for k, v in Body.__dict__.items() if k not in ("__dict__", "__weakref__")})


Quick: Any = quick(frozen=True, slots=True)(plain_copy())
Standard: Any = dataclasses.dataclass(frozen=True, slots=True)(plain_copy())


@quick(frozen=True, slots=True)
class Pickled:
    """At the module's top, where pickle finds it."""

    a: int
    b: tuple[int, ...] = ()


@quick(frozen=True, slots=True)
class Checked:
    """Checks itself, holds nothing that is shown."""

    a: int

    def __post_init__(self) -> None:
        if self.a < 0:
            raise ValueError("negative")


CASES = [
    (("x",), {}),
    (("x", 4), {}),
    ((), {"name": "x", "size": 3, "note": "n"}),
    (("x",), {"parts": [1]}),
    (("y", 4, [2], "n"), {}),
]


def test_the_quick_way_is_taken() -> None:
    assert isinstance(Quick.__dict__["__dataclass_fields__"], object)
    assert type(vars(Checked)["__dataclass_fields__"]).__name__ == "_Fields"


@pytest.mark.parametrize(("args", "kwargs"), CASES)
def test_looks_and_compares_as_the_standard_one(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    ours, theirs = Quick(*args, **kwargs), Standard(*args, **kwargs)
    assert repr(ours) == repr(theirs)
    assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
    assert ours.double == theirs.double
    for other_args, other_kwargs in CASES:
        same = ours == Quick(*other_args, **other_kwargs)
        assert same == (theirs == Standard(*other_args, **other_kwargs))
        if same:
            assert hash(ours) == hash(Quick(*other_args, **other_kwargs))
    assert ours != theirs


@pytest.mark.parametrize("bad", [(), ("x", 1, [], "", 5)])
def test_refuses_wrong_arguments(bad: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match="__init__"):
        Quick(*bad)
    with pytest.raises(TypeError, match="unknown"):
        Quick("x", unknown=1)


def test_is_frozen_and_has_no_dict() -> None:
    record = Quick("x")
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.size = 4
    with pytest.raises(dataclasses.FrozenInstanceError):
        del record.size
    with pytest.raises(AttributeError):
        record.other = 1
    assert not hasattr(record, "__dict__")


def test_fields_and_replace() -> None:
    assert [f.name for f in dataclasses.fields(Quick)] == [f.name for f in dataclasses.fields(Standard)]
    assert dataclasses.replace(Quick("x"), size=9) == Quick("x", 9)
    assert dataclasses.is_dataclass(Quick)
    fresh = Quick("x").parts
    fresh.append(1)
    assert Quick("x").parts == []


def test_replaces_as_the_standard_one() -> None:
    assert replace(Quick("x", 4, [1], "n"), size=9) == Quick("x", 9, [1], "n")
    assert replace(Standard("x"), size=9) == Standard("x", 9)
    with pytest.raises(TypeError):
        replace(Quick("x"), unknown=1)


def test_pickles_and_copies() -> None:
    record = Pickled(1, (2,))
    assert pickle.loads(pickle.dumps(record)) == record
    assert copy.deepcopy(record) == record == copy.copy(record)
    match record:
        case Pickled(a, b):
            assert (a, b) == (1, (2,))


def test_post_init_runs() -> None:
    assert Checked(1).a == 1
    for _ in range(2):
        with pytest.raises(ValueError, match="negative"):
            Checked(-1)


def test_takes_keywords_only_where_asked() -> None:
    @quick(frozen=True, slots=True, kw_only=True)
    class Keywords:
        """A required field behind one with a default."""

        a: int = 1
        b: int

    made: Any = Keywords
    assert type(vars(made)["__dataclass_fields__"]).__name__ == "_Fields"
    assert made(b=2) == made(a=1, b=2)
    assert dataclasses.replace(made(b=2), a=3) == made(a=3, b=2)
    with pytest.raises(TypeError):
        made(1, 2)


def test_leaves_to_the_standard_what_it_does_not_know() -> None:
    @quick(frozen=True, slots=True, order=True)
    class Ordered:
        """Compares by size."""

        a: int

    @quick(slots=True)
    class Mutable:
        """Can be changed."""

        a: int

    assert Ordered(1) < Ordered(2)
    changed = Mutable(1)
    changed.a = 2
    assert changed == Mutable(2)


@quick(frozen=True, slots=True)
class Told:
    """Says what it holds."""

    size: int
    """Bytes."""
    name: str = "x"
    """As people
    say it.
    """
    parts: tuple[int, ...] = field(default_factory=tuple)
    silent: str = field(default="", repr=False)


def test_the_signature_shows_the_fields() -> None:
    wanted = "(size: int, name: str = 'x', parts: tuple[int, ...] = tuple(), silent: str = '')"
    assert str(inspect.signature(Told)) == wanted
    assert Told(3).size == 3
    assert str(inspect.signature(Told)) == wanted, "and still does after the first instance"


def test_the_signature_of_one_that_takes_keywords() -> None:
    @quick(frozen=True, slots=True, kw_only=True)
    class Keywords:
        """A required field behind one with a default."""

        a: int = 1
        b: int

    assert str(inspect.signature(Keywords)) == "(*, a: int = 1, b: int)"


def test_help_shows_each_field_with_its_sentence() -> None:
    said = pydoc.render_doc(Told, renderer=pydoc.plaintext)
    assert "Told(size: int" in re.sub(r"\n \|  +", "", said)  # Python 3.13 breaks long signatures
    assert said.index("size\n |      Bytes.") < said.index("name\n |      As people\n |      say it.")
    assert "__" not in said and "_values_of" not in said, "nothing that all records have"
    assert field_docs(Told) == {"size": "Bytes.", "name": "As people\nsay it."}
    assert field_docs(plain_copy()) == {}, "made without source"


def test_shown_fields_are_those_of_the_repr() -> None:
    assert shown_fields(Told) == ("size", "name", "parts")
    assert shown_fields(Quick) == shown_fields(Standard) == ("name", "size", "parts")
    assert shown_fields(int) == ()
