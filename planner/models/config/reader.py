"""Reading a Hugging Face config.json that nobody has checked: every value typed and bounded.

A wrong value is an InputError of one line that names the key; an absent one is the caller's default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from planner.errors import InputError

REQUIRED: Final = -1 << 62  # "no default": the key must be there
MAX_SIZE: Final = 1 << 24  # rows or columns of a tensor: the largest vocabularies have 2^18 entries
MAX_LAYERS: Final = 1024
MAX_ITEMS: Final = 4096


class Reader:
    """One JSON object of a configuration, with the names of the keys that led to it for messages."""

    __slots__ = ("data", "where")

    def __init__(self, data: Mapping[str, Any], where: str) -> None:
        self.data = data
        self.where = where

    def updated(self, keys: Mapping[str, Any]) -> Reader:
        """Return the object with other values for some keys."""
        return Reader({**self.data, **keys}, self.where)

    def with_defaults(self, defaults: Mapping[str, Any]) -> Reader:
        """Return the object with values for keys that are absent or null."""
        return Reader({**defaults, **{k: v for k, v in self.data.items() if v is not None}}, self.where)

    def wrong(self, key: str, expected: str) -> InputError:
        """Return the error for a key's value."""
        shown = repr(self.data.get(key))
        if len(shown) > 40:
            shown = shown[:37] + "..."
        return InputError(f"{self.where}: {key} is {shown}, expected {expected}")

    def has(self, key: str) -> bool:
        """True where the key is there and not null."""
        return self.data.get(key) is not None

    def first(self, keys: tuple[str, ...]) -> str | None:
        """Return the first of several names for one thing that is there."""
        for key in keys:
            if self.data.get(key) is not None:
                return key
        return None

    def integer(self, *keys: str, default: int = REQUIRED, low: int = 1, high: int = MAX_SIZE) -> int:
        """Return a whole number under the first of `keys` that is there, else the default."""
        key = self.first(keys)
        if key is None:
            if default == REQUIRED:
                raise InputError(f"{self.where}: {keys[0]} is missing: not a complete config.json")
            return default
        value = self.data[key]
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(key, f"a whole number from {low} to {high}")
        return value

    def number(self, *keys: str, default: float, low: float = 0.0, high: float = 1e9) -> float:
        """Return a finite number."""
        key = self.first(keys)
        if key is None:
            return default
        value = self.data[key]
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(key, f"a number from {low:g} to {high:g}")
        return float(value)

    def flag(self, *keys: str, default: bool) -> bool:
        """Return true or false."""
        key = self.first(keys)
        if key is None:
            return default
        value = self.data[key]
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def text(self, *keys: str, default: str = "") -> str:
        """Return a string."""
        key = self.first(keys)
        if key is None:
            return default
        value = self.data[key]
        if not isinstance(value, str) or len(value) > MAX_ITEMS:
            raise self.wrong(key, "a text")
        return value

    def integers(self, *keys: str, low: int = 0, high: int = MAX_SIZE) -> list[int] | None:
        """Return a list of whole numbers, None where there is none."""
        key = self.first(keys)
        if key is None:
            return None
        value = self.data[key]
        if (
            not isinstance(value, list | tuple)
            or len(value) > MAX_ITEMS
            or not all(isinstance(v, int) and not isinstance(v, bool) and low <= v <= high for v in value)
        ):
            raise self.wrong(key, f"a list of whole numbers from {low} to {high}")
        return list(value)

    def texts(self, *keys: str) -> list[str] | None:
        """Return a list of strings, None where there is none."""
        key = self.first(keys)
        if key is None:
            return None
        value = self.data[key]
        if (
            not isinstance(value, list | tuple)
            or len(value) > MAX_ITEMS
            or not all(isinstance(v, str) for v in value)
        ):
            raise self.wrong(key, "a list of texts")
        return list(value)

    def per_layer(self, key: str, n_layer: int, values: list[str] | list[int]) -> None:
        """Raise InputError where a list has fewer entries than the model has layers."""
        if len(values) < n_layer:
            raise InputError(f"{self.where}: {key} has {len(values)} entries for {n_layer} layers")

    def section(self, *keys: str) -> Reader | None:
        """Return a nested object, None where there is none."""
        key = self.first(keys)
        if key is None:
            return None
        value = self.data[key]
        if not isinstance(value, Mapping):
            raise self.wrong(key, "an object")
        return Reader(value, f"{self.where}: {key}")
