"""One model of a set as it is asked for, and the workload that its role has where nobody says another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final

from planner.advice.plan.choose import plan_model
from planner.advice.plan.question import PlanQuestion
from planner.advice.together.serving import as_served
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Machine
from planner.models.model import Model
from planner.models.role import Role
from planner.plan import Plan, UseCase, Workload

# Tokens of context that a role is given where nobody asks for another: a chat's is the planner's choice by its use.
CONTEXTS: Final[Mapping[Role, int]] = {
    Role.COMPLETION: 16384,  # the file around the cursor, and pieces of others
    Role.EMBEDDING: 8192,  # what current embedding models are trained for; documents are cut into pieces
    Role.RERANKER: 2048,  # a question with one passage
    Role.CLASSIFIER: 2048,
}


PIECE: Final = 2048  # tokens of a piece of a document, where memory is short
SHORTEST: Final = 512  # tokens of context below which no role is of use


@dataclass(frozen=True, slots=True)
class Wish:
    """One model of a set, and what is fixed of its plan."""

    model: Model
    """The model."""
    role: Role = Role.CHAT
    """What it does beside the others."""
    workload: Workload = field(default_factory=Workload)
    """How it is to be used; what is left open is filled in by its role."""
    engine: str | None = None
    """The engine's name; None is the planner's choice."""
    quant: str | None = None
    """The quantisation; None is the planner's choice."""
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """The engine's own, by its names."""

    def on(self, machine: Machine, context: int | None = None) -> PlanQuestion:
        """Return the question about this model on a machine; `context` where the role leaves it open."""
        asked = for_role(self.workload, self.role, self.model, context)
        question = PlanQuestion(self.model, machine, asked, self.engine, self.quant, settings=self.settings)
        return as_served(question, self.role)

    def shorter(self) -> Wish:
        """Return the wish with pieces of a page or two, where its role reads and leaves the length open."""
        if self.role.writes or self.workload.context is not None:
            return self
        tokens = min(PIECE, self.model.usable_context)
        return replace(
            self, workload=replace(self.workload, context=tokens, prompt=min(self.workload.prompt, tokens))
        )

    def planned(self, machine: Machine) -> Plan:
        """Plan it on a machine; a context that its role leaves open is halved until it fits.

        Raises as `plan_model` does.
        """
        question = self.on(machine)
        plan, context = plan_model(question), question.workload.context
        while not plan.fits and self.workload.context is None and context and context > SHORTEST:
            context //= 2
            plan = plan_model(self.on(machine, context))
        return plan

    @property
    def size(self) -> float:
        """Elements of the model, by which memory is shared out."""
        return float(self.model.architecture.parameters())


def role_of(model: Model) -> Role:
    """Return the role that a model's card gives it; chat for one that isn't known."""
    return Role(model.entry.kind) if model.entry is not None else Role.CHAT


def for_role(workload: Workload, role: Role, model: Model, context: int | None = None) -> Workload:
    """Return the workload with what its role leaves open filled in: a context no longer than the model's.

    `context`: a shorter one than the role's own.
    """
    if role is Role.COMPLETION:
        workload = replace(workload, use_case=UseCase.CODING)
    tokens = context or CONTEXTS.get(role)
    if workload.context is not None or tokens is None:
        return workload
    tokens = min(tokens, model.usable_context)
    return replace(workload, context=tokens, prompt=min(workload.prompt, tokens))
