"""A toy engine in one file, as a stranger would add one: what it says about itself, its rules, its command.

It is registered by one line (see tests/cli/test_toys.py) and serves GGUF files on any GPU, whole, at two bytes a
cached element.
"""

from __future__ import annotations

import shlex

from planner.engines.base import Engine
from planner.engines.container import Container
from planner.engines.facts import EngineFacts, Weights
from planner.engines.launch import Launch, first_command
from planner.errors import InputError
from planner.hardware.machine import Backend, Machine
from planner.models.model import Model
from planner.plan import DeviceMemory, MemoryEstimate, Placement, Plan, PlanRequest
from planner.reason import Reason, ReasonKind

QUANTS = {"Q8_0": 8.5, "Q4_K_M": 4.87}


class ToyFacts(EngineFacts):
    """Toy serve."""

    name = "toy"
    title = "Toy Serve"
    aliases = ("toy-serve",)
    loads = Weights.GGUF
    backends = frozenset({Backend.CUDA, Backend.METAL})
    serves_many = True
    may_spill = False
    programs = ("toy",)

    def rules(self) -> Engine:
        return Toy()

    def command(self, plan: Plan, model: Model) -> Launch:
        words = ["toy", "serve", model.name, "--length", str(plan.settings["length"])]
        return Launch(shlex.join(words), source=model.id)

    def container(self, plan: Plan, model: Model, shell: Launch) -> Container:
        words = tuple(first_command(shell)[1:])
        return Container("toy/serve:1", words, port=7000, cache="/models", health="/up")


class Toy(Engine):
    """The rules."""

    name = ToyFacts.name
    settings = frozenset({"length"})

    def supports(self, model: Model, quant: str, machine: Machine) -> Reason | None:
        return None if machine.accelerators else "toy serve needs a GPU"

    def quants(self, model: Model) -> tuple[str, ...]:
        return tuple(QUANTS)

    def estimate(self, request: PlanRequest) -> MemoryEstimate:
        length = self._length(request)
        gpu = request.machine.accelerators[0]
        weights = int(request.arch.parameters() * QUANTS[request.quant] / 8)
        cache = length * request.workload.users * request.arch.n_layer * 4096
        return MemoryEstimate((DeviceMemory(gpu.name, "gpu", weights, cache, available=gpu.memory_free),))

    def plan(self, request: PlanRequest) -> Plan:
        memory = self.estimate(request)
        return Plan(
            request=request,
            model=request.model.id,
            quant=request.quant,
            engine=self.name,
            backend=request.machine.accelerators[0].backend,
            fits=memory.fits,
            placement=Placement.GPU,
            settings={"length": self._length(request)},
            memory=memory,
            max_context=self.longest_context(request),
            max_concurrency=float(request.workload.users),
            why=(Reason(ReasonKind.WHOLE_ON_GPUS, "all of it is on the toy"),),
        )

    def longest_context(self, request: PlanRequest) -> int:
        return request.model.usable_context

    def _length(self, request: PlanRequest) -> int:
        length = request.settings.get("length", request.workload.context or 4096)
        if not isinstance(length, int) or length < 1:
            raise InputError(f"length must be a number of tokens, not {length!r}")
        return length
