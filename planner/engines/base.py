"""What every engine answers, and the register of engines.

A new engine is one new module and one line in ENGINES. Modules are imported when an engine is asked for,
so that a command that needs one engine doesn't pay for the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, Final, Protocol, cast

from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.hardware.machine import Machine
from planner.models.architecture import Architecture
from planner.models.tensors import TensorInfo
from planner.plan import MemoryEstimate, Plan, Workload

NO_OVERRIDES: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known of the published weights beyond the quantisation's name."""

    file_bytes: int | None = None  # size of the file(s): scales a mix that is no public rule (UD-Q4_K_XL)
    tensors: tuple[TensorInfo, ...] | None = None  # every tensor of a GGUF: full names, stored types


class DraftModel:
    """A smaller model that drafts for another one; an object is equal to itself alone."""

    __slots__ = ("arch", "name", "quant", "source", "stored")

    def __init__(self, name: str, arch: Architecture, quant: str, source: str, stored: Stored | None) -> None:
        self.name = name
        self.arch = arch
        self.quant = quant
        self.source = source  # a path, or a Hugging Face repository and a quantisation
        self.stored = stored


class Engine(Protocol):
    """One engine's rules: pure functions of architecture, quantisation, machine and workload.

    `quant` is a quantisation's name ("Q4_K_M", "MXFP4", "FP8"); where `stored` holds a file's tensors, those
    decide and the name is only shown. `overrides` are the engine's own settings under its own names; what it
    doesn't name is chosen by `plan` and has the engine's own default in `estimate`.
    """

    name: str
    settings: frozenset[str]  # names that `overrides` may have

    def supports(self, arch: Architecture, quant: str, machine: Machine) -> str | None:
        """None where the engine can run this; else the reason why not, as one clause."""
        ...

    def quants(self, arch: Architecture) -> tuple[str, ...]:
        """Names of the quantisations that this engine runs for this architecture, largest first."""
        ...

    def estimate(
        self,
        arch: Architecture,
        quant: str,
        machine: Machine,
        workload: Workload,
        overrides: Mapping[str, Any] = NO_OVERRIDES,
        *,
        stored: Stored | None = None,
    ) -> MemoryEstimate:
        """Memory per device, in bytes, with exactly these settings.

        Raises RefusedError where the engine would refuse them, UnsupportedError where no rule is known,
        InputError for a setting that it doesn't have.
        """
        ...

    def plan(
        self,
        model: str,
        arch: Architecture,
        quant: str,
        machine: Machine,
        workload: Workload,
        overrides: Mapping[str, Any] = NO_OVERRIDES,
        *,
        stored: Stored | None = None,
    ) -> Plan:
        """The best placement and settings; `speed` and `command` are left for the floors above.

        `fits` is False, with the reason first in `why`, where nothing fits. Raises like `estimate`.
        """
        ...

    def max_context(
        self,
        arch: Architecture,
        quant: str,
        machine: Machine,
        workload: Workload,
        overrides: Mapping[str, Any] = NO_OVERRIDES,
        *,
        stored: Stored | None = None,
    ) -> int:
        """Longest context, in tokens a sequence, for the workload's users; 0 where nothing fits."""
        ...


# name -> "module:class"
ENGINES: Final[Mapping[str, str]] = {
    "llama.cpp": "planner.engines.llama_cpp.engine:LlamaCpp",
    "ollama": "planner.engines.ollama.engine:Ollama",
    "vllm": "planner.engines.vllm.engine:Vllm",
}
_ALIASES: Final = {"llamacpp": "llama.cpp", "llama-cpp": "llama.cpp", "llama-server": "llama.cpp"}


@cache
def _load(target: str) -> Engine:
    module, _, attribute = target.partition(":")
    return cast(Engine, getattr(import_module(module), attribute)())


def get_engine(name: str) -> Engine:
    """Return the engine of this name ("llama.cpp", "ollama", "vllm"), case-insensitively.

    Raises InputError for a name that isn't registered.
    """
    key = name.strip().lower()
    target = ENGINES.get(_ALIASES.get(key, key))
    if key == "sglang":
        raise InputError(
            "the planner has no memory rules of SGLang's own; planner launch MODEL --engine sglang gives its command"
            " for the plan made for vLLM"
        )
    if target is None:
        raise InputError(
            f"engine '{name}' is not known; choose one of {', '.join(ENGINES)} (launch: also sglang)"
        )
    return _load(target)
