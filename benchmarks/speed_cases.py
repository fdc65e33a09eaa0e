"""Published speed measurements as cases: a row of speed.jsonl -> model, weights, situation, what was measured.

Only what a user would know of the run goes in (engine, build date, backend, settings, hardware); never where
the row was published.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from benchmarks.speed_models import Resolver
from planner.errors import InputError
from planner.hardware.machine import Accelerator
from planner.hardware.profiles import load_profile
from planner.speed.situation import Device, HostFacts, Situation, device_of, host_of
from planner.speed.weights import weight_bits
from planner.speed.work import ModelWork, WeightBits

# processors and shared-memory devices that no profile describes: bytes/s = channels × MT/s × 8, cores
_HOSTS: tuple[tuple[str, float, int, str], ...] = (
    ("9r14 2s|c7a.metal|2 x epyc 9r14", 921.6e9, 192, "server"),
    ("epyc 9355", 576e9, 32, "server"),
    ("epyc 9175f", 537.6e9, 16, "server"),
    ("xeon gold 6138", 255.9e9, 40, "server"),
    ("6454s", 614.4e9, 64, "server"),
    ("6980p", 614.4e9, 128, "server"),
    ("7975wx", 358.4e9, 32, "server"),
    ("7965wx", 307.2e9, 24, "server"),
    ("5975wx", 204.8e9, 32, "server"),
    ("e5-2697a", 153.6e9, 32, "server"),
    ("7980xe", 102.4e9, 18, "desktop"),
    ("10900x", 93.9e9, 10, "desktop"),
    ("64-core avx2", 190e9, 64, "server"),
    ("ampereone", 409.6e9, 192, "server"),
    ("7940hs", 89.6e9, 8, "desktop"),
    ("258v", 136.5e9, 4, "desktop"),
    ("strix halo cpu|ai max+ 395 cpu", 256e9, 16, "desktop"),
    ("framework mainboard", 256e9, 16, "desktop"),
    ("13900k", 102.4e9, 24, "desktop"),
    ("14900k", 89.6e9, 24, "desktop"),
    ("14700hx", 83.2e9, 20, "desktop"),
    ("hx 370", 89.6e9, 12, "desktop"),
    ("m2 max cpu", 400e9, 12, "apple"),
    ("7950x", 83.2e9, 16, "desktop"),
    ("9950x", 96e9, 16, "desktop"),
    ("9600x", 96e9, 6, "desktop"),
    ("5900x", 51.2e9, 12, "desktop"),
    ("3900x", 51.2e9, 12, "desktop"),
    ("5800x", 51.2e9, 8, "desktop"),
    ("ryzen 5 3500", 42.7e9, 6, "desktop"),
    ("ai 5 340", 89.6e9, 6, "desktop"),
    ("n150|n100", 38.4e9, 4, "small"),
    ("cm5|pi 5", 17.1e9, 4, "small"),
    ("pi 400|pi 4", 12.8e9, 4, "small"),
    ("ms-r1", 96e9, 12, "small"),
    ("p550", 51.2e9, 4, "small"),
)
_DEVICES = {
    "a100 80gb (form factor unstated)": "A100 SXM 80GB", "16gb rdna2 gpu": "RX 6800 XT", "gfx1030": "RX 6800 XT",
    "amd pro w7700": None, "rx 7600": None, "framework mainboard": "Strix Halo 8060S",
    "gtx 1650 super": None, "rtx 5060 laptop": None, "rtx 5090 mobile": "RTX 5090 Laptop", "radeon 680m": None,
}  # fmt: skip
_SHARED: dict[str, tuple[float, float, str]] = {  # bandwidth, fp16 rate, generation of integrated GPUs
    "arc 140v": (136.5e9, 32e12, "xe2-lpg"), "iris xe": (51.2e9, 4e12, "xe-lp"),
    "radeon 680m": (102.4e9, 6.8e12, "rdna2"),
    "radeon 890m": (120e9, 23.8e12, "rdna3.5"), "840m": (89.6e9, 6e12, "rdna3.5"), "660m": (76.8e9, 3.3e12, "rdna2"),
    "vega 7": (51.2e9, 3.2e12, "vega"),
}  # fmt: skip
_DISCRETE: dict[str, tuple[float, float, str, str]] = {
    "pro w7700": (576e9, 56.5e12, "amd", "rdna3"), "rx 7600": (288e9, 43.5e12, "amd", "rdna3"),
    "rx 6500 xt": (143.9e9, 11.5e12, "amd", "rdna2"), "rx 580": (256e9, 6.2e12, "amd", "polaris"),
    "gtx 1650 super": (192e9, 8.8e12, "nvidia", "turing"), "rtx a2000": (288e9, 32e12, "nvidia", "ampere"),
    "rtx 5060 laptop": (384e9, 35e12, "nvidia", "blackwell"),
}  # fmt: skip
UNUSED_FLAGS = {
    "spill": "the driver moved part of the model to host memory",
    "suspect": "the source's figure is doubtful",
    "anomalous": "the source's figure is doubtful",
    "anomalous_prefill": "the source's figure is doubtful",
    "spec_decoding": "speculative decoding with unknown acceptance",
    "mtp_possible": "multi-token prediction may have been on",
    "reduced_experts": "fewer experts than the model's own",
    "disaggregated": "size of the prefill pool is not stated",
    "power_limited": "power limit",
    "thermal_throttle": "throttled",
    "rpc_cluster": "several hosts over RPC",
    "pcie_bottleneck_host": "a host that no machine like it is planned for",
    "driver_overhead": "driver mode costs speed",
}


@dataclass(frozen=True)
class Case:
    """One row: what ran where, and what was measured (tokens/s; None where not)."""

    id: str
    row: Mapping[str, Any]
    work: ModelWork
    bits: WeightBits
    situation: Situation
    depth: float  # mean depth while decoding
    prefill_depth: float
    prompt: float
    batch: float
    prompt_per_token: float
    decode: float | None
    prefill: float | None
    total: float | None
    how: str
    hw: str
    placement: str  # full | partial | cpu

    @property
    def clean(self) -> bool:
        """Nothing was flagged."""
        return not self.row.get("flags")


class Unsupported(Exception):
    """A row that no prediction is made for, with the reason."""


@lru_cache(maxsize=512)
def _profile_device(text: str) -> Accelerator | None:
    try:
        machine = load_profile(text)
    except InputError:
        return None
    return machine.accelerators[0] if machine.accelerators else None


def _backend(row: Mapping[str, Any], vendor: str) -> tuple[str, str]:
    text = str(row.get("backend") or "").lower()
    variant = ""
    for name in ("amdvlk", "hipblaslt", "rocwmma", "coopmat1"):
        if name in text:
            variant = name
            break
    for name, backend in (
        ("vulkan", "vulkan"), ("sycl", "sycl"), ("cuda", "cuda"), ("metal", "metal"), ("rocm", "rocm"), ("hip", "rocm"),
    ):  # fmt: skip
        if name in text:
            return backend, variant
    return {"nvidia": "cuda", "apple": "metal", "amd": "rocm", "intel": "sycl"}.get(vendor, "cpu"), variant


def _device(row: Mapping[str, Any]) -> Device | None:
    key = str(row.get("hw_key") or "")
    text = f"{key} {row.get('hardware') or ''}".lower()
    acc = None
    for part, profile in _DEVICES.items():
        if part in text and profile:
            acc = _profile_device(profile)
    if key and acc is None:
        acc = _profile_device(key)
    if acc is not None:
        backend, _ = _backend(row, acc.vendor)
        return device_of(acc, backend)
    for part, (bw, rate, gen) in _SHARED.items():
        if part in text:
            vendor = "intel" if gen.startswith("xe") else "amd"
            return Device(part, gen, vendor, "unified", bw, rate, _backend(row, vendor)[0])
    for part, (bw, rate, vendor, gen) in _DISCRETE.items():
        if part in text:
            return Device(part, gen, vendor, "gddr", bw, rate, _backend(row, vendor)[0], 8e9)
    hardware = str(row.get("hardware") or "")
    for piece in re.split(r"[+,(]", hardware):
        acc = _profile_device(re.sub(r"\s*\d+\s*GB.*$", "", re.sub(r"^\s*\d+\s*x\s*", "", piece)).strip())
        if acc is not None:
            return device_of(acc, _backend(row, acc.vendor)[0])
    return None


def _host(row: Mapping[str, Any]) -> HostFacts | None:
    text = " ".join(str(row.get(k) or "") for k in ("hw_key", "hardware", "cpu")).lower()
    found = None
    for names, bandwidth, cores, kind in _HOSTS:
        if any(n in text for n in names.split("|")):
            found = HostFacts(bandwidth, cores, kind, True)
            break
    ram = str(row.get("ram") or "")
    rate = re.search(r"DDR\d-(\d{4})", ram)
    if rate:
        channels = re.search(r"(\d+)ch", ram)
        count = int(channels.group(1)) if channels else 4 if "quad" in ram else 2
        if "per socket" in ram:
            count *= 2
        bandwidth = count * int(rate.group(1)) * 8e6
        if channels or found is None or found.kind == "desktop":
            cores = found.cores if found else 8
            found = HostFacts(bandwidth, cores, "server" if bandwidth > 150e9 else "desktop", True)
    if found is None and row.get("residency") == "cpu":
        try:
            machine = load_profile(str(row.get("hw_key") or row.get("hardware")))
            return host_of(machine.host.cpu)
        except InputError:
            return None
    return found


def build_year(row: Mapping[str, Any]) -> float:
    """The year in which the engine was built, from its version or the date of the run; 2025.6 when unknown."""
    version = str(row.get("engine_version") or "")
    match = re.search(r"\bb(?:uild[_: a-z0-9]*\()?(\d{4,5})\b", version) or re.search(
        r"\((\d{4})\)$", version
    )
    if match and row.get("engine") in {"llama.cpp", "ollama"}:
        # llama.cpp build numbers: b1550 November 2023, b2950 May 2024, b5000 April 2025, b9190 May 2026
        points = ((1148, 2023.65), (1550, 2023.87), (2950, 2024.38), (4000, 2024.84), (5000, 2025.25),
                  (6123, 2025.61), (7315, 2025.93), (9190, 2026.37), (10450, 2026.62), (11434, 2026.85))  # fmt: skip
        n = float(match.group(1))
        for (a, ya), (b, yb) in pairwise(points):
            if n <= b:
                return max(2023.5, ya + (yb - ya) * (n - a) / (b - a))
        return 2026.85
    for text in (version, str(row.get("date") or "")):
        match = re.search(r"\b(202\d)(?:-(\d\d))?", text)
        if match:
            return int(match.group(1)) + (int(match.group(2)) - 0.5 if match.group(2) else 6) / 12
    return 2025.6


def _method(row: Mapping[str, Any]) -> str:
    test = str(row.get("test") or "").lower()
    if "llmfit" in test:
        return "average"
    if "self-reported" in test:
        return "reported"
    if re.match(r"^/?(pp|tg|sweep|batched|generation|decode|prefill)", test) or "eval rate" in test:
        return "bench"
    return "request"


def _lengths(row: Mapping[str, Any]) -> tuple[float, float]:
    """Prompt and answer length of a serving run, tokens; ShareGPT's means; zeros where it is none."""
    if row.get("isl"):
        return float(row["isl"]), float(row.get("osl") or 0)
    test = str(row.get("test") or "")
    match = re.search(r"ISL (\d+) OSL (\d+)", test)
    if match:
        return float(match.group(1)), float(match.group(2))
    return (220.0, 200.0) if "ShareGPT" in test else (0.0, 0.0)


def _offload(
    row: Mapping[str, Any], work: ModelWork, size: float, device: Device
) -> tuple[float, float, float]:
    """Shares of dense weights, experts and cache on the devices of a partly offloaded run."""
    text = str(row.get("offload") or "").lower()
    layers = work.n_layer
    moe = max(1, work.n_moe)
    if "kv cache on cpu" in text:
        return 1.0, 1.0, 0.0
    if row.get("n_cpu_moe") is not None:
        return 1.0, max(0.0, 1 - float(row["n_cpu_moe"]) / layers), 1.0
    span = re.search(r"layers (\d+)-(\d+)", text)
    if span and work.is_moe:
        count = int(span.group(2)) - int(span.group(1)) + 1
        share = 1 - count / moe if "on cpu" in text and "gpu" not in text else count / moe
        return 1.0, max(0.0, min(1.0, share)), 1.0
    if "all but" in text:
        kept = re.search(r"all but (\d+)", text)
        return 1.0, int(kept.group(1)) / moe if kept else 0.0, 1.0
    if work.is_moe and (
        "exps=cpu" in text or "cpu-moe" in text or "experts on cpu" in text or "all experts" in text
    ):
        return 1.0, 0.0, 1.0
    if row.get("ngl") is not None and float(row["ngl"]) < layers and not text:
        share = float(row["ngl"]) / layers
        return share, share, share
    capacity = device.capacity * int(row.get("hw_count") or 1) * 0.88
    if size and capacity:
        if work.is_moe:
            dense = (work.linear + work.head) * 1.0
            return 1.0, max(0.0, min(1.0, (capacity - dense) / max(size - dense, 1))), 1.0
        share = max(0.0, min(1.0, capacity / size))
        return share, share, share
    raise Unsupported("how much of the model lies on the GPU is not stated")


def case_of(row: Mapping[str, Any], resolver: Resolver) -> Case:
    """The case that a row describes; raises Unsupported with the reason."""
    for flag in row.get("flags") or ():
        if flag in UNUSED_FLAGS:
            raise Unsupported(f"{flag}: {UNUSED_FLAGS[flag]}")
    if row.get("spec_decoding"):
        raise Unsupported("speculative decoding with unknown acceptance")
    if "cluster" in str(row.get("hardware") or "").lower() or "rpc" in str(row.get("parallel") or ""):
        raise Unsupported("several hosts")
    try:
        found = resolver.find(str(row["model"]), row.get("model_raw"), str(row.get("model_kind")))
    except KeyError as error:
        raise Unsupported(str(error.args[0])) from None
    work = found.work
    size = float(row.get("file_size_gib") or 0) * 2**30
    native = "mxfp4" if "gpt-oss" in str(row["model"]).lower() else ""
    quant = row.get("quant")
    engine = str(row["engine"])
    if not quant and not size:
        quant = {"ollama": "Q4_K_M", "llama.cpp": "Q4_K_M", "mlx": "mlx-4bit"}.get(engine, "BF16")
        if native:
            quant = "MXFP4"
    try:
        bits = weight_bits(quant, work, size or None, native=native)
    except KeyError:
        raise Unsupported(f"unknown quantisation '{quant}'") from None
    total = (work.linear * bits.dense + work.experts * bits.expert + work.head * bits.head) / 8
    situation, hw = _situation(row, work, total)
    depth = float(row.get("depth") or 0)
    generated = float(row.get("n_gen") or 0)
    asked, answered = _lengths(row)
    batch = _batch(row, situation, work, total, asked + answered)
    prompt = float(row.get("n_prompt") or row.get("isl") or 512)
    ratio = 0.0
    if asked:
        depth = asked + answered / 2
        ratio = asked / max(1.0, answered)
    elif not generated and not row.get("depth"):
        depth += 200
    decode = row.get("decode_tps")
    if decode is None and row.get("tpot_ms"):
        decode = 1000.0 / float(row["tpot_ms"])
    output = row.get("total_output_tps")
    placement = {"partial": "partial", "cpu": "cpu"}.get(str(row.get("residency")), "full")
    return Case(
        id=str(row["id"]),
        row=row,
        work=work,
        bits=bits,
        situation=situation,
        depth=depth + generated / 2,
        prefill_depth=float(row.get("depth") or 0) if row.get("n_prompt") or row.get("depth") else 0.0,
        prompt=prompt,
        batch=batch,
        prompt_per_token=ratio,
        decode=float(decode) if decode else None,
        prefill=float(row["prefill_tps"]) if row.get("prefill_tps") else None,
        total=float(output) if output else None,
        how=found.how,
        hw=hw,
        placement=placement,
    )


def _rank_count(row: Mapping[str, Any], count: int) -> int:
    """GPUs that share one layer: a pool of more than a node's eight is replicas of the stated parallel size."""
    stated = re.search(r"tp(\d+)", str(row.get("parallel") or ""))
    experts = re.search(r"\bep(\d+)", str(row.get("test") or ""))
    if stated:
        return int(stated.group(1))
    if experts and count > 8:
        return int(experts.group(1))
    return count


def _batch(row: Mapping[str, Any], case: Situation, work: ModelWork, weights: float, each: float) -> float:
    """Sequences at once: as stated, but no more than the memory beside the weights holds.

    `each`: tokens of one sequence at its end. Throughput runs state no concurrency, or the number of prompts.
    """
    stated = float(row.get("concurrency") or 0)
    if not case.devices or (stated <= 256 and not (stated == 0 and row.get("total_output_tps"))):
        return stated or 1.0
    free = 0.9 * sum(d.capacity for d in case.devices) - weights
    held = free / max(1.0, work.kv_elements(each) * case.kv_bytes + work.state)
    return max(1.0, min(stated or 1024.0, held, 256.0 if case.engine == "vllm" else 1024.0))


def _situation(row: Mapping[str, Any], work: ModelWork, size: float) -> tuple[Situation, str]:
    engine = str(row["engine"])
    host = _host(row)
    kv = {"q8_0": 1.0625, "q4_0": 0.5625, "fp8": 1.0}.get(str(row.get("kv_type") or ""), 2.0)
    fa = row.get("fa")
    common: dict[str, Any] = {
        "engine": engine,
        "kv_bytes": kv,
        "flash_attention": None if fa is None else bool(fa),
        "ubatch": int(
            row.get("n_ubatch") or (2048 if engine in {"vllm", "sglang", "trt-llm", "mlx"} else 512)
        ),
        "year": build_year(row),
        "method": _method(row),
        "threads": int(row["threads"]) if row.get("threads") else None,
        # row-interleaved quants can't be streamed to a GPU, so their experts' prefill stays on the CPU
        "op_offload": not re.search(r"_R\d\b|-rtr", f"{row.get('quant')} {row.get('offload')}"),
    }
    if row.get("residency") == "cpu":
        if host is None:
            raise Unsupported(f"the processor of '{row.get('hardware')}' is not known")
        return Situation(host=host, **common), str(row.get("hw_key") or row.get("hardware"))
    device = _device(row)
    if device is None:
        raise Unsupported(f"the device '{row.get('hw_key') or row.get('hardware')}' is not known")
    count = int(row.get("hw_count") or 1)
    parallel = str(row.get("parallel") or "")
    mode = "tensor" if parallel.startswith("t") else "row" if parallel == "row" else "layer"
    if not parallel and engine in {"vllm", "sglang", "trt-llm"} and count > 1:
        mode = "tensor"
    if mode == "tensor":
        count = _rank_count(row, count)
    _, variant = _backend(row, device.vendor)
    dense, experts, cache = 1.0, 1.0, 1.0
    if row.get("residency") == "partial":
        dense, experts, cache = _offload(row, work, size, device)
        if host is None:
            host = HostFacts(60e9, 8, "desktop", False)
    return (
        Situation(
            devices=(device,) * count,
            host=host or HostFacts(),
            mode=mode,
            gpu_dense=dense,
            gpu_experts=experts,
            gpu_kv=cache,
            variant=variant,
            **common,
        ),
        device.card,
    )
