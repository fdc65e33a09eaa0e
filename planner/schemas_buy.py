"""The schemas of what buy and cost print with --json. Money is in the reader's currency."""

from __future__ import annotations

from pydantic import BaseModel, Field

from planner.schemas import Document, IntervalDocument, PlanDocument


class OptionDocument(Document):
    """One thing to buy or to rent."""

    profile: str
    name: str
    kind: str
    price: float | None
    price_low: float | None
    price_high: float | None
    price_note: str
    hourly_price: float | None
    cost: float | None
    watts: float | None
    noise: str
    decode_tps: IntervalDocument
    quality_loss: float = Field(ge=0)
    problem: str | None
    plans: list[PlanDocument]


class BuyDocument(Document):
    """`planner buy --json`."""

    models: list[str]
    currency: str
    budget: float | None
    months: float
    options: list[OptionDocument]
    next_step: OptionDocument | None
    rented: list[OptionDocument]
    unpriced: list[OptionDocument]
    not_to_buy: list[OptionDocument]
    notes: list[str]


class OwnDocument(Document):
    """Own hardware."""

    price: float = Field(ge=0)
    kwh_per_day: float = Field(ge=0)
    running_per_month: float = Field(ge=0)
    total: float
    per_million_output: float | None
    feasible: bool


class AlternativeDocument(Document):
    """A subscription, an API or a rented GPU."""

    name: str
    per_month: float = Field(ge=0)
    total: float = Field(ge=0)
    break_even_month: float | None
    verdict: str


class CostDocument(Document):
    """`planner cost --json`."""

    model: str
    quant: str
    engine: str
    machine: str
    currency: str
    months: float
    output_tokens_per_day: float
    input_tokens_per_day: float
    own: OwnDocument
    alternatives: list[AlternativeDocument]
    days_per_month: float
    notes: list[str]


BUY_SCHEMAS: dict[str, type[BaseModel]] = {"buy": BuyDocument, "cost": CostDocument}
