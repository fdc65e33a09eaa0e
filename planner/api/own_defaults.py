"""Defaults of this person: machine, engine, use case, money. One flat TOML file in the user's own folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from planner.api.arguments import text_of, the_engine
from planner.bounded_read import read_text
from planner.errors import InputError, PlannerError, cause_of
from planner.fast_dataclass import dataclass
from planner.own_files import config_dir, locked, write_whole
from planner.safe_text import one_line

if TYPE_CHECKING:
    from planner.documents.config import Config

HERE: Final = "here"  # as a machine: the one in front of us
_LARGEST_FILE: Final = 64 << 10  # bytes
_Value = str | float


def _machine(value: object) -> str:
    from planner.hardware.profiles.load import load_profile

    name = text_of(value, "machine").strip()
    if name != HERE:
        load_profile(name)
    return name


def _engine(value: object) -> str:
    return the_engine(text_of(value, "engine")) or ""


def _use_case(value: object) -> str:
    from planner.plan import Workload

    return Workload(use_case=text_of(value, "use case").strip().lower()).use_case.value


def _license(value: object) -> str:
    from planner.plan import Workload

    return Workload(license=text_of(value, "licence").strip().lower()).license.value


def _country(value: object) -> str:
    from planner.advice.money.shipped_prices import electricity

    code = text_of(value, "country").strip().upper()
    electricity(code)
    return code


def _currency(value: object) -> str:
    word = text_of(value, "currency").strip()
    if not re.fullmatch(r"[^\W\d_]{1,8}|[$€£¥]", word):
        raise InputError(f"'{one_line(word, 40)}' is no currency; write for example EUR")
    return word


def _number(low: float, high: float, unit: str) -> Callable[[object], float]:
    def check(value: object) -> float:
        try:
            number = float(value) if isinstance(value, str | int | float) and value is not True else -1.0
        except ValueError:
            number = -1.0
        if not low <= number <= high:  # neither does "nan"
            raise InputError(f"'{one_line(str(value), 40)}' must be {low:g} to {high:g} {unit}")
        return number

    return check


@dataclass(frozen=True, slots=True)
class _Key:
    """One default: the option that it stands for, what it does, and what reads a value of it."""

    option: str
    about: str
    check: Callable[[object], _Value]


KEYS: Final[Mapping[str, _Key]] = {
    "machine": _Key("--profile", "the machine that is asked about: a profile's name", _machine),
    "engine": _Key("--engine", "the engine that is planned", _engine),
    "use-case": _Key("--use-case", "what models are for", _use_case),
    "license": _Key("--license", "which licences are allowed", _license),
    "min-speed": _Key("--min-speed", "tokens a second that a user must see", _number(0.1, 1e5, "tokens/s")),
    "country": _Key("--country", "whose electricity and currency", _country),
    "currency": _Key("--currency", "what prices are said in", _currency),
    "usd-rate": _Key("--usd-rate", "your currency for a US dollar", _number(1e-4, 1e6, "for a dollar")),
    "kwh-price": _Key("--kwh-price", "price of a kilowatt-hour", _number(0.0, 1e4, "a kWh")),
    "hours-per-day": _Key(
        "--hours-per-day", "hours a day that it is switched on", _number(0.0, 24.0, "hours")
    ),
    "months": _Key("--months", "months over which cost is counted", _number(1.0, 240.0, "months")),
}


def config_file() -> Path | None:
    """Where the defaults are written: config.toml in the user's folder for planner; None without a home."""
    folder = config_dir()
    return None if folder is None else folder / "config.toml"


def defaults() -> dict[str, _Value]:
    """Return the defaults that this person has set, by key; empty without a file.

    Raises InputError, naming the file, for one that can't be read, a key that isn't known, or a value that
    isn't one.
    """
    path = config_file()
    if path is None or not path.is_file():
        return {}
    import tomllib

    try:
        raw = tomllib.loads(read_text(path, _LARGEST_FILE))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: {cause_of(error)}; mend or remove it") from None
    found: dict[str, _Value] = {}
    for key, value in raw.items():
        try:
            name = _known(key)
            found[name] = KEYS[name].check(value)
        except PlannerError as error:
            raise InputError(f"{path}: {one_line(key, 40)}: {error}") from None
    return found


def config() -> Config:
    """Return all defaults that can be set, with what is set.

    >>> [one.key for one in planner.config().settings][:2]
    ['machine', 'engine']
    """
    from planner.documents.config import Config, ConfigSetting

    path, values = config_file(), defaults()
    settings = (ConfigSetting(k, values.get(k), entry.option, entry.about) for k, entry in KEYS.items())
    return Config(None if path is None else str(path), tuple(settings))


def set_default(key: str, value: _Value | None) -> _Value | None:
    """Set a default of this person, or with None take it back; what else stands in the file is left as it is.

    Returns the value as it was written. Raises InputError for a key or a value that isn't one, a file that is
    broken already, and where nothing can be written.
    """
    name = _known(text_of(key, "key"))
    path = config_file()
    if path is None:
        raise InputError("this user has no home folder: there is nowhere to keep defaults")
    new = None if value is None else KEYS[name].check(value)
    try:
        with locked(path):
            defaults()  # a broken file is not made worse
            old = read_text(path, _LARGEST_FILE).splitlines() if path.is_file() else []
            kept = [line for line in old if not _sets(line, name)]
            if new is not None:
                kept.append(f"{name} = {_toml(new)}")
            write_whole(path, "".join(f"{line}\n" for line in kept))
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {cause_of(error)}") from None
    return new


def _known(key: str) -> str:
    name = key.strip().lower().replace("_", "-")
    if name not in KEYS:
        raise InputError(f"no default is called '{one_line(key, 40)}'; one of: {', '.join(KEYS)}")
    return name


def _sets(line: str, name: str) -> bool:
    key, equals, _ = line.partition("=")
    return bool(equals) and key.strip().strip("\"'").lower().replace("_", "-") == name


def _toml(value: _Value) -> str:
    """A value as TOML writes it: what JSON escapes in a text, TOML's basic strings escape alike."""
    import json

    return f"{value:g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
