"""The register of documents: which record each of them is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# document -> "module:class" of the record that it prints
DOCUMENTS: Final[Mapping[str, str]] = {
    "check": "planner.documents.check:Check",
    "plan": "planner.plan:Plan",
    "together": "planner.advice.together.together:Together",
    "launch": "planner.documents.launch:LaunchedPlan",
    "launch-together": "planner.documents.launch:LaunchedTogether",
    "buy": "planner.advice.money.buy:BuyAnswer",
    "buy-machine": "planner.advice.best_machine:MachineAnswer",
    "cost": "planner.advice.money.own_cost:CostAnswer",
    "models": "planner.documents.models:Models",
    "models-check": "planner.documents.models:CheckedModels",
    "models-refresh": "planner.models.catalogue.refresh:Report",
    "show": "planner.documents.show:ModelPage",
    "compare": "planner.advice.plan.comparison:Comparison",
    "claims": "planner.documents.claims:Claims",
    "bundle": "planner.documents.bundle:Bundle",
    "config": "planner.documents.config:Config",
    "doctor": "planner.documents.doctor:Doctor",
    "profiles": "planner.documents.profiles:Profiles",
    "verify": "planner.documents.verify:Verifications",
    "bench": "planner.advice.bench:Bench",
    "neighbours": "planner.documents.neighbours:NeighbourPage",
    "quants": "planner.advice.plan.side_by_side:QuantTable",
    "diagnose": "planner.documents.diagnose:Diagnosis",
}
