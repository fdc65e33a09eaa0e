"""Flags of an engine's own command line: typed tables of them, and the reader of words by a table.

A table is text, one flag a line: names, kind of value, what it means, environment variable. An engine's folder
holds its own; what the values mean for a plan is said there too (planner.engines.commands calls it).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import Any, Final

from planner.errors import InputError
from planner.fast_dataclass import dataclass, replace


class Role(StrEnum):
    """What a flag does to a plan."""

    PLANNED = "planned"  # moves bytes or speed, by a rule: becomes a setting
    KEPT = "kept"  # moves no byte: stays in the command as it is
    UNCOUNTED = "uncounted"  # moves bytes, and no rule says how many: it is named
    GONE = "gone"  # of an earlier release: `meaning` is what took its place, if anything
    ASKS = "asks"  # prints something and ends: nothing is started


class Kind(StrEnum):
    """How a flag's value is written."""

    SWITCH = "switch"  # no value
    INT = "int"
    FLOAT = "float"
    TEXT = "text"
    SIZE = "size"  # a whole number, or 32k (1000), 32K (1024), 6G …
    JSON = "json"
    LIST = "list"  # one word or more
    PAIR = "pair"  # two words
    MAYBE = "maybe"  # a word, or none
    CHOICE = "choice"  # one of `choices`
    ANY = "any"  # a number, a truth value or a word; True where nothing follows


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag: `names` turn it on or set it, `off` turn a switch off."""

    names: tuple[str, ...]
    kind: Kind
    role: Role
    meaning: str = ""  # planned: the setting; uncounted: what isn't counted; gone: what took its place
    off: tuple[str, ...] = ()
    env: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """A flag as it was written: `words` are its value's, `value` is typed, False for a switch turned off."""

    flag: Flag
    written: str
    words: tuple[str, ...]
    value: Any

    @property
    def spelled(self) -> tuple[str, ...]:
        """The words that write it again."""
        name = self.written
        if (
            name not in self.flag.names
            and name not in self.flag.off
            and name[1:] in (*self.flag.names, *self.flag.off)
        ):
            name = name[1:]  # -ngl as the planner's own command line takes it
        return (name, *self.words)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one engine's parser reads words, and how it refuses them (formats of str.format)."""

    program: str
    invalid: str  # {name} {why}
    unknown: str  # {name}
    no_choice: str  # {value} {choices}
    joined: bool = True  # --name=value is read
    abbreviated: bool = True  # an unambiguous beginning of a long name is enough
    underscores: bool = True  # --max_model_len is --max-model-len
    dotted: bool = False  # --name.key value sets a key of a JSON value
    sizes: Mapping[str, int] = field(default_factory=dict)  # suffix of a whole number -> its factor
    # As the planner's own command line reads them: --ngl is -ngl, --mmap=false and --swa-full true are read.
    lenient: bool = False


def argparse_dialect(
    program: str, *, underscores: bool = False, dotted: bool = False, sizes: Mapping[str, int] | None = None
) -> Dialect:
    """Python's argparse, as vLLM, SGLang and mlx-lm use it."""
    return Dialect(
        program=program,
        invalid="error: argument {name}: {why}",
        unknown="error: unrecognized arguments: {name}",
        no_choice="invalid choice: '{value}' (choose from {choices})",
        underscores=underscores,
        dotted=dotted,
        sizes=sizes or {"": 1},
    )


_KINDS: Final = {kind.value: kind for kind in Kind}
_LONGEST_NUMBER: Final = 40  # characters; more would be no number that any engine holds
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?) ?([A-Za-z]*)")


def flags(role: Role, text: str, choices: Mapping[str, str] | None = None) -> tuple[Flag, ...]:
    """Read a table: "names / names that turn it off : kind : meaning : $ENVIRONMENT", a flag a line.

    The kind is one of Kind, choices written a|b|c, or @NAME for choices given by name
    (words in a text). Meaning and environment
    may be left out; a line that begins with a space goes on from the one before.
    """
    found = []
    for line in text.strip().replace("\n ", " ").splitlines():
        names, kind, *rest = (part.strip() for part in line.split(" : "))
        on, _, off = names.partition(" / ")
        env = rest.pop()[1:] if rest and rest[-1].startswith("$") else ""
        meaning = rest[0] if rest else ""
        values: tuple[str, ...] = ()
        if kind.startswith("@"):
            values = tuple((choices or {})[kind[1:]].split())
        elif "|" in kind:
            values = tuple(kind.split("|"))
        found.append(
            Flag(
                tuple(on.split()),
                Kind.CHOICE if values else _KINDS[kind],
                role,
                meaning,
                tuple(off.split()),
                env,
                values,
            )
        )
    return tuple(found)


class FlagTable:
    """All flags of one program, found by their names."""

    def __init__(self, dialect: Dialect, *groups: Sequence[Flag]) -> None:
        self.dialect = dialect
        self.flags: tuple[Flag, ...] = tuple(flag for group in groups for flag in group)
        self._by_name: dict[str, tuple[Flag, bool]] = {}
        for flag in self.flags:
            for name in flag.off:
                self._by_name[name] = (flag, False)
            for name in flag.names:
                self._by_name[name] = (flag, True)

    def __contains__(self, word: object) -> bool:
        """True for a name as it is written, without its value."""
        return isinstance(word, str) and self._find(word.partition("=")[0].partition(".")[0]) is not None

    def lenient(self, settings: Iterable[str]) -> FlagTable:
        """Return the table as the planner's command line reads it, with the planner's names of settings added."""
        spoken = {name: f"--{name.replace('_', '-')}" for name in settings}
        known: set[str] = set()
        flags: list[Flag] = []
        for flag in self.flags:
            own = spoken.get(flag.meaning) if flag.role is Role.PLANNED else None
            if own is not None:
                known.add(flag.meaning)
                if own not in self._by_name:
                    flag = replace(flag, names=(*flag.names, own))
            flags.append(flag)
        flags += [
            Flag((own,), Kind.ANY, Role.PLANNED, name)
            for name, own in spoken.items()
            if name not in known and own not in self._by_name
        ]
        return FlagTable(replace(self.dialect, lenient=True, joined=True, underscores=True), flags)

    def exact(self) -> FlagTable:
        """Return the table without abbreviations: one that fits an engine nobody named is a guess."""
        return FlagTable(replace(self.dialect, abbreviated=False), self.flags)

    def named(self, name: str) -> Flag:
        """Return the flag of this name."""
        return self._by_name[name][0]

    def read(self, words: Sequence[str]) -> tuple[list[Given], list[str]]:
        """Return the flags that the words give, in their order, and the words that belong to none.

        Raises InputError with one line, in the engine's own words, for a flag or a value that it refuses.
        """
        given: list[Given] = []
        positional: list[str] = []
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if word == "--" and self.dialect.joined:
                positional += rest
                break
            if not word.startswith("-") or word == "-" or _is_number(word):
                positional.append(word)
                continue
            given.append(self._one(word, rest))
        return _merged(given), positional

    def take(self, word: str, rest: list[str]) -> Given | None:
        """Return the flag that a word is, taking its value's words off `rest`; None for none, or one it refuses."""
        left = list(rest)
        try:
            given = self._one(word, left)
        except InputError:
            return None
        rest[:] = left
        return given

    def environment(self, env: Mapping[str, str]) -> tuple[list[Given], dict[str, str]]:
        """Return the flags that environment variables give, and the variables that are no setting."""
        by_env = {flag.env: flag for flag in self.flags if flag.env}
        given: list[Given] = []
        others: dict[str, str] = {}
        for name, text in env.items():
            flag = by_env.get(name)
            if flag is None or flag.role is not Role.PLANNED:
                others[name] = text
            if flag is None:
                continue
            if flag.kind is not Kind.SWITCH:
                given.append(Given(flag, name, (text,), self._typed(flag, name, text)))
            elif text.lower() in _TRUE:
                given.append(Given(flag, name, (), True))
            elif flag.off and text.lower() in _FALSE:
                given.append(Given(flag, name, (), False))
            elif flag.off:
                raise self._refusal(name, "invalid boolean value")
        return given, others

    def near(self, word: str) -> str | None:
        """Return the name that a mistyped one may mean."""
        from difflib import get_close_matches

        close = get_close_matches(self._plain(word), list(self._by_name), 1, 0.6)
        return close[0] if close else None

    def _plain(self, name: str) -> str:
        if self.dialect.underscores and name.startswith("--"):
            return name.replace("_", "-")
        return name

    def _find(self, name: str) -> tuple[Flag, bool] | None:
        plain = self._plain(name)
        found = self._by_name.get(plain)
        if found is None and self.dialect.lenient and plain.startswith("--"):
            found = self._by_name.get(plain[1:])
        if found is None and self.dialect.abbreviated and plain.startswith("--") and len(plain) > 3:
            begun = {id(f): (f, on) for n, (f, on) in self._by_name.items() if n.startswith(plain)}
            if len(begun) == 1:
                found = next(iter(begun.values()))
        return found

    def _one(self, word: str, rest: list[str]) -> Given:
        name, equals, inline = word.partition("=") if self.dialect.joined else (word, "", "")
        base, dot, key = name.partition(".") if self.dialect.dotted else (name, "", "")
        found = self._find(base)
        if found is None:
            found, inline = self._attached(word)
            if found is not None:
                name, equals, dot = found[0].names[0], "=", ""
        if found is None:
            raise self._unknown(name)
        flag, on = found
        if dot:
            text = inline if equals else self._next(flag, name, rest)
            return Given(flag, base, (name, text), _nested(key, text))
        if flag.kind is Kind.SWITCH:
            if equals and inline.lower() not in _TRUE | _FALSE:
                raise self._refusal(name, f"ignored explicit argument '{inline}'")
            if self.dialect.lenient and not equals and rest and rest[0].lower() in _TRUE | _FALSE:
                equals, inline = "=", rest.pop(0)
            return Given(flag, name, (), on if not equals else on == (inline.lower() in _TRUE))
        words = self._words(flag, name, [inline] if equals else None, rest)
        if flag.kind is Kind.LIST:
            return Given(flag, name, words, words)
        if flag.kind is Kind.PAIR:
            return Given(flag, name, words, words)
        if not words:
            return Given(flag, name, (), True if flag.kind is Kind.ANY else None)
        return Given(flag, name, words, self._typed(flag, name, words[0]))

    def _attached(self, word: str) -> tuple[tuple[Flag, bool] | None, str]:
        """A short flag with its value in the same word, as argparse reads -O3 and -tp4."""
        if not self.dialect.joined or word.startswith("--"):
            return None, ""
        for length in range(len(word) - 1, 1, -1):
            found = self._by_name.get(word[:length])
            if found is not None and found[0].kind is not Kind.SWITCH:
                return found, word[length:]
        return None, ""

    def _words(self, flag: Flag, name: str, inline: list[str] | None, rest: list[str]) -> tuple[str, ...]:
        if inline is not None:
            return tuple(inline)
        if flag.kind is Kind.LIST:
            words = []
            while rest and not self._is_flag(rest[0]):
                words.append(rest.pop(0))
            return tuple(words)
        if flag.kind in (Kind.MAYBE, Kind.ANY):
            return (rest.pop(0),) if rest and not self._is_flag(rest[0]) else ()
        if flag.kind is Kind.PAIR:
            return (self._next(flag, name, rest), self._next(flag, name, rest))
        return (self._next(flag, name, rest),)

    def _is_flag(self, word: str) -> bool:
        if not word.startswith("-") or _is_number(word):
            return False
        return self.dialect.joined or word in self

    def _next(self, flag: Flag, name: str, rest: list[str]) -> str:
        if not rest or (self.dialect.joined and self._is_flag(rest[0])):
            why = "expected one argument" if self.dialect.joined else "expected value for argument"
            raise self._refusal(name, why)
        return rest.pop(0)

    def _typed(self, flag: Flag, name: str, text: str) -> Any:
        if flag.kind in (Kind.INT, Kind.FLOAT, Kind.SIZE) and len(text) > _LONGEST_NUMBER:
            raise self._refusal(name, f"a number of {len(text)} characters")
        if flag.kind is Kind.INT:
            if re.fullmatch(r"[+-]?\d+", text.strip()) is None:
                why = (
                    "invalid int value: '{}'"
                    if self.dialect.joined
                    else "'{}' is not a whole number, written out"
                )
                raise self._refusal(name, why.format(text))
            return int(text)
        if flag.kind is Kind.FLOAT:
            try:
                return float(text)
            except ValueError:
                raise self._refusal(name, f"invalid float value: '{text}'") from None
        if flag.kind is Kind.SIZE:
            return self._size(name, text)
        if flag.kind is Kind.CHOICE and text not in flag.choices:
            said = self.dialect.no_choice.format(value=text, choices=", ".join(flag.choices))
            raise self._refusal(name, said)
        if flag.kind is Kind.JSON:
            return self._object(name, text)
        return _guessed(text) if flag.kind is Kind.ANY else text

    def _size(self, name: str, text: str) -> int | str:
        if text in {"auto", "-1"}:
            return text
        match = _SIZE.fullmatch(text.strip())
        factor = self.dialect.sizes.get(match[2]) if match else None
        # a binary factor (and none) takes whole numbers only
        if match is None or factor is None or ("." in match[1] and not factor & (factor - 1)):
            known = ", ".join(f"32{suffix}" for suffix in self.dialect.sizes if suffix)
            raise self._refusal(name, f"invalid value: '{text}' (a whole number, or {known})")
        return int(float(match[1]) * factor)

    def _object(self, name: str, text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._refusal(name, f"Value {text} cannot be converted to JSON: {error}") from None

    def json_value(self, given: Given, text: str) -> Any:
        """Return the JSON that a flag's text is; its refusal where it is none."""
        return self._object(given.written, text)

    def refusal(self, given: Given, why: str) -> InputError:
        """Return the engine's refusal of a value that was read."""
        return self._refusal(given.written, why)

    def _refusal(self, name: str, why: str) -> InputError:
        return InputError(f"{self.dialect.program}: {self.dialect.invalid.format(name=name, why=why)}")

    def _unknown(self, name: str) -> InputError:
        near = self.near(name)
        if not self.dialect.joined and "=" in name and name.partition("=")[0] in self:
            hint = f"; its value is a word of its own: {' '.join(name.split('=', 1))}"
        else:
            hint = f"; did you mean {near}?" if near else ""
        return InputError(f"{self.dialect.program}: {self.dialect.unknown.format(name=name)}{hint}")


_TRUE: Final = frozenset({"true", "1", "on", "yes", "enabled"})
_FALSE: Final = frozenset({"false", "0", "off", "no", "disabled"})


def _guessed(text: str) -> Any:
    """A value whose type nobody states."""
    if text.lower() in ("true", "yes", "false", "no"):
        return text.lower() in ("true", "yes")
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _is_number(word: str) -> bool:
    return re.fullmatch(r"-\d+(?:\.\d+)?(?:,-?\d+(?:\.\d+)?)*", word) is not None


def _nested(key: str, text: str) -> dict[str, Any]:
    """The object that `--name.a.b text` means; a value that is JSON is read as such."""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    for part in reversed(key.removesuffix("+").split(".")):
        value = {part.replace("-", "_"): value}
    return dict(value)


def _merged(given: Sequence[Given]) -> list[Given]:
    """Put the keys of one dotted JSON value together, at the place of the first."""
    merged: dict[str, int] = {}
    out: list[Given] = []
    for each in given:
        dotted = each.flag.kind is Kind.JSON or (len(each.words) == 2 and isinstance(each.value, dict))
        name = each.flag.names[0]
        if (
            dotted
            and name in merged
            and isinstance(out[merged[name]].value, dict)
            and isinstance(each.value, dict)
        ):
            at = merged[name]
            value = _joined(out[at].value, each.value)
            out[at] = replace(out[at], words=(json.dumps(value),), written=each.flag.names[0], value=value)
            continue
        if dotted:
            merged[name] = len(out)
        if dotted and len(each.words) == 2:
            each = replace(each, words=(json.dumps(each.value),), written=each.flag.names[0])
        out.append(each)
    return out


def _joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(first)
    for key, value in second.items():
        old = out.get(key)
        out[key] = _joined(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return out
