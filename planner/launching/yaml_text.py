"""Write YAML: mappings, lists, strings, numbers and truth values, nothing else.

Every string is double-quoted (a JSON string is a YAML string) or, with several lines, a literal block, so
that no value is read as anything but itself: no anchors, no tags, no "no" that becomes false.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def to_yaml(value: Mapping[str, Any], comment: str = "") -> str:
    """Return one YAML document; `comment` lines stand above it."""
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    return head + "\n".join(_mapping(value, 0)) + "\n"


def to_yaml_documents(values: Sequence[Mapping[str, Any]], comment: str = "") -> str:
    """Return several YAML documents in one file."""
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    return head + "---\n".join("\n".join(_mapping(value, 0)) + "\n" for value in values)


def _mapping(value: Mapping[str, Any], indent: int) -> list[str]:
    lines = []
    for key, item in value.items():
        lines.extend(_entry(f"{' ' * indent}{_key(key)}:", item, indent))
    return lines


def _entry(head: str, item: Any, indent: int) -> list[str]:
    if isinstance(item, Mapping):
        return [head, *_mapping(item, indent + 2)] if item else [f"{head} {{}}"]
    if isinstance(item, (list, tuple)):
        return [head, *_sequence(item, indent + 2)] if item else [f"{head} []"]
    if isinstance(item, str) and _is_block(item):
        pad = " " * (indent + 2)
        return [f"{head} |", *(f"{pad}{line}" if line else "" for line in item[:-1].split("\n"))]
    return [f"{head} {_scalar(item)}"]


def _sequence(items: Sequence[Any], indent: int) -> list[str]:
    lines = []
    for item in items:
        if isinstance(item, Mapping) and item:
            inner = _mapping(item, indent + 2)
            lines.append(f"{' ' * indent}- {inner[0].lstrip()}")
            lines.extend(inner[1:])
        else:
            lines.extend(_entry(f"{' ' * indent}-", item, indent))
    return lines


def _is_block(text: str) -> bool:
    """A literal block keeps a text exactly where it ends in one newline and its lines are printable."""
    if "\n" not in text or not text.endswith("\n") or text.endswith("\n\n") or text.startswith((" ", "\n")):
        return False
    return all(char.isprintable() or char == "\n" for char in text)


def _key(key: str) -> str:
    plain = key.replace("_", "").replace("-", "").replace(".", "").replace("/", "")
    simple = plain.isascii() and plain.isalnum() and key[0].isalpha()
    return key if simple and key.lower() not in _WORDS else json.dumps(key)


_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def _scalar(item: Any) -> str:
    if item is None or isinstance(item, (bool, int)):
        return json.dumps(item)
    if isinstance(item, float):
        return repr(item)
    return json.dumps(str(item))
