"""The schema of what verify prints with --json."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from planner.schemas import Document


class PartDocument(Document):
    """One buffer or figure, predicted and measured."""

    device: str
    what: str
    unit: str
    predicted: int
    measured: int
    error: float
    agrees: bool


class VerificationDocument(Document):
    """One model, predicted beside measured."""

    engine: str
    build: str
    model: str
    quant: str
    source: str
    agrees: bool
    settings: dict[str, Any]
    parts: list[PartDocument]
    notes: list[str]


class VerifyDocument(Document):
    """`planner verify --json`."""

    verifications: list[VerificationDocument]


VERIFY_SCHEMAS: dict[str, type[BaseModel]] = {"verify": VerifyDocument}
