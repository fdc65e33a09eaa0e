"""Command lines of a paste: typed after a prompt, in prose, in a file that starts an engine, or stated by a log."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from planner.engines.commands import Reader, readers
from planner.engines.evidence import PastedCommand
from planner.engines.manifests import commands_in
from planner.engines.pasted import Pasted, split_commands, unwrap
from planner.errors import InputError
from planner.verify.diagnose.paste import Line, Paste

_ENV: Final = re.compile(r"^(?P<name>[A-Z][A-Z0-9_]{2,63})=(?P<value>.*)$", re.S)
_MANIFEST: Final = re.compile(r"^\s*(?:services:|apiVersion:|ExecStart=)", re.M)
_LONGEST_MANIFEST: Final = 60_000  # characters
_SUBCOMMANDS: Final = ("serve", "run", "load", "ps", "create", "launch", "server", "chat")
# What logs say about the command that was given.
_CMD: Final = re.compile(r'\bcmd="(?P<cmd>(?:[^"\\]|\\.){1,1900})"?')  # Ollama: starting llama-server cmd="…"
_ARGS: Final = re.compile(
    r"(?:non-default args: \{|ServerArgs\(|LLM engine \(v[^)]{1,40}\) with config: )(?P<args>.+)"
)
_PAIR: Final = re.compile(
    r"'?(?P<name>[a-z]\w{2,40})'?(?:: |=)(?P<value>'[^']{0,200}'|\"[^\"]{0,200}\"|[\w./+-]{1,100})"
)
_REMARK: Final = re.compile(r"\s{2,}\(|\s#\s")  # a person's words behind the command
_NOTHING: Final = frozenset({"None", "False", "auto", ""})


@cache
def _known() -> tuple[tuple[str, Reader], ...]:
    """The readers of command lines, each with its engine's folder."""
    return tuple((getattr(reader, "__name__", "").split(".")[-2], reader) for reader in readers())


def commands(paste: Paste, programs: Mapping[str, str]) -> Iterator[PastedCommand]:
    """Yield the commands of a paste in their order; `programs` are names of programs without a reader -> folder."""
    hints = (*programs, *_all_hints())
    for line in paste.lines:
        if any(hint in line.text for hint in hints):
            yield from _of_line(line, programs)
    if len(paste.lines) > 1 and _MANIFEST.search(text := paste.text) and len(text) < _LONGEST_MANIFEST:
        for pasted in _in_file(text):
            found = _started(list(pasted.words), pasted.env, pasted, 1, programs)
            if found is not None:
                yield found


def stated(paste: Paste, folder: str | None) -> tuple[PastedCommand, ...]:
    """Return what logs say that an engine was started with: as commands, each with the line that says it."""
    found: list[PastedCommand] = []
    for line in paste.lines:
        inner = _CMD.search(line.text) if "cmd=" in line.text else None
        if inner is not None:
            words = _words(inner["cmd"].replace('\\"', '"'))
            reader = _known()[0]
            found.append(PastedCommand(reader[0], (), tuple(words), {}, line.number, reader[1].table(())))
            continue
        args = _ARGS.search(line.text)
        if args is None:
            continue
        for name, reader_ in _known():
            if name == folder:
                words = [w for pair in _PAIR.finditer(args["args"]) for w in _flag(pair)]
                found.append(PastedCommand(name, (), tuple(words), {}, line.number, reader_.table(())))
    return tuple(found)


def _flag(pair: re.Match[str]) -> tuple[str, ...]:
    value = pair["value"].strip("'\"")
    if value in _NOTHING:
        return ()
    name = f"--{pair['name'].replace('_', '-')}"
    return (name,) if value == "True" else (name, value)


@cache
def _all_hints() -> tuple[str, ...]:
    return tuple(hint for _, reader in _known() for hint in _hints(reader))


def _hints(reader: Reader) -> tuple[str, ...]:
    """Words without which a line starts nothing of this engine."""
    starts = reader.STARTS
    names = tuple(p[0] for p in starts.programs if p[0] not in ("server", "llama"))
    two = tuple(" ".join(p) for p in starts.programs if p[0] == "llama")
    return (*names, *two, *starts.modules, *(part for part, _ in starts.images))


def _in_file(text: str) -> list[Pasted]:
    try:
        return commands_in(text)
    except InputError:
        return []


def _of_line(line: Line, programs: Mapping[str, str]) -> Iterator[PastedCommand]:
    env: dict[str, str] = {}
    words = _words(line.text)
    at = next((i for i, word in enumerate(words) if _ENV.match(word) is None), len(words))
    for word in words[:at]:
        assigned = _ENV.match(word)
        if assigned:
            env[assigned["name"]] = assigned["value"]
    for index in range(len(words)):
        rest = words[index:]
        container = _container(rest) if index < 2 else None
        if container is not None:
            found = _started(
                list(container.words), {**env, **container.env}, container, line.number, programs
            )
            if found is not None:
                before = tuple(words[: len(words) - len(found.argv) - len(found.program)])
                yield _with(found, before) if before else found
                return
        found = _started(rest, env, None, line.number, programs)
        if found is None:
            continue
        # In prose a program's name is followed by words, in a command by a subcommand, a flag, or nothing.
        argv = found.argv
        if (
            line.typed
            or len(found.program) > 1
            or (argv and (argv[0].startswith("-") or argv[0] in _SUBCOMMANDS))
        ):
            yield _with(found, tuple(words[:index]))
            return


def _with(found: PastedCommand, before: tuple[str, ...]) -> PastedCommand:
    return PastedCommand(found.folder, found.program, found.argv, found.env, found.line, found.table, before)


def _container(words: list[str]) -> Pasted | None:
    if words[0].rsplit("/", 1)[-1] not in {"docker", "podman", "nerdctl", "sudo"}:
        return None
    try:
        pasted = unwrap(words, lambda w: any(r.STARTS.program(w) is not None for _, r in _known()))
    except (InputError, IndexError):
        return None
    return pasted if pasted.image is not None else None


def _started(
    words: list[str],
    env: Mapping[str, str],
    pasted: Pasted | None,
    line: int,
    programs: Mapping[str, str],
) -> PastedCommand | None:
    for folder, reader in _known():
        started = reader.STARTS.program(words)
        if started is None and pasted is not None:
            started = reader.STARTS.contained(pasted)
            if started is not None:
                started = ((), started[1])
        if started is not None:
            rest = tuple(w for w in started[1] if w not in ("...", "…"))
            return PastedCommand(folder, tuple(started[0]), rest, dict(env), line, reader.table(started[0]))
    if not words:
        return None
    program = re.sub(r"\.exe$", "", re.split(r"[\\/]", words[0])[-1], flags=re.I)
    if program not in programs:
        return None
    folder = programs[program]
    rest = tuple(w for w in words[1:] if w not in ("...", "…"))
    table = next((r.table(()) for name, r in _known() if name == folder), None)
    return PastedCommand(folder, (program,), rest, dict(env), line, table)


def _words(text: str) -> list[str]:
    text = _REMARK.split(text, maxsplit=1)[0]
    try:
        return next(iter(split_commands(text)), [])
    except InputError:
        return text.split()
