"""The schemas of everything that --json prints: pydantic models, published by `planner schema`.

Imported only to publish or to check a schema, never on the way to an answer.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Document(BaseModel):
    """Base: no key beyond those published."""

    model_config = ConfigDict(extra="forbid")


class IntervalDocument(Document):
    """An honest number: 80 % of measurements should lie between low and high."""

    low: float = Field(ge=0)
    expected: float = Field(ge=0)
    high: float = Field(ge=0)


class SpeedDocument(Document):
    """Speed of one plan; tokens a second, seconds."""

    decode_tps: IntervalDocument
    prefill_tps: IntervalDocument
    ttft_s: IntervalDocument
    total_output_tps: IntervalDocument | None
    limited_by: str
    faster: list[str]
    depth: int = Field(ge=0)
    basis: str


class DeviceDocument(Document):
    """Memory of one device, bytes."""

    name: str
    kind: Literal["gpu", "cpu"]
    weights: int = Field(ge=0)
    kv_cache: int = Field(ge=0)
    state: int = Field(ge=0)
    compute: int = Field(ge=0)
    overhead: int = Field(ge=0)
    total: int = Field(ge=0)
    available: int = Field(ge=0)


class MemoryDocument(Document):
    """Memory of one plan."""

    devices: list[DeviceDocument]
    total: int = Field(ge=0)


class FitDocument(Document):
    """llama.cpp's own placement when it starts, where that does as well as the plan's flags or better."""

    reason: str
    command: str


class PlanDocument(Document):
    """One complete answer."""

    model: str
    quant: str
    engine: str
    fits: bool
    placement: Literal["gpu", "hybrid", "cpu"]
    settings: dict[str, Any]
    memory: MemoryDocument
    max_context: int = Field(ge=0)
    max_concurrency: float = Field(ge=0)
    speed: SpeedDocument | None
    command: str
    fit: FitDocument | None
    env: dict[str, str]
    source: str | None
    why: list[str]
    warnings: list[str]


class AcceleratorDocument(Document):
    """One GPU; sizes in bytes, bandwidth in bytes a second."""

    name: str
    vendor: str
    backend: str
    index: int
    profile: str | None
    memory_total: int = Field(ge=0)
    memory_free: int = Field(ge=0)
    unified: bool
    mig: bool
    compute_capability: str | None
    memory_bandwidth: int | None


class CpuDocument(Document):
    """The processors of one host."""

    name: str
    physical_cores: int | None
    usable_cores: int | None


class HostDocument(Document):
    """One computer."""

    name: str
    os: str | None
    ram_total: int = Field(ge=0)
    ram_available: int = Field(ge=0)
    cpu: CpuDocument
    gpus: list[AcceleratorDocument]
    limits: list[str]


class MachineDocument(Document):
    """What the plans are for."""

    name: str
    detected: bool
    profile: str | None
    hosts: list[HostDocument]
    sources: dict[str, str]
    notes: list[str]


class FleetGpuDocument(Document):
    """One GPU of a replica."""

    host: str
    index: int


class FleetPlacedDocument(Document):
    """One replica: which of the plans, on which GPUs."""

    plan: int = Field(ge=0)
    gpus: list[FleetGpuDocument]


class FleetUnplacedDocument(Document):
    """A model without a place."""

    model: str
    reason: str


class FleetLeftDocument(Document):
    """GPUs that stay free."""

    host: str
    gpu: str
    count: int = Field(ge=0)


class FleetDocument(Document):
    """Which model where on a cluster."""

    placed: list[FleetPlacedDocument]
    unplaced: list[FleetUnplacedDocument]
    short: list[FleetUnplacedDocument]  # placed with fewer replicas than asked for or needed
    left: list[FleetLeftDocument]


class CheckDocument(Document):
    """`planner check --json`; `fleet` only with --cluster."""

    machine: MachineDocument
    plans: list[PlanDocument]
    notes: list[str]
    fleet: FleetDocument | None = None


class FileDocument(Document):
    """A file that a launch needs beside its command."""

    name: str
    content: str


class LaunchDocument(PlanDocument):
    """`planner launch --json`."""

    files: list[FileDocument]


PLAN_SCHEMAS: dict[str, type[BaseModel]] = {
    "check": CheckDocument,
    "plan": PlanDocument,
    "launch": LaunchDocument,
}
