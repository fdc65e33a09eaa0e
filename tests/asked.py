"""Questions and plans written by hand, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import planner
from planner.hardware.machine import Backend, Cpu, Host, Machine
from planner.models.architecture import Architecture
from planner.models.model import Model
from planner.plan import MemoryEstimate, Placement, Plan, PlanRequest, Workload

BARE = Machine(hosts=(Host(64 << 30, 64 << 30, Cpu(name="CPU", physical_cores=8)),), name="bare")


def model_of(arch: Architecture, name: str = "m") -> Model:
    """A model of which nothing but the shape is known."""
    return Model(id=name, name=name, architecture=arch)


def asked(
    arch: Architecture,
    quant: str,
    machine: Machine,
    workload: Workload | None = None,
    settings: Mapping[str, Any] | None = None,
    name: str = "m",
) -> PlanRequest:
    """A request for a shape."""
    return PlanRequest(model_of(arch, name), quant, machine, workload or Workload(), settings or {})


def plan_of(engine: str = "llama.cpp", quant: str = "Q4_K_M", **fields: Any) -> Plan:
    """A plan that no engine made: it fits on GPUs and holds nothing."""
    model = planner.load_model("llama-3.1-8b")
    given: dict[str, Any] = {
        "request": PlanRequest(model, quant, BARE),
        "model": "m",
        "backend": Backend.CUDA,
        "fits": True,
        "placement": Placement.GPU,
        "settings": {},
        "memory": MemoryEstimate(()),
        "max_context": 8192,
        "max_concurrency": 1.0,
    }
    return Plan(engine=engine, quant=quant, **{**given, **fields})
