"""A paste made readable: colours and prefixes off, command lines joined and told from the rest.

What is pasted is hostile until checked: it is bounded before it is read, escapes are taken out, and nothing in it
is ever run or opened.
"""

from __future__ import annotations

import re
from typing import Final

from planner.errors import InputError
from planner.fast_dataclass import dataclass

MOST_CHARACTERS: Final = 4_000_000
MOST_LINES: Final = 40_000
LONGEST_LINE: Final = 2_000

_ESCAPES: Final = re.compile(
    r"\x1b\[[0-9;?]{0,32}[ -/]{0,4}[@-~]|\x1b\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)|\x1b."
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
# What others put in front of an engine's line, each tried once, in this order.
_PREFIXES: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"^(?P<writer>[\w.-]{1,64})\s{0,16}\| {1,4}",  # docker compose: "vllm-1  | …"
        r"^\[pod/(?P<writer>[^\]\s]{1,200})\] ",  # kubectl logs --prefix
        r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)\s(?:std(?:out|err) [FP] )?",
        r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S{1,64} (?P<writer>[\w@./-]{1,64})(?:\[\d+\])?: ",  # journald, syslog
        r"^\[\s{0,8}\d{1,10}\.\d{3,6}\] ",  # dmesg
        r"^\((?:EngineCore|Worker|APIServer|ApiServer)\w{0,32}(?: \w{2,8}=\d+)?\) ",  # vLLM's processes
        r"^\[\d{4,5}\] ",  # llama.cpp's router: the child's port
        r"^\d{1,6}\.\d\d\.\d{3}\.\d{3} (?=[DIWE] )",  # llama.cpp since May 2026
    )
)
_PROMPT: Final = re.compile(
    r"^(?:PS [^>]{0,200}>|[A-Za-z]:\\[^>]{0,200}>|[\w.-]{1,64}@[\w.-]{1,64}(?::[^$#]{0,200})?[$#]|[$#>%»❯])\s+"
)
_CONTINUES: Final = re.compile(r"(?:\s\\|\s\^|\s`)\s*$")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the paste, with its number as the person counts."""

    number: int
    text: str
    typed: bool  # it stood after a prompt
    writer: str = ""  # the program or container whose name stood in front of it


@dataclass(frozen=True, slots=True)
class Paste:
    """The lines that are left, in order."""

    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        """All lines together."""
        return "\n".join(line.text for line in self.lines)

    @property
    def writers(self) -> str:
        """Programs and containers that wrote lines, as journald, Docker and kubectl name them."""
        return " ".join(dict.fromkeys(line.writer for line in self.lines if line.writer))


def clean(text: str) -> Paste:
    """Return the paste without escapes, prefixes and prompts; commands over several lines are joined.

    Raises InputError for an empty paste and for one of more than four million characters.
    """
    if len(text) > MOST_CHARACTERS:
        raise InputError(
            f"the paste has {len(text):,} characters; the last few thousand lines before the error are enough"
        )
    rows = text.splitlines()
    if len(rows) > MOST_LINES:
        # What decides stands at the start (machine, settings) and at the end (the error).
        half = MOST_LINES // 2
        numbered = [*enumerate(rows[:half], 1), *enumerate(rows[-half:], len(rows) - half + 1)]
    else:
        numbered = list(enumerate(rows, 1))
    lines: list[Line] = []
    pending: Line | None = None
    for number, raw in numbered:
        line = _line(number, raw)
        if pending is not None:
            joined = f"{_CONTINUES.sub('', pending.text)} {line.text.strip()}"[:LONGEST_LINE]
            line = Line(pending.number, joined, pending.typed)
            pending = None
        if _CONTINUES.search(line.text):
            pending = line
        elif line.text.strip():
            lines.append(line)
    if pending is not None:
        lines.append(Line(pending.number, _CONTINUES.sub("", pending.text), pending.typed))
    if not lines:
        raise InputError(
            "there is nothing in the paste; give a command, a log or an error (a file, or - for standard"
            " input)"
        )
    return Paste(tuple(lines))


def visible(text: str) -> str:
    """Return a piece of the paste as it may be shown on a terminal: no escapes, no control characters."""
    return _CONTROL.sub("", _ESCAPES.sub("", text))


def _line(number: int, raw: str) -> Line:
    text = visible(raw[: 2 * LONGEST_LINE])[:LONGEST_LINE].rstrip()
    writer = ""
    for prefix in _PREFIXES:
        found = prefix.match(text)
        if found is not None:
            writer = found.groupdict().get("writer") or writer
            text = text[found.end() :]
    prompt = _PROMPT.match(text)
    return Line(number, text[prompt.end() :] if prompt else text, prompt is not None, writer)
