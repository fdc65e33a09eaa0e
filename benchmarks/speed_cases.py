"""Published speed measurements as cases: a row of speed.jsonl -> model, weights, situation, what was measured.

Only what a user would know of the run goes in (engine, build date, backend, settings, hardware); never where
the row was published.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from benchmarks.speed_community import community_row, is_community
from benchmarks.speed_doubts import queued, ranks, read_too_fast, too_large
from benchmarks.speed_hardware import backend_of, row_device, row_host
from benchmarks.speed_models import Resolver
from planner.speed.job import Job, Load
from planner.speed.model_work import ModelWork, WeightBits
from planner.speed.situation import Device, HostFacts, Situation
from planner.speed.weights import weight_bits

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
    "queueing": "requests waited: their concurrency is no running batch",
    "engine_not_planned": "an engine that nobody plans for",
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
    load: Load
    decode: float | None
    prefill: float | None
    total: float | None
    how: str
    model: str  # as the catalogue calls it
    hw: str
    placement: str  # full | partial | cpu

    @property
    def batch(self) -> float:
        """Sequences at once."""
        return self.load.streams

    @property
    def job(self) -> Job:
        """The model where it ran."""
        return Job(self.work, self.bits, self.situation)

    @property
    def modelled(self) -> bool:
        """No run: times of kernels, added up."""
        return "modelled" in (self.row.get("flags") or ())

    @property
    def home(self) -> bool:
        """A home machine's mean over a few answers: power limit, RAM and spills are unknown."""
        return self.situation.home

    @property
    def clean(self) -> bool:
        """Nothing was flagged."""
        return not self.row.get("flags")


class Unsupported(Exception):
    """A row that no prediction is made for, with the reason."""


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
    if row.get("gpu_share") is not None:
        share = max(0.0, min(1.0, float(row["gpu_share"])))
        return share, share, share
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
    capacity = _room(row, device)
    if size and capacity:
        if work.is_moe and str(row.get("engine")) != "ollama":  # which moves whole layers
            dense = (work.linear + work.head) * 1.0
            return 1.0, max(0.0, min(1.0, (capacity - dense) / max(size - dense, 1))), 1.0
        share = max(0.0, min(1.0, capacity / size))
        return share, share, share
    raise Unsupported("how much of the model lies on the GPU is not stated")


def _room(row: Mapping[str, Any], device: Device) -> float:
    """Bytes for weights on the devices of a run: what a cache and buffers usually leave."""
    each = float(row.get("vram_gib") or 0) * 2**30 or device.capacity
    return 0.88 * each * int(row.get("hw_count") or 1)


def _placed(
    row: Mapping[str, Any], work: ModelWork, size: float, device: Device
) -> tuple[float, float, float]:
    """Shares on the devices; a run that doesn't say where it lay was partly offloaded if it can't have fitted."""
    residency = row.get("residency")
    room = _room(row, device)
    spilled = residency == "unknown" and device.memory != "unified" and 0 < room < size
    return _offload(row, work, size, device) if residency == "partial" or spilled else (1.0, 1.0, 1.0)


def case_of(row: Mapping[str, Any], resolver: Resolver) -> Case:
    """The case that a row describes; raises Unsupported with the reason."""
    if is_community(row):
        row = community_row(row)
    for flag in row.get("flags") or ():
        if flag in UNUSED_FLAGS:
            raise Unsupported(f"{flag}: {UNUSED_FLAGS[flag]}")
    if row.get("spec_decoding"):
        raise Unsupported("speculative decoding with unknown acceptance")
    waited = queued(row)
    if waited:
        raise Unsupported(waited)
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
    if asked:
        depth = asked + answered / 2
    elif not generated and not row.get("depth"):
        depth += 200
    decode = row.get("decode_tps")
    if decode is None and row.get("tpot_ms"):
        decode = 1000.0 / float(row["tpot_ms"])
    output = row.get("total_output_tps")
    seconds = 1 / float(decode) if decode else batch / float(output) if output else None
    doubt = too_large(Job(work, bits, situation))
    if seconds and not doubt:
        doubt = read_too_fast(Job(work, bits, situation), depth, batch, seconds)
    if doubt:
        raise Unsupported(doubt)
    on_gpu = min(situation.gpu_dense, situation.gpu_experts, situation.gpu_kv)
    placement = "cpu" if not situation.devices else "partial" if on_gpu < 1 else "full"
    return Case(
        id=str(row["id"]),
        row=row,
        work=work,
        bits=bits,
        situation=situation,
        depth=depth + generated / 2,
        prefill_depth=float(row.get("depth") or 0) if row.get("n_prompt") or row.get("depth") else 0.0,
        prompt=prompt,
        load=Load(batch, asked, answered),
        decode=float(decode) if decode else None,
        prefill=float(row["prefill_tps"]) if row.get("prefill_tps") else None,
        total=float(output) if output else None,
        how=found.how,
        model=found.name,
        hw=hw,
        placement=placement,
    )


def _batch(row: Mapping[str, Any], case: Situation, work: ModelWork, weights: float, each: float) -> float:
    """Sequences at once: as stated, but no more than the memory beside the weights holds.

    `each`: tokens of one sequence at its end. Throughput runs state no concurrency, or the number of prompts: where
    they tell the speed of all and of one, it follows (Little's law).
    """
    stated = float(row.get("concurrency") or 0)
    one = row.get("decode_tps") or (1000.0 / float(row["tpot_ms"]) if row.get("tpot_ms") else None)
    if one and row.get("total_output_tps") and stated > 256:
        return max(1.0, min(stated, float(row["total_output_tps"]) / float(one)))
    if not case.devices or (stated <= 256 and not (stated == 0 and row.get("total_output_tps"))):
        return stated or 1.0
    free = 0.9 * sum(d.capacity for d in case.devices) - weights
    held = free / max(1.0, work.kv_elements(each) * case.kv_bytes + work.state)
    return max(1.0, min(stated or 1024.0, held, 256.0 if case.engine == "vllm" else 1024.0))


def _situation(row: Mapping[str, Any], work: ModelWork, size: float) -> tuple[Situation, str]:
    engine = str(row["engine"])
    host = row_host(row)
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
        "home": _method(row) == "average",
        "threads": int(row["threads"]) if row.get("threads") else None,
        # row-interleaved quants can't be streamed to a GPU, so their experts' prefill stays on the CPU
        "op_offload": not re.search(r"_R\d\b|-rtr", f"{row.get('quant')} {row.get('offload')}"),
    }
    if row.get("residency") == "cpu":
        if host is None:
            raise Unsupported(f"the processor of '{row.get('hardware')}' is not known")
        return Situation(host=host, **common), str(row.get("hw_key") or row.get("hardware"))
    device = row_device(row)
    if device is None:
        raise Unsupported(f"the device '{row.get('hw_key') or row.get('hardware')}' is not known")
    count = int(row.get("hw_count") or 1)
    parallel = str(row.get("parallel") or "")
    mode = "tensor" if parallel.startswith("t") else "row" if parallel == "row" else "layer"
    if not parallel and engine in {"vllm", "sglang", "trt-llm"} and count > 1:
        mode = "tensor"
    groups = 1
    if mode == "tensor":
        count, groups, wrong = ranks(row, work.heads)
        if wrong:
            raise Unsupported(wrong)
    _, variant = backend_of(row, device.vendor)
    dense, experts, cache = _placed(row, work, size, device)
    if host is None:
        host = HostFacts(60e9, 8, "desktop", False)
    return (
        Situation(
            devices=(device,) * count,
            host=host,
            mode=mode,
            attention_groups=groups,
            gpu_dense=dense,
            gpu_experts=experts,
            gpu_kv=cache,
            variant=variant,
            **common,
        ),
        device.card,
    )
