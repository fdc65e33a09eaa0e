"""whisper.cpp: one GPU, or the CPU; what it takes doesn't depend on what is said."""

from __future__ import annotations

from typing import Final

from planner.engines.base import Engine
from planner.engines.llama_cpp.backends import BACKENDS
from planner.engines.llama_cpp.unaccounted import HOST, unaccounted
from planner.engines.whisper_cpp.files import published
from planner.engines.whisper_cpp.memory import memory_of, metal_extra
from planner.errors import InputError, UnsupportedError
from planner.hardware.machine import Accelerator, Backend, Machine
from planner.models.model import Model
from planner.plan import DeviceMemory, MemoryEstimate, Placement, Plan, PlanRequest
from planner.reason import Reason, ReasonKind, Value
from planner.units import gib

_CLASS: Final = "WhisperForConditionalGeneration"


class WhisperCpp(Engine):
    """The whisper.cpp engine (whisper-server)."""

    name = "whisper.cpp"
    settings = frozenset({"no_gpu"})

    def supports(self, model: Model, quant: str, machine: Machine) -> Reason | None:
        """None where its makers publish a file of the model in this format; else why not."""
        if model.architecture.hf_class != _CLASS:
            return Reason(ReasonKind.NOT_SUPPORTED, "whisper.cpp runs Whisper models alone")
        if quant not in published(model):
            names = ", ".join(published(model)) or "no file"
            return Reason(ReasonKind.NOT_SUPPORTED, f"of {model.name} are published: {names}")
        return None

    def quants(self, model: Model) -> tuple[str, ...]:
        """The formats that are published, largest first."""
        return published(model)

    def estimate(self, request: PlanRequest) -> MemoryEstimate:
        """Memory of the GPU, or of the RAM without one (see planner.engines.base.Engine)."""
        unknown = [name for name in request.settings if name not in self.settings]
        if unknown:
            raise InputError(f"whisper.cpp has no setting '{unknown[0]}'; it has no_gpu")
        found = memory_of(request.arch, request.quant)
        gpu = None if request.settings.get("no_gpu") else _first_gpu(request.machine)
        host = request.machine.host
        if gpu is None:
            return MemoryEstimate(
                (
                    DeviceMemory(
                        host.cpu.name,
                        "cpu",
                        weights=found.weights,
                        kv_cache=found.text + found.sound,
                        compute=found.compute,
                        overhead=HOST.expected,
                        overhead_high=HOST.high + found.more,
                        available=host.ram_available,
                    ),
                )
            )
        over = unaccounted(gpu)
        extra = metal_extra() if gpu.backend is Backend.METAL else 0
        free = min(gpu.memory_free, host.ram_available) if gpu.unified else gpu.memory_free
        on_gpu = DeviceMemory(
            gpu.name,
            "gpu",
            weights=found.weights,
            kv_cache=found.text + found.sound,
            compute=found.compute,
            overhead=over.expected,
            overhead_high=over.high + found.more + extra,
            available=free,
        )
        lent = on_gpu.total if gpu.unified else 0
        beside = DeviceMemory(
            host.cpu.name,
            "cpu",
            overhead=HOST.expected,
            overhead_high=HOST.high,
            available=max(0, host.ram_available - lent),
        )
        return MemoryEstimate((on_gpu, beside))

    def plan(self, request: PlanRequest) -> Plan:
        """On the first GPU where that has room, else on the CPU (see planner.engines.base.Engine)."""
        refused = self.supports(request.model, request.quant, request.machine)
        if refused is not None:
            raise UnsupportedError(refused)
        gpu = None if request.settings.get("no_gpu") else _first_gpu(request.machine)
        memory, settings = self.estimate(request), dict(request.settings)
        if gpu is not None and not memory.fits and "no_gpu" not in settings:
            settings["no_gpu"] = True
            beside = PlanRequest(request.model, request.quant, request.machine, request.workload, settings)
            cpu = self.estimate(beside)
            if cpu.fits:
                memory, gpu = cpu, None
            else:
                settings.pop("no_gpu")
        why = [_where(memory, gpu)]
        text = (
            "Caches by whisper.cpp's rules; its graphs within 1 % of two published logs, wider under Metal."
        )
        why.append(Reason(ReasonKind.RULES, text))
        return Plan(
            request=request,
            model=request.model.id,
            quant=request.quant,
            engine=self.name,
            backend=Backend.CPU if gpu is None else gpu.backend,
            fits=memory.fits,
            placement=Placement.CPU if gpu is None else Placement.GPU,
            settings=settings,
            memory=memory,
            max_context=request.arch.n_ctx_train if memory.fits else 0,
            max_concurrency=1.0 if memory.fits else 0.0,
            why=tuple(why),
            machine=request.machine.name,
        )

    def longest_context(self, request: PlanRequest) -> int:
        """The tokens of the longest text, where it fits."""
        return self.plan(request).max_context


def _first_gpu(machine: Machine) -> Accelerator | None:
    """The one GPU that it uses (whisper_backend_init_gpu)."""
    return next((gpu for gpu in machine.host.accelerators if gpu.backend in BACKENDS), None)


def _where(memory: MemoryEstimate, gpu: Accelerator | None) -> Reason:
    tight = min(memory.devices, key=lambda d: d.available - d.total)
    if not memory.fits:
        clause = f"{tight.name} has {gib(tight.available)} free and may need up to {gib(tight.total)}"
        figures: dict[str, Value] = {"device": tight.name, "free": tight.available, "needed": tight.total}
        return Reason(ReasonKind.DEVICE_TOO_SMALL, f"Does not fit: {clause}.", figures, clause)
    if gpu is None:
        return Reason(ReasonKind.CPU_ONLY, "Everything runs on the CPU.")
    return Reason(ReasonKind.WHOLE_ON_GPUS, f"All of it fits on {gpu.name}.", {"gpus": gpu.name})
