"""A command as people paste it -> the words that start an engine, and their environment.

What stands around an engine's own words is taken off: a shell's prompt, line ends that go on (\\, ^, `), `export`,
`sudo`, `env`, `nohup`, `uv run`, `docker run … image`, `bash -c`. What the engine's words mean is for its own
reader to say (planner.engines.commands).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from planner.errors import InputError
from planner.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Pasted:
    """The words of one command, its environment, and the container image that it runs in."""

    words: tuple[str, ...]
    env: Mapping[str, str]
    image: str | None = None  # of `docker run`; the words are then what follows it
    gpus: str | None = None  # docker's --gpus


_PROMPT: Final = re.compile(r"^\s*(?:PS [^>\n]*>|[A-Za-z]:\\[^>\n]*>|\([\w.-]+\)\s*\$|[\w.@~:/-]*\$|>)\s+")
_CONTINUED: Final = re.compile(r"[ \t]*(?:\\|\^|`)[ \t]*\r?\n[ \t]*(?:>{1,2}[ \t]+)?")
_LOST_LINE: Final = re.compile(r"(?<=\s)[\\^`][ \t]+(?=-)")  # a line that goes on, whose end was lost
_WINDOWS: Final = re.compile(
    r"\.exe\b|(?:^|[\s\"'=])[A-Za-z]:\\|\^[ \t]*\r?\n|`[ \t]*\r?\n|\$env:|^\s*PS ", re.MULTILINE
)
_ASSIGNMENT: Final = re.compile(r"(?:\$env:)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_REFERENCE: Final = re.compile(r"\$(?:env:)?(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_STREAM: Final = re.compile(r"(\s)\d(?:>&\d\b|(?=>))")  # 2>&1 whole, the number of 2> err.log
_SEPARATORS: Final = frozenset({";", "&&", "||", "|", "&", "|&"})
_LIMIT: Final = 100_000  # characters; a command line is shorter

# Options of docker run and podman run that take no value (docs: docker container run); all others take one.
_DOCKER_SWITCHES: Final = frozenset(
    {
        "--detach", "--disable-content-trust", "--help", "--init", "--interactive", "--no-healthcheck",
        "--oom-kill-disable", "--privileged", "--publish-all", "--quiet", "--read-only", "--replace", "--rm",
        "--sig-proxy", "--tty", "--use-api-socket", "--tls-verify", "--env-host", "--http-proxy",
    }
)  # fmt: skip
_DOCKER_LETTERS: Final = frozenset("ditPq")


def split_commands(text: str) -> list[list[str]]:
    """Split pasted text into commands, each a list of words; redirections and prompts are gone.

    Raises InputError where a quote is not closed.
    """
    if len(text) > _LIMIT:
        raise InputError("the command is longer than 100,000 characters")
    windows = _WINDOWS.search(text) is not None
    joined = _LOST_LINE.sub(" ", _CONTINUED.sub(" ", text.strip()))
    commands: list[list[str]] = []
    lines = [_PROMPT.sub("", line) for line in _whole_lines(joined)]
    for line in lines:
        if line.lstrip().startswith("#"):
            continue
        for words in _split_line(line, windows=windows):
            if words:
                commands.append(words)
    return commands


def _whole_lines(text: str) -> list[str]:
    """Lines, but not inside quotes: a JSON value may be written over several."""
    lines: list[str] = []
    quote, start = "", 0
    for at, char in enumerate(text):
        if quote:
            if char == quote and text[at - 1] != "\\":
                quote = ""
        elif char in "\"'" and (at == 0 or text[at - 1] != "\\"):
            quote = char
        elif char == "\n":
            lines.append(text[start:at])
            start = at + 1
    lines.append(text[start:])
    return [line for line in lines if line.strip()]


def _split_line(line: str, *, windows: bool) -> list[list[str]]:
    # On Windows a backslash is part of a path unless it stands before a quote.
    text = re.sub(r'\\(?!")', r"\\\\", line) if windows else line
    lexer = shlex.shlex(_STREAM.sub(r"\1", text), posix=True, punctuation_chars=";&|<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    commands: list[list[str]] = [[]]
    skip = False
    try:
        for word in lexer:
            if skip:
                skip = False
            elif word in _SEPARATORS:
                commands.append([])
            elif word and set(word) <= set("<>&|;"):
                skip = word[-1] in "<>" or word in {">&", "<&", "&>", "&>>"}
            else:
                commands[-1].append(word)
    except ValueError as error:
        raise InputError(f"the command can't be split into words: {str(error).lower()}") from error
    return commands


def unwrap(words: Sequence[str], starts: Callable[[Sequence[str]], bool]) -> Pasted:
    """Return the engine's own words of one command that is split already, and what surrounds them.

    `starts` says whether words begin with something that starts an engine. Raises InputError for no word.
    """
    env: dict[str, str] = {}
    image: str | None = None
    gpus: str | None = None
    rest = [w for w in words if w.strip()]
    while rest and not starts(rest):
        taken = _take_wrapper(rest, env)
        if taken is not None:
            rest = taken
            continue
        container = _container(rest, env)
        if container is None:
            break
        image, gpus, rest = container
        break
    return Pasted(tuple(rest), env, image, gpus)


def read_pasted(text: str | Sequence[str], starts: Callable[[Sequence[str]], bool]) -> Pasted:
    """Return the one command in pasted text that starts an engine, with the environment that the text sets.

    `text` is pasted text, or words that a shell has split already. Raises InputError where there is none.
    """
    if isinstance(text, str):
        commands = split_commands(text)
    elif len(text) == 1 and len(text[0].split()) > 1:
        commands = split_commands(text[0])
    else:
        commands = [list(text)]
    env: dict[str, str] = {}
    found: Pasted | None = None
    for words in commands:
        known = [_substituted(word, env) for word in words]
        assigned = _assignments(known)
        if assigned is not None:
            env.update(assigned)
            continue
        pasted = unwrap(known, starts)
        inner = _inner_script(pasted.words)
        if inner is not None:
            inside = read_pasted(inner, starts)
            pasted = Pasted(inside.words, {**pasted.env, **inside.env}, pasted.image, pasted.gpus)
        if pasted.words and (pasted.image is not None or starts(pasted.words)):
            return Pasted(pasted.words, {**env, **pasted.env}, pasted.image, pasted.gpus)
        if pasted.image is not None:
            return Pasted((), {**env, **pasted.env}, pasted.image, pasted.gpus)
        if found is None and pasted.words:
            found = pasted
    if found is None:
        raise InputError(
            "no command was found; paste for example: vllm serve Qwen/Qwen3-8B --max-model-len 32k"
        )
    return Pasted(found.words, {**env, **found.env}, found.image, found.gpus)


def _assignments(words: Sequence[str]) -> dict[str, str] | None:
    """What `export A=B`, `set A=B`, `$env:A="B"` or a bare `A=B` assigns; None for another command."""
    rest = list(words)
    if rest[0] in {"export", "set", "setx", "declare", "local"}:
        rest = [w for w in rest[1:] if w != "-x"]
        if len(rest) == 2 and words[0] == "setx":
            rest = ["=".join(rest)]
    elif len(rest) >= 3 and rest[0].startswith("$env:") and rest[1] == "=":
        rest = [f"{rest[0]}={rest[2]}"]
    elif not all(_ASSIGNMENT.fullmatch(w) for w in rest):
        return None
    pairs = [_ASSIGNMENT.fullmatch(w) for w in rest]
    return {m[1]: m[2] for m in pairs if m is not None}


def _substituted(word: str, env: Mapping[str, str]) -> str:
    """The word with the variables that the same text sets; others stay as they are written."""
    return _REFERENCE.sub(lambda m: env.get(m[1] or m[2], m[0]), word)


def _take_wrapper(words: list[str], env: dict[str, str]) -> list[str] | None:
    """Take one wrapper off the front; None where there is none."""
    name = words[0].rsplit("/", 1)[-1]
    match = _ASSIGNMENT.fullmatch(words[0])
    if match is not None:
        env[match[1]] = match[2]
        return words[1:]
    if name in {"nohup", "time", "exec", "command", "setsid", "env", "&", "call"}:
        return _without_options(words[1:], frozenset({"-u", "-C"}) if name == "env" else frozenset())
    if name in {"sudo", "doas"}:
        return _without_options(words[1:], frozenset({"-u", "-g", "-h", "-p"}))
    if name in {"nice", "ionice", "taskset", "numactl", "stdbuf", "chrt", "timeout", "caffeinate"}:
        rest = _without_options(words[1:], frozenset({"-n", "-c", "-C", "-m", "-N"}))
        positional = (
            name in {"taskset", "timeout"} and len(rest) > 1 and re.fullmatch(r"[\dxa-f,.-]+[smhd]?", rest[0])
        )
        return rest[1:] if positional else rest
    if name in {"uv", "poetry", "pipenv", "conda", "mamba", "pixi", "hatch"} and len(words) > 1:
        at = 2 if words[1] in {"run", "tool"} else 1
        if words[1] == "tool" and len(words) > 2:
            at = 3
        return _without_options(
            words[at:],
            frozenset(
                {"-n", "-p", "--with", "--python", "--from", "--extra", "--name", "--project", "--index"}
            ),
        )
    if name in {"uvx", "pipx"}:
        rest = words[2:] if words[1:2] == ["run"] else words[1:]
        return _without_options(rest, frozenset({"--from", "--with", "--python", "-p", "--spec"}))
    return None


def _without_options(words: list[str], valued: frozenset[str]) -> list[str]:
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in valued else 1
    return words[at:]


def _inner_script(words: Sequence[str]) -> str | None:
    """The script of `bash -c "…"`; None for other words."""
    if words and words[0].rsplit("/", 1)[-1] in {"bash", "sh", "zsh", "dash"}:
        for at, word in enumerate(words[1:], 1):
            if re.fullmatch(r"-[a-z]*c", word):
                return words[at + 1] if at + 1 < len(words) else None
            if not word.startswith("-"):
                return None
    return None


def _container(words: list[str], env: dict[str, str]) -> tuple[str, str | None, list[str]] | None:
    """Image, --gpus and the rest of `docker run`; the container's environment is added to `env`."""
    if words[0].rsplit("/", 1)[-1] not in {"docker", "podman", "nerdctl"}:
        return None
    rest = words[1:]
    if rest[:1] == ["container"]:
        rest = rest[1:]
    verb, rest = rest[:1], rest[1:]
    if verb not in (["run"], ["exec"], ["create"]):
        return None
    gpus: str | None = None
    entrypoint: str | None = None
    at = 0
    while at < len(rest) and rest[at].startswith("-"):
        name, joined, value = rest[at].partition("=")
        at += 1
        if name in _DOCKER_SWITCHES or (name[1:2] != "-" and set(name[1:]) <= _DOCKER_LETTERS):
            continue
        if not joined:
            value = rest[at] if at < len(rest) else ""
            at += 1
        if name in {"-e", "--env"}:
            key, given, text = value.partition("=")
            if given:  # without a value it is the host's own
                env[key] = text
        elif name == "--gpus":
            gpus = value
        elif name == "--entrypoint":
            entrypoint = value
    if at >= len(rest):
        raise InputError("docker run names no image")
    image, words = rest[at], rest[at + 1 :]
    if verb == ["exec"]:
        image = ""  # a container that runs, whatever its image is
    return image, gpus, [entrypoint, *words] if entrypoint else words
