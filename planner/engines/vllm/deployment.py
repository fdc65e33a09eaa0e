"""What a request means to vLLM: how the weights are stored, the devices that hold them, the settings given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from planner.engines.vllm.gpu import GpuTraits, cpu_traits, traits_of
from planner.engines.vllm.memory.storage import QuantScheme, scheme_for
from planner.engines.vllm.refusals import check, refusal, usable
from planner.engines.vllm.settings import VllmSettings, settings_from
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Accelerator, Machine
from planner.models.architecture import Architecture
from planner.plan import PlanRequest, Workload
from planner.quant.quantisations import checkpoints

_AS_PCIE: Final = 12.5e9  # bytes/s: 100 Gb/s


@dataclass(frozen=True, slots=True)
class Devices:
    """What vLLM would run on: GPUs of one kind over hosts, or the CPUs."""

    gpu: GpuTraits
    gpus: tuple[Accelerator, ...]
    per_host: int  # GPUs in each host; the fewest where hosts differ
    hosts: int
    free: int  # bytes free on the fullest
    nvlink: bool
    ram: int  # bytes that the first host has available
    network: float = 0.0  # bytes/s between hosts; 0 where it isn't known

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the cards, each once."""
        return tuple(dict.fromkeys(a.name for a in self.gpus))

    @property
    def joined(self) -> bool:
        """True for hosts of one GPU each whose network carries a layer's sums as fast as PCIe would.

        Two DGX Sparks by their 200 Gb/s ports: tensor parallelism 2.09 times as fast as one, a pipeline 1.08 times
        (unslothai/unsloth issue 10280; NVIDIA/dgx-spark-playbooks, issue 63).
        """
        return self.per_host == 1 and self.hosts > 1 and self.network >= _AS_PCIE

    @property
    def together(self) -> int:
        """Devices over which tensors may be split: those of a host, or all where hosts are joined."""
        return self.count if self.joined else max(1, self.per_host)

    @property
    def count(self) -> int:
        """Devices that ranks can be placed on."""
        return max(1, len(self.gpus))


def devices_of(machine: Machine, settings: VllmSettings | None = None) -> Devices:
    """Return the devices that vLLM would use on this machine: GPUs of one kind, unless `settings` state a split
    over more than these.

    Cards of several kinds are counted as the smallest of them, which is never too much: each rank has a budget of its
    own, and the cache has as many blocks as the rank with the fewest (v1/core/kv_cache_planning.py).
    """
    gpus = usable(machine.accelerators)
    if not gpus:
        ram = machine.host.ram_available
        return Devices(cpu_traits(ram), (), 0, len(machine.hosts), ram, False, ram)
    ranks = 1 if settings is None else settings.world_size * settings.data_parallel_size
    every = tuple(a for a in machine.accelerators if a.backend is gpus[0].backend)
    if len(gpus) < ranks <= len(every):
        gpus = every
    kinds = {(a.name, a.memory_total) for a in gpus}
    counts = [sum(1 for a in h.accelerators if (a.name, a.memory_total) in kinds) for h in machine.hosts]
    held = [c for c in counts if c]
    smallest = traits_of(min(gpus, key=lambda a: a.memory_total), detected=machine.detected)
    oldest = min((a.sm for a in gpus if a.sm is not None), default=None)
    return Devices(
        gpu=replace(smallest, sm=oldest),
        gpus=gpus,
        per_host=min(held),
        hosts=len(held),
        free=min(g.memory_free for g in gpus),
        nvlink=all(g.nvlink_bandwidth for g in gpus),
        ram=machine.host.ram_available,
        network=machine.network_bandwidth or 0.0,
    )


@dataclass(frozen=True, slots=True)
class Deployment:
    """One request, in vLLM's own terms."""

    request: PlanRequest
    scheme: QuantScheme
    devices: Devices
    settings: VllmSettings  # those given, with the workload's context as max_model_len where none was

    @property
    def arch(self) -> Architecture:
        """The model's shape."""
        return self.request.arch

    @property
    def workload(self) -> Workload:
        """What the person wants to do with it."""
        return self.request.workload

    @property
    def given(self) -> Mapping[str, Any]:
        """The settings as they were given, by name."""
        return self.request.settings

    @property
    def longest_open(self) -> int:
        """Tokens at which a context that is left open ends: the cache is there anyway, so the model's own end."""
        return min(self.request.open_context or self.arch.n_ctx_train, self.arch.n_ctx_train)

    def refusal(self, settings: VllmSettings) -> str | None:
        """The engine's reason to refuse these settings before it loads anything, None where it doesn't."""
        return refusal(self.arch, self.scheme, settings, self.devices.gpu, self.devices.count)

    def check(self, settings: VllmSettings) -> None:
        """Raise RefusedError with the engine's reason where it would refuse these settings."""
        check(self.arch, self.scheme, settings, self.devices.gpu, self.devices.count)


def deployment_of(request: PlanRequest) -> Deployment:
    """Return what a request means. Raises InputError for a setting that vLLM doesn't have, UnsupportedError for
    a format that it doesn't load.
    """
    arch, settings = request.arch, settings_from(request.settings)
    if settings.max_model_len is None and request.workload.context is not None:
        settings = replace(settings, max_model_len=request.workload.context)
    asked = "" if arch.quantization else settings.quantization
    made = next((q.name for q in checkpoints() if asked and q.online == asked), None)
    scheme = scheme_for(arch, made or request.quant, request.model.id, online=made is not None)
    if scheme.online and made is None and request.model.holds == "checkpoint":
        # The repository that was named is in this format already: nothing is made while loading.
        scheme = replace(scheme, method=None, online=False, assumed=request.model.id)
    return Deployment(request, scheme, devices_of(request.machine, settings), settings)
