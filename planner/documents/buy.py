"""The JSON documents of buy and cost."""

from __future__ import annotations

from typing import Any

from planner.advice.money.buy import BuyAnswer, Option, Question
from planner.documents.plan import interval_document, plan_document


def option_document(option: Option) -> dict[str, Any]:
    """One thing to buy or to rent."""
    offer = option.offer
    return {
        "profile": offer.spec,
        "name": offer.name,
        "kind": offer.kind,
        "price": offer.price,
        "price_low": offer.price_low,
        "price_high": offer.price_high,
        "price_note": offer.price_note,
        "hourly_price": offer.hourly,
        "cost": None if option.cost is None else round(option.cost, 2),
        "watts": option.watts,
        "noise": option.noise,
        "decode_tps": interval_document(option.speed),
        "quality_loss": float(f"{option.loss:.4g}"),
        "problem": option.problem,
        "plans": [plan_document(p) for p in option.plans],
    }


def buy_document(question: Question, answer: BuyAnswer, currency: str) -> dict[str, Any]:
    """What `planner buy --json` prints."""
    return {
        "models": [m.id for m in question.models],
        "currency": currency,
        "budget": question.budget,
        "months": question.months,
        "options": [option_document(o) for o in answer.best],
        "next_step": None if answer.next_step is None else option_document(answer.next_step),
        "rented": [option_document(o) for o in answer.rented],
        "unpriced": [option_document(o) for o in answer.unpriced],
        "not_to_buy": [option_document(o) for o in answer.not_to_buy],
        "notes": list(answer.notes),
    }
