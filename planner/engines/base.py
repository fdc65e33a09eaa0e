"""What every engine answers, and the register of engines.

A new engine is one new module and one line in ENGINES. Modules are imported when an engine is asked for,
so that a command that needs one engine doesn't pay for the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Final, Protocol, cast

from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.hardware.machine import Machine
from planner.models.model import Model
from planner.plan import MemoryEstimate, Plan, PlanRequest
from planner.reason import Reason


@dataclass(frozen=True, slots=True)
class DraftModel:
    """A smaller model that drafts for another one."""

    model: Model
    quant: str
    source: str  # a path, or a Hugging Face repository and a quantisation


class Engine(Protocol):
    """One engine's rules: pure functions of what is asked. An engine derives from this class."""

    name: str
    settings: frozenset[str]  # names that a request's settings may have

    def supports(self, model: Model, quant: str, machine: Machine) -> Reason | None:
        """None where the engine can run this; else the reason why not, its text one clause."""
        ...

    def quants(self, model: Model) -> tuple[str, ...]:
        """Names of the quantisations that this engine runs for this model, largest first."""
        ...

    def estimate(self, request: PlanRequest) -> MemoryEstimate:
        """Memory per device, in bytes, with exactly these settings; what they leave out has the engine's default.

        Raises RefusedError where the engine would refuse them, UnsupportedError where no rule is known,
        InputError for a setting that it doesn't have.
        """
        ...

    def plan(self, request: PlanRequest) -> Plan:
        """The best placement and settings; `speed` and `command` are left for the floors above.

        `fits` is False, with the shortage first in `why`, where nothing fits. Raises like `estimate`.
        """
        ...

    def longest_context(self, request: PlanRequest) -> int:
        """Longest context, in tokens a sequence, for the workload's users; 0 where nothing fits."""
        ...

    def ranking_plan(self, request: PlanRequest) -> tuple[Plan, bool]:
        """A plan that is good enough to rank, sooner than `plan` where the engine can.

        The second value is True where it is what `plan` returns. Raises like `estimate`.
        """
        return self.plan(request), True


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
