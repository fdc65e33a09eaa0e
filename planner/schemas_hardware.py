"""The schemas of what doctor and profiles print with --json."""

from __future__ import annotations

from pydantic import BaseModel, Field

from planner.schemas import Document, MachineDocument


class InstalledEngineDocument(Document):
    """An engine found on this machine."""

    name: str
    version: str | None
    source: str


class PulledModelDocument(Document):
    """A model that lies on this machine already; size in bytes."""

    store: str
    name: str
    size: int | None


class ModelStoreDocument(Document):
    """Where models lie, and the disk under it; bytes."""

    name: str
    folder: str
    free: int | None
    total: int | None


class DoctorDocument(Document):
    """`planner doctor --json`."""

    machine: MachineDocument
    engines: list[InstalledEngineDocument]
    differences: list[str]
    models: list[PulledModelDocument]
    stores: list[ModelStoreDocument]
    exported: str | None


class ProfileDocument(Document):
    """One profile; bytes, bytes a second, US dollars."""

    id: str
    name: str
    vendor: str
    kind: str
    device_class: str = Field(alias="class")
    memory: int | None
    ram: int | None
    memory_bandwidth: int | None
    price_kind: str | None
    price_low: float | None
    price_high: float | None
    price_date: str | None
    hourly_price: float | None
    gpu: str | None
    gpu_count: int
    user: bool


class ProfilesDocument(Document):
    """`planner profiles --json`."""

    profiles: list[ProfileDocument]


HARDWARE_SCHEMAS: dict[str, type[BaseModel]] = {"doctor": DoctorDocument, "profiles": ProfilesDocument}
