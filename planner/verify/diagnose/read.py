"""Recognise what stands in a paste: engine, build, command, model, messages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.resources import files
from itertools import islice
from typing import Final

from planner.engines.evidence import Calculator, Evidence, Message, Rule, Seen
from planner.engines.pasted import split_commands
from planner.engines.register import DIAGNOSED
from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.verify.diagnose.paste import Line, Paste

# Of a long paste: what decides stands at the start and at the end.
HEAD: Final = 80_000
TAIL: Final = 220_000
MOST_SEEN: Final = 400

_ENV: Final = re.compile(r"^(?P<name>[A-Z][A-Z0-9_]{2,63})=(?P<value>.*)$", re.S)
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
    rules: tuple[Rule, ...]
    programs: Mapping[str, str]  # program -> folder
    signs: Mapping[str, re.Pattern[str]]  # folder -> what shows the engine; the first that is found counts
    by_folder: Mapping[str, tuple[Rule, ...]]

    def rules_of(self, folder: str | None) -> tuple[Rule, ...]:
        """The rules of one engine."""
        return self.by_folder.get(folder or "", ())


@cache
def knowledge() -> Knowledge:
    """Read the messages and rules of all engines and of the system."""
    from planner.verify.diagnose import system

    messages: list[tuple[Message, re.Pattern[str], tuple[str, ...]]] = []
    rules: list[Rule] = []
    programs: dict[str, str] = {}
    by_folder: dict[str, tuple[Rule, ...]] = {}
    signs: dict[str, re.Pattern[str]] = {}
    for folder in DIAGNOSED:
        module = import_module(f"planner.engines.{folder}.diagnosis")
        messages += _messages(f"planner.engines.{folder}")
        by_folder[folder] = tuple(module.RULES)
        rules += module.RULES
        programs.update(dict.fromkeys(module.PROGRAMS, folder))
        signs = {
            folder: re.compile(module.SIGN, re.I),
            **signs,
        }  # of wrappers and their engine, the wrapper's first
    messages += _messages("planner.verify.diagnose")
    return Knowledge(tuple(messages), (*rules, *system.RULES), programs, signs, by_folder)


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
            cures=tuple((do, cost) for do, cost in row["cures"]),
            source=row["source"],
            folder=package.rpartition("planner.engines.")[2] if "engines" in package else None,
        )
        yield message, re.compile(row["pattern"]), tuple(row["needs"])


@dataclass(frozen=True, slots=True)
class Command:
    """A command line of the paste."""

    program: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    line: int


def read(
    paste: Paste,
    memory: Callable[[Evidence], Calculator | None] | None = None,
    released: Callable[[str], str | None] | None = None,
    is_model: Callable[[str], bool] = bool,
) -> Evidence:
    """Return all that is recognised in a paste.

    `memory` makes the arithmetic about its model, `released` says when an architecture's first model came out,
    `is_model` whether a name is a model's.
    """
    known = knowledge()
    paste = _shortened(paste)
    text = paste.text
    seen = _seen(paste, text, known)
    command = next(iter(_commands(paste, known)), None)
    env = {m["name"]: m["value"] for m in _IN_TEXT.finditer(text)} | dict(command.env if command else {})
    evidence = Evidence(
        text=text,
        engine=known.programs[command.program] if command else _engine(text, seen),
        build=_build(text),
        program=command.program if command else None,
        argv=command.argv if command else (),
        env=env,
        model=next((m for m in dict.fromkeys(_models(command, text)) if is_model(m)), None),
        seen=seen,
        system=next((name for name, pattern in _SYSTEMS if pattern.search(text)), None),
        released=released,
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


def _commands(paste: Paste, known: Knowledge) -> Iterator[Command]:
    for line in paste.lines:
        if not any(program in line.text for program in known.programs):
            continue
        words = _words(line.text)
        env: dict[str, str] = {}
        for index, word in enumerate(words):
            assigned = _ENV.match(word)
            if assigned:
                env[assigned["name"]] = assigned["value"]
                continue
            program = re.sub(r"\.exe$", "", re.split(r"[\\/]", word)[-1], flags=re.I)
            if program not in known.programs:
                continue
            rest = tuple(w for w in words[index + 1 :] if w not in ("...", "…"))
            # In prose a program's name is followed by words, in a command by a subcommand, a flag, or nothing.
            if line.typed or (
                rest and (rest[0].startswith("-") or rest[0] in ("serve", "run", "load", "ps", "create"))
            ):
                yield Command(program, rest, env, line.number)
            break


def _words(text: str) -> list[str]:
    text = text.split("        (", 1)[0]  # a person's remark behind the command
    try:
        return next(iter(split_commands(text)), [])
    except InputError:
        return text.split()


def _engine(text: str, seen: tuple[Seen, ...]) -> str | None:
    shown = next((name for name, sign in knowledge().signs.items() if sign.search(text)), None)
    return shown or next((s.message.folder for s in seen if s.message.folder), None)


def _build(text: str) -> str | None:
    for pattern in _BUILDS:
        found = pattern.search(text)
        if found:
            return found["build"]
    return None


def _models(command: Command | None, text: str) -> Iterator[str]:
    """Yield what may name the model: the command's own word first, then what looks like a name in the text."""
    if command is not None:
        for index, word in enumerate(command.argv):
            name, equals, value = word.partition("=")
            if name in _MODEL_FLAGS:
                yield value if equals else next(iter(command.argv[index + 1 : index + 2]), "")
        plain = [w for w in command.argv if not w.startswith("-")]
        if command.argv and command.argv[0] in ("serve", "run", "load") and len(plain) > 1:
            yield plain[1]
    for pattern in _NAMES:
        yield from islice((m["name"] for m in pattern.finditer(text)), 20)
