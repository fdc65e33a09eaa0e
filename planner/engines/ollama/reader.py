"""Ollama's command lines, environment and Modelfiles read: what they mean for a plan.

By ollama/ollama at fb30760 (2026-08-21): envconfig/config.go says how variables are read, parser/parser.go how a
Modelfile is. The variables are the server's, wherever they are typed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from planner.engines.commands import Command, Sorted, Starts
from planner.engines.flags import FlagTable, Given
from planner.engines.llama_cpp.settings import CACHE_TYPES
from planner.engines.ollama.defaults import KV_TYPES, default_context
from planner.engines.ollama.defaults import SETTINGS as SETTINGS
from planner.engines.ollama.flags import (
    GONE_PARAMETERS,
    KEPT_PARAMETERS,
    PARAMETERS,
    TABLE,
    UNCOUNTED_PARAMETERS,
)
from planner.errors import InputError

if TYPE_CHECKING:
    from planner.hardware.machine import Machine
    from planner.models.model import Model

ENGINE: Final = "ollama"
_SERVE: Final = ("ollama", "serve")
STARTS: Final = Starts(
    programs=(("ollama", "run"), _SERVE, ("ollama", "start")),
    images=(("ollama/ollama", _SERVE),),
)
# Go's strconv.ParseBool
_FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_MODELFILE: Final = re.compile(r"^\s*FROM\s+(\S+)\s*$", re.MULTILINE | re.IGNORECASE)


def table(program: Sequence[str]) -> FlagTable:
    """Return the flags of Ollama's client and the variables of its server."""
    return TABLE


def read(
    program: Sequence[str], words: Sequence[str], env: Mapping[str, str], flags: FlagTable = TABLE
) -> Command:
    """Return what the words after the program's name and the environment mean.

    Raises InputError in Ollama's own words for a flag that it refuses.
    """
    set_there, others = flags.environment(_numbers_only(env))
    given, names = flags.read(list(words))
    line = _Line([*set_there, *given], flags)
    for name in others:
        if name.startswith("LLAMA_ARG_") and name not in flags:
            line.sorted.uncount("llama-server's own settings", Given(TABLE.flags[0], name, (), others[name]))
    runs = program[-1] == "run"
    if not runs and names:
        raise InputError(f'ollama: Error: unknown command "{names[0]}" for "ollama serve"')
    return Command(
        engine=ENGINE,
        program=" ".join(program),
        model=names[0] if names else None,
        settings=line.settings,
        kept=line.sorted.kept,
        env=others,
        uncounted=line.sorted.uncounted,
        notes=tuple(line.sorted.notes),
    )


def for_rules(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings as they are: the rules are this engine's own."""
    return settings


def started(command: Command, model: Model, machine: Machine) -> Mapping[str, Any]:
    """Return the settings with Ollama's own defaults on this machine, so that none is chosen."""
    gpus = machine.host.accelerators
    overhead = command.settings.get("gpu_overhead", 0)
    vram = sum(max(gpu.memory_total - overhead, 0) for gpu in gpus)
    return {
        "num_parallel": 1,
        "num_ctx": min(default_context(vram), model.architecture.n_ctx_train),
        "kv_cache_type": "f16",
        **command.settings,
    }


def document(text: str) -> Command | None:
    """Return what a Modelfile means; None for text that is none.

    Raises InputError in Ollama's own words for a line that it refuses.
    """
    source = _MODELFILE.search(text)
    if source is None or not text.lstrip().upper().startswith(("FROM", "#", "PARAMETER")):
        return None
    line = _Line(())
    for written in _lines(text):
        command, _, rest = written.partition(" ")
        name = command.lower()
        if name == "parameter":
            line.parameter(rest.strip())
        elif name in ("adapter", "draft"):
            what = "LoRA adapters" if name == "adapter" else "a model that drafts"
            line.sorted.uncount(what, Given(TABLE.flags[0], command.upper(), (), rest))
        elif name not in (
            "from",
            "license",
            "template",
            "system",
            "renderer",
            "parser",
            "message",
            "requires",
        ):
            raise InputError(
                'ollama: Error: command must be one of "from", "license", "template", "system", "adapter",'
                f' "parameter", or "message", not "{command[:40]}"'
            )
    return Command(
        engine=ENGINE,
        program="Modelfile",
        model=source[1].strip("\"'"),
        settings=line.settings,
        uncounted=line.sorted.uncounted,
        notes=tuple(line.sorted.notes),
    )


def _lines(text: str) -> list[str]:
    """The commands of a Modelfile; what stands in triple quotes belongs to the line where they open."""
    whole = re.sub(r'"""(?:.|\n)*?"""', '""', text)
    return [line.strip() for line in whole.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _numbers_only(env: Mapping[str, str]) -> dict[str, str]:
    """Variables as Ollama trims them; a number that is none is its default, as in envconfig's Uint."""
    trimmed = {name: text.strip().strip("\"'") for name, text in env.items()}
    numbers = ("OLLAMA_CONTEXT_LENGTH", "OLLAMA_NUM_PARALLEL", "OLLAMA_GPU_OVERHEAD")
    return {name: text for name, text in trimmed.items() if name not in numbers or text.isdigit()}


class _Line:
    """Flags, variables and parameters put into settings one after the other."""

    def __init__(self, given: Sequence[Given], flags: FlagTable = TABLE) -> None:
        self.sorted = Sorted(flags, given, "Ollama")
        self.settings: dict[str, Any] = {}
        for each in self.sorted.planned:
            name, value = each.flag.meaning, each.value
            if name == "flash_attention":
                if value:
                    self.settings[name] = value not in _FALSE  # what is no truth value counts as true
            elif name == "kv_cache_type":
                self._cache(each)
            elif value:  # 0 is the default
                self.settings[name] = value

    def _cache(self, each: Given) -> None:
        if each.value not in ("", *CACHE_TYPES):
            raise InputError(f"ollama: {each.written}: Unsupported cache type: {each.value}")
        if each.value in KV_TYPES:
            self.settings["kv_cache_type"] = each.value
        else:
            self.sorted.uncount(f"a KV cache in {each.value}", each)

    def parameter(self, text: str) -> None:
        """Take one PARAMETER line of a Modelfile."""
        try:
            name, value = (*shlex.split(text), "", "")[:2]
        except ValueError as error:
            raise InputError(f"ollama: Error: PARAMETER {text[:60]}: {str(error).lower()}") from error
        if name in PARAMETERS:
            if re.fullmatch(r"-?\d+", value) is None:
                raise InputError(f"ollama: Error: invalid int value [{value}] of PARAMETER {name}")
            if int(value) or name == "num_gpu":
                self.settings[name] = int(value)
        elif name in UNCOUNTED_PARAMETERS:
            self.sorted.uncount(
                UNCOUNTED_PARAMETERS[name], Given(TABLE.flags[0], f"PARAMETER {name}", (value,), value)
            )
        elif name in GONE_PARAMETERS:
            self.sorted.notes.append(f"Ollama reads PARAMETER {name} no more: it is left out.")
        elif name not in KEPT_PARAMETERS:
            raise InputError(f"ollama: Error: unknown parameter '{name}'")
