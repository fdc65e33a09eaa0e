"""The JSON documents: plain dictionaries of what `--json` prints, and nothing else.

Their schemas are the pydantic models in planner.schemas; the tests hold the two together. Sizes are
integer bytes. Built by hand because a cold start is too short for pydantic models.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from planner.hardware.machine import Accelerator, Host, Machine
from planner.plan import Interval, Plan, SpeedEstimate

JsonObject = dict[str, Any]


def _number(value: float) -> float:
    """Round to four significant digits: what lies behind is not known."""
    return float(f"{value:.4g}")


def interval_document(interval: Interval) -> JsonObject:
    """An interval as {"low", "expected", "high"}."""
    return {
        "low": _number(interval.low),
        "expected": _number(interval.expected),
        "high": _number(interval.high),
    }


def speed_document(speed: SpeedEstimate) -> JsonObject:
    """A speed estimate."""
    document: JsonObject = {
        "decode_tps": interval_document(speed.decode_tps),
        "prefill_tps": interval_document(speed.prefill_tps),
        "ttft_s": interval_document(speed.ttft_s),
        "total_output_tps": None
        if speed.total_output_tps is None
        else interval_document(speed.total_output_tps),
        "limited_by": speed.limited_by,
        "faster": list(speed.faster),
        "depth": speed.depth,
        "basis": speed.basis,
    }
    return document


def plan_document(plan: Plan) -> JsonObject:
    """One plan, as `planner plan --json` prints it and as each entry of `check`."""
    return {
        "model": plan.model,
        "quant": plan.quant,
        "engine": plan.engine,
        "fits": plan.fits,
        "placement": plan.placement.value,
        "settings": dict(plan.settings),
        "memory": {
            "devices": [
                {
                    "name": d.name,
                    "kind": d.kind,
                    "weights": d.weights,
                    "kv_cache": d.kv_cache,
                    "state": d.state,
                    "compute": d.compute,
                    "overhead": d.overhead,
                    "total": d.total,
                    "available": d.available,
                }
                for d in plan.memory.devices
            ],
            "total": plan.memory.total,
        },
        "max_context": plan.max_context,
        "max_concurrency": _number(plan.max_concurrency),
        "speed": None if plan.speed is None else speed_document(plan.speed),
        "command": plan.command,
        "fit": None if plan.fit is None else {"reason": plan.fit.reason, "command": plan.fit.command},
        "env": dict(plan.env),
        "source": plan.source,
        "why": list(plan.why),
        "warnings": list(plan.warnings),
    }


def accelerator_document(accelerator: Accelerator) -> JsonObject:
    """One GPU."""
    cc = accelerator.compute_capability
    return {
        "name": accelerator.name,
        "vendor": accelerator.vendor,
        "backend": accelerator.backend.value,
        "index": accelerator.index,
        "profile": accelerator.profile,
        "memory_total": accelerator.memory_total,
        "memory_free": accelerator.memory_free,
        "unified": accelerator.unified,
        "mig": accelerator.mig,
        "compute_capability": None if cc is None else f"{cc[0]}.{cc[1]}",
        "memory_bandwidth": None
        if accelerator.memory_bandwidth is None
        else int(accelerator.memory_bandwidth),
    }


def host_document(host: Host) -> JsonObject:
    """One host with its accelerators."""
    return {
        "name": host.name,
        "os": host.os,
        "ram_total": host.ram_total,
        "ram_available": host.ram_available,
        "cpu": {
            "name": host.cpu.name,
            "physical_cores": host.cpu.physical_cores,
            "usable_cores": host.cpu.usable_cores,
        },
        "gpus": [accelerator_document(a) for a in host.accelerators],
        "limits": list(host.limits),
    }


def machine_document(machine: Machine) -> JsonObject:
    """The machine of a `check`."""
    return {
        "name": machine.name,
        "detected": machine.detected,
        "profile": machine.profile,
        "hosts": [host_document(h) for h in machine.hosts],
        "sources": dict(machine.sources),
        "notes": list(machine.notes),
    }


def check_document(machine: Machine, plans: Iterable[Plan], notes: Iterable[str]) -> JsonObject:
    """What `planner check --json` prints."""
    return {
        "machine": machine_document(machine),
        "plans": [plan_document(p) for p in plans],
        "notes": list(notes),
    }


def launch_document(plan: Plan, files: Iterable[tuple[str, str]]) -> JsonObject:
    """What `planner launch --json` prints: the plan, and the files where there is more than a command."""
    return {
        **plan_document(plan),
        "files": [{"name": name, "content": content} for name, content in files],
    }
