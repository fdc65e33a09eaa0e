"""Reads a Modelfile as Ollama does: parser/parser.go, ParseFile, written again by its state table."""

from __future__ import annotations

COMMANDS = {"from", "license", "template", "system", "adapter", "draft", "renderer"}
COMMANDS |= {"parser", "parameter", "message", "requires"}


def _unquote(text: str) -> str | None:
    if text.startswith('"""'):
        return text[3:-3] if len(text) >= 6 and text.endswith('"""') else None
    if text.startswith('"'):
        return text[1:-1] if len(text) >= 2 and text.endswith('"') else None
    return text


def parse_modelfile(text: str) -> list[tuple[str, str]]:
    """(command, value) of each line; ValueError for what Ollama refuses."""
    found: list[tuple[str, str]] = []
    state, name, kept = "nil", "", ""
    for char in text + "\n":
        blank, line_end = char in " \t", char in "\r\n"
        if state == "nil":
            if char == "#":
                state = "comment"
            elif not (blank or line_end):
                state, kept = "name", char
        elif state == "comment":
            state = "nil" if line_end else "comment"
        elif state == "name":
            if char.isascii() and char.isalpha():
                kept += char
            elif blank and kept.lower() in COMMANDS:
                name = {"from": "model"}.get(kept.lower(), kept.lower())
                state, kept = ("parameter" if name == "parameter" else "value"), ""
            else:
                raise ValueError(f"no command: {kept!r}")
        elif state == "parameter":
            if char.isascii() and (char.isalnum() or char == "_"):
                kept += char
            elif blank:
                state, name, kept = "value", kept, ""
            else:
                raise ValueError("a parameter without a value")
        elif line_end and (value := _unquote(kept.strip())) is not None:
            found.append((name, value))
            state, kept = "nil", ""
        elif char.isprintable() or line_end:
            kept += char
    if state == "value":
        raise ValueError("a quote is not closed")
    return found
