"""Recognise what stands in a paste: engine, build, command, model, messages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.resources import files
from itertools import islice
from typing import Any, Final

from planner.engines.evidence import (
    Calculator,
    Cause,
    Evidence,
    Fix,
    Message,
    PastedCommand,
    Rule,
    Seen,
    Sizing,
    Weight,
)
from planner.engines.register import DIAGNOSED
from planner.fast_dataclass import dataclass
from planner.verify.diagnose.commands import commands, stated
from planner.verify.diagnose.paste import Line, Paste

# Of a long paste: what decides stands at the start and at the end.
HEAD: Final = 80_000
TAIL: Final = 220_000
MOST_SEEN: Final = 400

_IN_TEXT: Final = re.compile(
    r"\b(?P<name>(?:LLAMA_ARG|OLLAMA|GGML|VLLM|SGLANG|CUDA|HIP|MLX)_[A-Z0-9_]{2,60})[=:] ?(?P<value>[^\s,;]{1,80})"
)
_BUILDS: Final = (
    re.compile(r"\bbuild_?(?:info)?:? ?=? ?(?P<build>b?\d{4,6})\b"),
    re.compile(r"\bversion: (?P<build>\d{4,6}) \("),
    re.compile(r"\(build (?P<build>\d{4,6}),"),
    re.compile(r"\b(?:vLLM API server version|LLM engine \(v|vllm[ =]+v?)(?P<build>\d+\.\d+\.\d+)"),
    re.compile(r"\(version (?P<build>\d+\.\d+\.\d+)\)"),
    re.compile(r"\b(?P<build>b\d{4,6})\b"),
)
_MODEL_FLAGS: Final = (
    "-m",
    "--model",
    "-hf",
    "-hfr",
    "--hf-repo",
    "--model-path",
    "--model-id",
    "--served-model-name",
)
_SUBCOMMANDS: Final = ("serve", "run", "load", "ps", "create")
_SYSTEMS: Final = (
    ("windows", re.compile(r"\.exe\b|[A-Z]:\\|\bWDDM\b|\bWindows\b|\bPS [A-Z]:")),
    (
        "macos",
        re.compile(
            r"\bmacOS\b|\bMetal\b|\[METAL\]|\[metal::|\bM[1-9](?: Pro| Max| Ultra)?\b|kIOGPU|kernel panic"
        ),
    ),
)
_NAMES: Final = (
    re.compile(r"(?P<name>[\w./\\-]+\.gguf)\b"),
    re.compile(r"\b(?P<name>[A-Za-z][\w.-]*/[A-Za-z][\w.-]{2,80})\b"),
    re.compile(r"\b(?P<name>[a-z][\w.-]{1,40}:(?:[a-z]?\d[\w.-]{0,30}))"),
    re.compile(
        r"\b(?P<name>(?:gpt-oss|qwen|llama|gemma|mistral|ministral|devstral|deepseek|glm|kimi|minimax|granite|phi|nemotron|laguna)"
        r"[\w.-]{1,60})",
        re.I,
    ),
)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All messages and rules there are."""

    messages: tuple[tuple[Message, re.Pattern[str], tuple[str, ...]], ...]  # with what must stand in the text
    programs: Mapping[str, str]  # program -> folder
    signs: Mapping[str, re.Pattern[str]]  # folder -> what shows the engine; the first that is found counts
    by_folder: Mapping[str, tuple[Rule, ...]]
    runs: Mapping[str, tuple[str, ...]]  # folder -> those of the engines that it runs inside itself
    in_own_words: Mapping[
        str, Callable[[Fix], Fix | None]
    ]  # folder -> another engine's change as it is made there
    sizing: Mapping[str, Sizing]  # folder -> what makes a start smaller
    logged: Mapping[str, Callable[[Evidence], Mapping[str, int]]]  # folder -> what its log says of each part
    logs: Mapping[str, str]  # folder -> how to get the log that says more

    def speaking(self, folder: str | None) -> tuple[str, ...]:
        """The folders whose rules speak about an engine: its own, and those of what it runs; all for none."""
        return (folder, *self.runs.get(folder, ())) if folder is not None else tuple(self.by_folder)


@cache
def knowledge() -> Knowledge:
    """Read the messages and rules of all engines, and the system's messages."""
    messages: list[tuple[Message, re.Pattern[str], tuple[str, ...]]] = []
    modules = {folder: import_module(f"planner.engines.{folder}.diagnosis") for folder in DIAGNOSED}
    for folder in modules:
        messages += _messages(f"planner.engines.{folder}")
    messages += _messages("planner.verify.diagnose")
    return Knowledge(
        messages=tuple(messages),
        programs={program: folder for folder, module in modules.items() for program in module.PROGRAMS},
        # of wrappers and their engine, the wrapper's first
        signs={folder: re.compile(modules[folder].SIGN, re.I) for folder in reversed(DIAGNOSED)},
        by_folder={folder: tuple(module.RULES) for folder, module in modules.items()},
        runs={folder: tuple(getattr(module, "RUNS", ())) for folder, module in modules.items()},
        in_own_words={f: m.in_own_words for f, m in modules.items() if hasattr(m, "in_own_words")},
        sizing={folder: getattr(module, "SIZING", Sizing()) for folder, module in modules.items()},
        logged={folder: module.logged for folder, module in modules.items() if hasattr(module, "logged")},
        logs={folder: module.LOG for folder, module in modules.items()},
    )


def _messages(package: str) -> Iterator[tuple[Message, re.Pattern[str], tuple[str, ...]]]:
    rows = json.loads(files(package).joinpath("messages.json").read_text(encoding="utf-8"))
    for row in rows:
        message = Message(
            id=row["id"],
            kind=row["class"],
            versions=row["versions"],
            pattern=row["pattern"],
            means=row["means"],
            decides=row["decides"],
            cures=tuple(_cure(*cure) for cure in row["cures"]),
            source=row["source"],
            folder=package.rpartition("planner.engines.")[2] if "engines" in package else None,
            cause=Cause(row["cause"]) if "cause" in row else None,
            weight=_weight(row),
        )
        yield message, re.compile(row["pattern"]), tuple(row["needs"])


def _cure(do: str, cost: str, change: Mapping[str, Any] | None = None) -> Fix:
    change = change or {}
    return Fix(do, cost, change.get("set", {}), tuple(change.get("drop", ())), change.get("env", {}))


def _weight(row: Mapping[str, Any]) -> Weight:
    return Weight[row.get("weight", "notice" if row.get("cause") == Cause.NOTICE else "message").upper()]


def read(
    paste: Paste,
    memory: Callable[[Evidence], Calculator | None] | None = None,
    released: Callable[[str], str | None] | None = None,
    is_model: Callable[[str], bool] = bool,
    model: str | None = None,
) -> Evidence:
    """Return all that is recognised in a paste.

    `memory` makes the arithmetic about its model, `released` says when an architecture's first model came out,
    `is_model` whether a name is a model's, `model` names it where the paste is silent or wrong.
    """
    known = knowledge()
    paste = _shortened(paste)
    text = paste.text
    seen = _seen(paste, text, known)
    typed = tuple(commands(paste, known.programs))
    command = _failing(typed, seen)
    shown = command.folder if command else _engine(f"{paste.writers}\n{text}")
    engine = shown or next((s.message.folder for s in seen if s.message.folder), None)
    env = {m["name"]: m["value"] for m in _IN_TEXT.finditer(text)} | dict(command.env if command else {})
    evidence = Evidence(
        text=text,
        engine=engine,
        build=_build(text),
        command=command,
        env=env,
        model=model or next((m for m in dict.fromkeys(_models(command, text)) if is_model(m)), None),
        seen=seen,
        system=next((name for name, pattern in _SYSTEMS if pattern.search(text)), None),
        released=released,
        stated=stated(paste, engine),
        shown=shown is not None,
    )
    if memory is None:
        return evidence
    from planner.fast_dataclass import replace

    return replace(evidence, memory=memory(evidence))


def _shortened(paste: Paste) -> Paste:
    total = sum(len(line.text) + 1 for line in paste.lines)
    if total <= HEAD + TAIL:
        return paste
    head: list[Line] = []
    tail: list[Line] = []
    room = HEAD
    for line in paste.lines:
        room -= len(line.text) + 1
        if room < 0:
            break
        head.append(line)
    room = TAIL
    for line in reversed(paste.lines[len(head) :]):
        room -= len(line.text) + 1
        if room < 0:
            break
        tail.append(line)
    return Paste((*head, *reversed(tail)))


def _seen(paste: Paste, text: str, known: Knowledge) -> tuple[Seen, ...]:
    wanted = [(m, pattern) for m, pattern, needs in known.messages if any(need in text for need in needs)]
    found: list[Seen] = []
    for line in paste.lines:
        for message, pattern in wanted:
            match = pattern.search(line.text)
            if match is not None:
                values = {k: v for k, v in match.groupdict().items() if v is not None}
                found.append(Seen(message, line.number, line.text, values))
        if len(found) >= MOST_SEEN:
            break
    return tuple(found)


def _failing(typed: tuple[PastedCommand, ...], seen: tuple[Seen, ...]) -> PastedCommand | None:
    """The command that the failure belongs to: the last one above the last error, else the first."""
    errors = [s.line for s in seen if s.message.weight is not Weight.NOTICE]
    above = [c for c in typed if errors and c.line < errors[-1]]
    return above[-1] if above else next(iter(typed), None)


def _engine(text: str) -> str | None:
    return next((name for name, sign in knowledge().signs.items() if sign.search(text)), None)


def _build(text: str) -> str | None:
    for pattern in _BUILDS:
        found = pattern.search(text)
        if found:
            return found["build"]
    return None


def _models(command: PastedCommand | None, text: str) -> Iterator[str]:
    """Yield what may name the model: the command's own word first, then what looks like a name in the text."""
    if command is not None:
        for piece in command.pieces():
            if piece.name in {command.canonical(flag) for flag in _MODEL_FLAGS}:
                yield piece.value
        yield from [p.words[0] for p in command.pieces() if not p.name and p.words[0] not in _SUBCOMMANDS][:1]
    for pattern in _NAMES:
        yield from islice((m["name"] for m in pattern.finditer(text)), 20)
