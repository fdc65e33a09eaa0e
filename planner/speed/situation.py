"""Situation: where and how a model runs, as far as its speed depends on it.

Engines are told apart by their family only: who knows an engine's settings (its work_split.py, the benchmark)
translates them into shares of the weights per device and a split.
"""

from __future__ import annotations

from dataclasses import field

from planner.fast_dataclass import dataclass
from planner.hardware.machine import Accelerator, Backend, Cpu
from planner.speed.engine_family import family_of, reference_engine

_SM = {
    50: "maxwell", 52: "maxwell", 35: "kepler", 37: "kepler", 60: "pascal-hbm", 61: "pascal", 62: "pascal",
    70: "volta", 72: "xavier", 75: "turing", 80: "ampere-hbm", 86: "ampere", 87: "orin", 88: "ampere",
    89: "ada", 90: "hopper", 100: "blackwell-hbm", 101: "thor", 103: "blackwell-ultra", 110: "thor",
    120: "blackwell", 121: "gb10",
}  # fmt: skip
_HBM = frozenset(
    {"pascal-hbm", "volta", "ampere-hbm", "hopper", "blackwell-hbm", "blackwell-ultra", "vega20"}
    | {"cdna", "cdna2", "cdna3", "cdna4"}
)
_NO_INT8 = frozenset({"pascal", "pascal-hbm", "blackwell-ultra"})  # dp4a only, or cut to a fraction
NODE = 8  # accelerators that one host joins by its own links
_ROCE, _USB4 = (
    20e9,
    4e9,
)  # bytes/s one way between small machines: DGX Spark with both ports; 40 Gb/s less its headers
# 64 bytes of vectors a cycle (two units of AVX2, Apple's four of NEON; half as many on small boards) at the clock that
# all cores hold, GHz: Zen 4/5 and Core 5.0, EPYC and Xeon 3.4, M2 3.5, Cortex-A76 2.4.
_CORE = {"desktop": 5.0 * 4e9, "server": 3.4 * 4e9, "apple": 3.5 * 4e9, "small": 2.4 / 2 * 4e9}
_APPLE_CORES = 240e9  # bytes/s that all cores of an M1 Max read together, of 400: AnandTech, 2021-10-25
_PCIE = 16e9  # bytes/s one way where a card's own isn't known: PCIe 3.0 x16
CURRENT_YEAR = 2026.8  # build date of the engines whose rules the planner carries


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator's facts for speed, and its place in the hierarchy card -> generation -> vendor."""

    card: str
    generation: str
    vendor: str
    memory: str  # hbm | gddr | unified
    bandwidth: float  # bytes/s
    rate: float  # operations/s of the path that language models use (fp16 where there are matrix units)
    backend: str
    pcie: float | None = None  # bytes/s one way
    nvlink: float | None = None
    capacity: int = 0  # bytes
    exact: bool = True  # False: bandwidth or rate is a guess
    int8: float | None = None  # operations/s on 8-bit integers, where there are such matrix units
    fp8: float | None = None
    fp4: float | None = None

    def path(self, kind: str, *, ggml: bool) -> float:
        """Operations/s of the arithmetic that multiplies weights of this kind.

        llama.cpp's own kernels multiply quantised blocks as int8 on NVIDIA (ggml-cuda/mmq.cuh), which GeForce
        cards do at twice the rate of FP16 with FP32 accumulation; counted at half, as FP16-equivalent.
        Serving engines multiply FP8 and FP4 checkpoints as such; INT4 is unpacked to FP16.
        """
        if ggml:
            if self.vendor == "nvidia" and self.int8:
                return max(self.rate, self.int8 / 2)
            return self.rate
        if kind == "fp8" and self.fp8:
            return self.fp8
        if kind in {"fp4", "mxfp4"} and (self.fp4 or self.fp8):
            return self.fp4 or self.fp8 or self.rate
        return self.rate


def generation_of(acc: Accelerator) -> str:
    """The generation a card belongs to: its kernels, caches and memory kind."""
    if acc.sm is not None:
        return _SM.get(acc.sm, f"sm{acc.sm}")
    name = (acc.architecture or acc.vendor).lower().replace(" ", "-")
    return {"vega-20": "vega20", "gcn5.1": "vega20"}.get(name, name)


def device_of(acc: Accelerator, backend: str | None = None) -> Device:
    """The speed facts of one accelerator; without a known bandwidth a careful guess by its kind."""
    generation = generation_of(acc)
    bandwidth = acc.memory_bandwidth
    rates = acc.rates
    fp16 = rates.fp16 or rates.bf16 or 0.0
    fp32 = rates.fp32 or 0.0
    if rates.int8 and generation in {"pascal", "pascal-hbm"}:
        fp16 = max(fp16, rates.int8 / 4)
    rate = max(fp16, fp32)
    exact = bool(bandwidth and rate)
    if not bandwidth:
        # discrete cards have about 35 GB/s a GiB of memory (RTX 3060 30, 4060 34, 3090 39, 4090 42, H100 42)
        shared = acc.unified or acc.integrated
        bandwidth = 100e9 if shared else min(2e12, max(2e11, 35e9 * acc.memory_total / 2**30))
    if not rate:
        rate = bandwidth * (60 if acc.vendor in {"nvidia", "amd", "intel"} else 25)
    memory = "unified" if acc.unified or acc.integrated else "hbm" if generation in _HBM else "gddr"
    return Device(
        card=acc.profile or acc.name.lower(),
        generation=generation,
        vendor=acc.vendor,
        memory=memory,
        bandwidth=bandwidth,
        rate=rate,
        backend=backend or (acc.backend.value if acc.backend is not Backend.OTHER else "cuda"),
        pcie=acc.pcie_bandwidth,
        nvlink=acc.nvlink_bandwidth,
        capacity=acc.memory_total,
        exact=exact,
        int8=rates.int8 if generation not in _NO_INT8 else None,
        fp8=rates.fp8,
        fp4=rates.fp4,
    )


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The processor side: memory bandwidth in bytes/s, cores that compute."""

    bandwidth: float = 60e9
    cores: int = 8
    kind: str = "desktop"  # desktop | server | small | apple
    exact: bool = False

    @property
    def core(self) -> float:
        """Operations/s of one core's vectors, up to a factor that all kinds share: the unit of what kernels reach."""
        return _CORE.get(self.kind, _CORE["desktop"])


def host_of(cpu: Cpu) -> HostFacts:
    """The speed facts of a host's processor; unknown bandwidth is taken as a dual-channel desktop's."""
    cores = cpu.usable_cores or cpu.physical_cores or 8
    bandwidth = cpu.memory_bandwidth
    name = cpu.name.lower()
    if "apple" in name:
        kind = "apple"
        bandwidth = min(bandwidth, _APPLE_CORES) if bandwidth else None
    elif bandwidth is not None and bandwidth < 20e9:
        kind = "small"
    elif bandwidth is not None and bandwidth > 150e9:
        kind = "server"
    else:
        kind = "desktop"
    return HostFacts(bandwidth or 60e9, cores, kind, bandwidth is not None)


@dataclass(frozen=True, slots=True)
class Situation:
    """Devices, shares and engine. Shares are of the model's layers by device; 0 to 1."""

    devices: tuple[Device, ...] = ()
    shares: tuple[float, ...] = ()  # per device, of what lies on the devices (layer split); sums to 1
    host: HostFacts = HostFacts()
    engine: str = field(default_factory=reference_engine)
    mode: str = "layer"  # layer | tensor | row: how several devices share the layers
    attention_groups: int = (
        1  # groups of the devices that attend to sequences of their own (attention data parallel)
    )
    gpu_dense: float = 1.0  # share of the dense weights on the devices
    gpu_experts: float = 1.0  # share of the routed experts on the devices
    gpu_kv: float = 1.0  # share of the cache on the devices
    kv_bytes: float = 2.0  # bytes a cached element
    flash_attention: bool | None = None  # None: the engine's default
    ubatch: int = 512  # tokens computed at once in a prefill
    year: float = CURRENT_YEAR  # build date of the engine
    method: str = "bench"  # how speed is taken: bench (engine's own loop) | request (over HTTP) | average
    variant: str = ""  # driver or library variant of a backend (amdvlk …)
    home: bool = False  # somebody's own machine: power limit, memory clock and what else it does are unknown
    op_offload: bool = True  # prefill streams CPU weights over PCIe
    threads: int | None = None  # that decode uses on the host; prefill uses all cores
    drafts: bool = False  # a second context drafts already; what that saves isn't counted
    predicts: bool = False  # … with the model's own prediction layers: what that gains was measured
    together: bool = False  # the devices share each layer already, though the speed is that of `mode`
    streamed: float = (
        0.0  # share of the weights that lies in the host's memory and is read over the devices' links
    )
    eager: bool = False  # the host launches every kernel of every step

    @property
    def links(self) -> float:
        """Bytes/s that the devices read from the host together, where they share each layer."""
        return sum((d.pcie or 16e9) for d in self.devices[: self.tensor_parallel]) or 16e9

    @property
    def family(self) -> str:
        """The engine whose kernels run."""
        return family_of(self.engine).name

    @property
    def reference(self) -> bool:
        """True where effects without an engine's name speak of this one."""
        return family_of(self.engine).reference

    @property
    def tensor_parallel(self) -> int:
        """Devices that share each layer."""
        return len(self.devices) if self.mode in {"tensor", "row"} else 1

    @property
    def link(self) -> tuple[str, float]:
        """What joins the devices that share a layer, and its bytes/s one way.

        Bridges between graphics cards join pairs, and few have them: NVLink is counted where modules have it.
        """
        d = self.devices[0]
        if d.memory == "unified":
            return "network", _ROCE if d.vendor == "nvidia" else _USB4
        if len(self.devices) > NODE:
            return "network", (d.nvlink or d.pcie or _PCIE) / 2
        if d.nvlink and d.memory == "hbm":
            return "nvlink", d.nvlink / 2
        return "pcie", d.pcie or _PCIE

    @property
    def attention_ranks(self) -> int:
        """Devices that share the heads of a layer."""
        return max(1, self.tensor_parallel // self.attention_groups)

    @property
    def inverse_bandwidth(self) -> float:
        """Seconds a byte of weights spread over the devices costs at peak."""
        if not self.devices:
            return 0.0
        if self.tensor_parallel > 1:
            slowest = min(d.bandwidth for d in self.devices)
            return 1.0 / (slowest * len(self.devices))
        shares = self.shares or tuple(1.0 / len(self.devices) for _ in self.devices)
        return sum(s / d.bandwidth for s, d in zip(shares, self.devices, strict=True))

    def inverse_rate(self, kind: str) -> float:
        """Seconds an operation on weights of this kind ("f16": also attention) costs at peak."""
        if not self.devices:
            return 0.0
        ggml = family_of(self.engine).ggml
        rates = [d.path(kind, ggml=ggml) for d in self.devices]
        if self.tensor_parallel > 1:
            return 1.0 / (min(rates) * len(rates))
        shares = self.shares or tuple(1.0 / len(rates) for _ in rates)
        return sum(s / r for s, r in zip(shares, rates, strict=True))
