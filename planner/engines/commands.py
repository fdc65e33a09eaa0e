"""An engine's own command line as a question: which engine it starts, with what, and what it leaves unsaid.

    read_command("docker run … vllm/vllm-openai --model Qwen/Qwen3-8B --max-model-len 32k")

Each engine's folder has a reader beside its writer: `STARTS` says what starts the engine, `read` what its words
mean. A new engine is one more line here.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from planner.engines.flags import Dialect, FlagTable, Given, Role
from planner.engines.manifests import commands_in
from planner.engines.pasted import Pasted, read_pasted, unwrap
from planner.errors import InputError
from planner.fast_dataclass import dataclass, replace

if TYPE_CHECKING:
    from planner.hardware.machine import Machine
    from planner.models.model import Model

MOST_GPUS: Final = 1024  # that a container may ask for
# readers, in the order in which pasted options are tried
READERS: Final = (
    "planner.engines.llama_cpp.reader",
    "planner.engines.vllm.reader",
    "planner.engines.ollama.reader",
    "planner.engines.sglang.reader",
    "planner.engines.mlx.reader",
)


@dataclass(frozen=True, slots=True)
class Uncounted:
    """Something that moves bytes by no rule, and the flags that ask for it."""

    what: str  # "LoRA adapters"
    written: tuple[str, ...]  # the flags as they were written
    flags: tuple[str, ...]  # their first names in the engine's table

    def __str__(self) -> str:
        """What it is and how it was asked for: "LoRA adapters (--lora)"."""
        return f"{self.what} ({', '.join(self.written)})"


@dataclass(frozen=True, slots=True)
class Command:
    """What a command line asks for, in the engine's own terms."""

    engine: str
    """Its registered name."""
    program: str
    """What starts it, as it was typed: llama-server, vllm serve …"""
    model: str | None = None
    """What planner.load_model takes: repository (with :QUANT), file, tag; None where none is named."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What was written, under the planner's names."""
    kept: tuple[str, ...] = ()
    """Words that move no byte and stay in the command."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables that are no setting, and stay."""
    uncounted: tuple[Uncounted, ...] = ()
    """What moves bytes without a rule."""
    notes: tuple[str, ...] = ()
    """What is read otherwise than written, and why."""
    devices: tuple[int, ...] | None = None
    """The GPUs that are used, by number; None: all."""
    line: str = ""
    """The program with its words, quoted for a shell."""
    fetched: bool = False
    """True where the model comes from a hub, with the projector that lies beside it."""
    image: str | None = None
    """The container image that it runs in; None where it runs in none."""


@dataclass(frozen=True, slots=True)
class Starts:
    """What starts an engine: programs with their first words, modules of Python, images of containers."""

    programs: tuple[tuple[str, ...], ...] = ()  # ("vllm", "serve")
    modules: tuple[str, ...] = ()  # of python -m
    images: tuple[
        tuple[str, tuple[str, ...]], ...
    ] = ()  # (part of the image's name, words that it stands for)

    def program(self, words: Sequence[str]) -> tuple[tuple[str, ...], Sequence[str]] | None:
        """Return the words that start the engine and those that follow; None where it isn't this one."""
        if not words:
            return None
        name = words[0].replace("\\", "/").rsplit("/", 1)[-1].lower().removesuffix(".exe")
        for program in self.programs:
            if (name, *words[1 : len(program)]) == program:
                return program, words[len(program) :]
        if name.rstrip("0123456789.") in {"python", "pypy"} and "-m" in words[1:]:
            at = words.index("-m") + 1
            if at < len(words) and words[at] in self.modules:
                return ("python", "-m", words[at]), words[at + 1 :]
        if name.endswith(".py") or (name.rstrip("0123456789.") == "python" and words[1:2]):
            script = words[0] if name.endswith(".py") else words[1]
            dotted = script.removesuffix(".py").replace("/", ".")
            for module in self.modules:
                if script.endswith(".py") and dotted.endswith(module):
                    return (script,), words[1:] if name.endswith(".py") else words[2:]
        return None

    def contained(self, pasted: Pasted) -> tuple[tuple[str, ...], Sequence[str]] | None:
        """As `program`, for what an image starts by itself."""
        if pasted.image is None:
            return None
        for part, program in self.images:
            if part in pasted.image:
                return program, pasted.words
        return None


class Reader(Protocol):
    """What each engine's reader module has."""

    ENGINE: str
    STARTS: Starts
    SETTINGS: frozenset[str]  # what the engine's rules take, under the planner's names

    def for_rules(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return settings under the names of the rules that plan them: its own, or another engine's."""
        ...

    def started(self, command: Command, model: Model, machine: Machine) -> Mapping[str, Any]:
        """Return settings for the rules: the command's, and what the program takes where nothing is written."""
        ...

    def table(self, program: Sequence[str]) -> FlagTable:
        """Return the flags of one of its programs."""
        ...

    def read(
        self, program: Sequence[str], words: Sequence[str], env: Mapping[str, str], flags: FlagTable = ...
    ) -> Command:
        """Return what the words after the program mean. Raises InputError with one line."""
        ...


def reader_of(engine: str) -> Reader:
    """Return the reader of an engine's command lines. Raises InputError for one without."""
    for reader in readers():
        if engine == reader.ENGINE:
            return reader
    raise InputError(f"the planner reads no command lines of {engine}")


def readers() -> Iterator[Reader]:
    """Yield the readers, loading each when its turn comes."""
    for name in READERS:
        yield cast(Reader, import_module(name))


def read_command(text: str | Sequence[str]) -> Command:
    """Return what a pasted command asks for; its words may be split by a shell already.

    The text may be a file that starts one, too: compose, a systemd unit, a Kubernetes manifest, a Modelfile. Raises
    InputError with one line: no engine's command, an unknown flag (with the nearest), a value that the engine
    refuses.
    """
    if len(text) == 1 and not isinstance(text, str):
        text = text[0]
    if isinstance(text, str):
        for reader in readers():
            said = getattr(reader, "document", None)
            command: Command | None = said(text) if said is not None else None
            if command is not None:
                return command
    pasted = _pasted(text)
    started = _started_by(pasted)
    if started is not None:
        reader, program, words = started
        command = reader.read(program, words, pasted.env)
        return _placed(replace(command, line=shlex.join([*program, *words])), pasted)
    start = f"'{pasted.words[0]}'" if pasted.words else f"the image {pasted.image}"
    known = ", ".join(" ".join(r.STARTS.programs[0]) for r in readers())
    raise InputError(f"{start} starts no engine that the planner knows; it reads {known}")


def _pasted(text: str | Sequence[str]) -> Pasted:
    """The words that start an engine, where the text has any; else the first that it starts."""
    for pasted in commands_in(text) if isinstance(text, str) else ():
        inside = unwrap(pasted.words, _starts)
        whole = replace(pasted, words=inside.words, env={**pasted.env, **inside.env})
        if _started_by(whole) is not None:
            return whole
    return read_pasted(text, _starts)


def _starts(words: Sequence[str]) -> bool:
    return any(reader.STARTS.program(words) is not None for reader in readers())


def _started_by(pasted: Pasted) -> tuple[Reader, tuple[str, ...], list[str]] | None:
    """The reader of what is started, its program, and the words behind it; None where no engine is."""
    for reader in readers():
        found = reader.STARTS.program(pasted.words) or reader.STARTS.contained(pasted)
        if found is not None:
            return reader, found[0], list(found[1])
    return None


# Variables that choose GPUs: CUDA, HIP, ROCr, llama.cpp's Vulkan
_VISIBLE: Final = (
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "GGML_VK_VISIBLE_DEVICES",
)


def _placed(command: Command, pasted: Pasted) -> Command:
    """The command with the GPUs that environment and container leave it, and its image."""
    visible: tuple[int, ...] | None = None
    for name in _VISIBLE:
        if name in pasted.env:
            visible = _numbers(pasted.env[name])
    said = (pasted.gpus or "").strip("\"'")
    if visible is None and "device=" in said:
        visible = _numbers(said.split("device=", 1)[1].strip("\"'"))
    elif visible is None and said.isdigit():
        visible = tuple(range(min(int(said), MOST_GPUS)))
    devices = command.devices
    if devices is None:
        devices = visible
    elif visible is not None:
        devices = tuple(visible[i] for i in devices if i < len(visible))
    return replace(command, devices=devices, image=pasted.image or None)


def _numbers(text: str) -> tuple[int, ...] | None:
    """GPUs by number; None for UUIDs, which say nothing about another machine."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if text.strip() in {"", "-1", "none"}:
        return ()
    return tuple(int(p) for p in parts) if all(p.isdigit() for p in parts) else None


class Sorted:
    """Flags that were given, sorted by what they do; those of earlier releases read as what took their place."""

    def __init__(self, table: FlagTable, given: Sequence[Given], release: str) -> None:
        self.planned: list[Given] = []
        self.notes: list[str] = []
        self._kept: list[Given] = []
        self._uncounted: dict[str, list[Given]] = {}
        for each in given:
            self._take(table, each, release)

    def _take(self, table: FlagTable, each: Given, release: str) -> None:
        role = each.flag.role
        if role is Role.PLANNED:
            self.planned.append(each)
        elif role is Role.ASKS:
            raise InputError(
                f"{table.dialect.program} {each.written} prints something and ends: it starts no model"
            )
        elif role is Role.GONE:
            self._modern(table, each, release)
        else:
            self._kept.append(each)
            if role is Role.UNCOUNTED and each.value is not False:
                self.uncount(each.flag.meaning, each)

    def _modern(self, table: FlagTable, each: Given, release: str) -> None:
        words = each.flag.meaning.split()
        if not words:
            self.notes.append(f"{release} has no {each.written}: it is left out.")
            return
        if len(words) == 1:
            words += each.words
        self.notes.append(f"{release} has no {each.written}: read as {' '.join(words)}.")
        for later in table.read(words)[0]:
            self._take(table, later, release)

    def keep(self, each: Given) -> None:
        """Leave a flag in the command though it is a setting too."""
        self._kept.append(each)

    def uncount(self, what: str, each: Given) -> None:
        """Name what no rule counts, with the flag that asks for it."""
        self._uncounted.setdefault(what, []).append(each)

    @property
    def kept(self) -> tuple[str, ...]:
        """The words that stay in the command; what environment variables give stays there."""
        return tuple(word for each in self._kept if each.written.startswith("-") for word in each.spelled)

    @property
    def uncounted(self) -> tuple[Uncounted, ...]:
        """What isn't counted, each with all flags that ask for it."""
        return tuple(
            Uncounted(what, tuple(g.written for g in given), tuple(g.flag.names[0] for g in given))
            for what, given in self._uncounted.items()
        )


# What people write for the machine, which no engine's option says.
_MACHINE = ("--gpu", "--gpus", "--machine", "--hardware", "--card")


def starts_engine(text: str) -> bool:
    """True for pasted text that starts an engine the planner knows."""
    try:
        return _started_by(_pasted(text)) is not None
    except InputError:
        return False


def read_options(words: Sequence[str], engine: str | None = None) -> Command | None:
    """Return what options mean that are pasted after a model's name; None without any.

    They are an engine's own flags, or the planner's names of its settings. `engine` is the one that was asked
    for; else the first that knows them all reads them. Raises InputError with one line, in the words of the engine
    that knows most of them.
    """
    if not words:
        return None
    best: tuple[int, Reader, FlagTable] | None = None
    for reader in readers():
        if engine is not None and engine != reader.ENGINE:
            continue
        table = reader.table(()).lenient(reader.SETTINGS)
        if engine is None:
            table = table.exact()
        strange = sum(1 for word in words if _is_option(word) and word not in table)
        if best is None or strange < best[0]:
            best = (strange, reader, table)
        if not strange:
            break
    if best is None:
        assert engine is not None
        return _by_settings(words, engine)
    missing, reader, table = best
    first = words[0]
    if not _is_option(first):
        raise InputError(f"'{first}' was not expected here; engine settings are written as --name value")
    if missing and engine is None:
        name = next(word for word in words if _is_option(word) and word not in table).partition("=")[0]
        if name in _MACHINE:
            raise InputError(
                f"no engine has an option {name} beside the others; the machine is named by --profile"
            )
        near = _nearest(name)
        raise InputError(f"no engine has an option {name} beside the others{near}")
    command = reader.read(reader.STARTS.programs[0], words, {}, table)
    if command.model is not None:
        raise InputError(f"'{command.model}' was not expected here: the model is named already")
    return command


_NEAR: Final = 0.75  # of a name's letters, from which on a misspelled option is taken for another


def _nearest(name: str) -> str:
    """The option of any engine that a misspelled one is nearest to, as a question; empty where none is near."""
    from difflib import SequenceMatcher

    best: tuple[float, str, str] | None = None
    for reader in readers():
        near = reader.table(()).lenient(reader.SETTINGS).near(name)
        if near is None:
            continue
        ratio = SequenceMatcher(None, name.replace("_", "-"), near.replace("_", "-")).ratio()
        if ratio >= _NEAR and (best is None or ratio > best[0]):
            best = ratio, near, reader.ENGINE
    return "" if best is None else f"; did you mean {best[1]} ({best[2]})?"


def _by_settings(words: Sequence[str], engine: str) -> Command:
    """Read options of an engine whose parser isn't known here: each is the name of one of its settings."""
    from planner.engines.register import engine_facts, get_engine

    title = engine_facts(engine).title
    dialect = Dialect(
        title, f"{title}: {{name}}: {{why}}", f"{title} has no option {{name}}", "{value}: {choices}"
    )
    table = FlagTable(dialect, ()).lenient(get_engine(engine).settings)
    given, stray = table.read(words)
    if stray:
        raise InputError(f"'{stray[0]}' was not expected here; engine settings are written as --name value")
    return Command(engine, title, settings={each.flag.meaning: each.value for each in given})


def _is_option(word: str) -> bool:
    return word.startswith("-") and not word[1:].replace(".", "", 1).isdigit() and word not in {"-", "--"}


def short_names() -> frozenset[str]:
    """Return the engines' flags of one dash and several letters: -ngl, -tp, -hf …, without their dash."""
    return frozenset(
        name[1:]
        for reader in readers()
        for flag in reader.table(()).flags
        for name in (*flag.names, *flag.off)
        if len(name) > 2 and name[0] == "-" != name[1]
    )
