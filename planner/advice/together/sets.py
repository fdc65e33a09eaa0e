"""Sets of roles that belong together, and which models to take for them on a machine.

Which helper is taken for a role is a preference of ours, stated here: the first of a list that takes no more than its
share of the memory. The largest come first; by their makers' own comparisons (README of Qwen3-Embedding, June 2025;
technical report of Qwen2.5-Coder, September 2024) each is better than those after it. The chat model is what `check`
recommends on the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from planner.advice.recommend.recommend import recommend
from planner.advice.together.arrange import Arrangement
from planner.advice.together.beside import There, there
from planner.advice.together.together import Together, answer_of
from planner.advice.together.usage import held_by
from planner.advice.together.wish import Wish
from planner.errors import FieldError, UnfitError
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Machine
from planner.models.catalogue.catalogue import find_entry
from planner.models.load import from_entry
from planner.models.role import Role
from planner.plan import UseCase, Workload


@dataclass(frozen=True, slots=True)
class Helper:
    """A role beside the chat model."""

    role: Role
    share: float  # of the memory, at most
    models: tuple[str, ...]  # best first
    least: float = 0.0  # tokens a second that it must write


@dataclass(frozen=True, slots=True)
class RoleSet:
    """Roles that belong together; the chat model has the use case."""

    use_case: UseCase
    helpers: tuple[Helper, ...]


_EMBEDDING: Final = Helper(
    Role.EMBEDDING,
    1 / 8,
    (
        *("Qwen/Qwen3-Embedding-8B", "Qwen/Qwen3-Embedding-4B", "Qwen/Qwen3-Embedding-0.6B"),
        *("google/embeddinggemma-300m", "BAAI/bge-small-en-v1.5"),
    ),
)
_RERANKER: Final = Helper(
    Role.RERANKER, 1 / 10, ("Qwen/Qwen3-Reranker-0.6B", "cross-encoder/ms-marco-MiniLM-L6-v2")
)
_COMPLETION: Final = Helper(
    Role.COMPLETION,
    1 / 5,
    (
        *("Qwen/Qwen2.5-Coder-7B-Instruct", "Qwen/Qwen2.5-Coder-1.5B-Instruct"),
        "Qwen/Qwen2.5-Coder-0.5B-Instruct",
    ),
    least=60.0,  # a line of code in a third of a second
)
SETS: Final[Mapping[str, RoleSet]] = {
    "coding": RoleSet(UseCase.CODING, (_COMPLETION, _EMBEDDING, _RERANKER)),
    "documents": RoleSet(UseCase.GENERAL, (_EMBEDDING, _RERANKER)),
}


def recommend_set(name: str, machine: Machine, workload: Workload, engine: str | None = None) -> Together:
    """Recommend a model for each role of a set, all loaded at once; fits is False where no chat model has room.

    Raises FieldError for a set that is not known.
    """
    if name not in SETS:
        raise FieldError("set", f"'{name}' is not known; one of: {', '.join(SETS)}")
    wanted = SETS[name]
    wishes: list[Wish] = []
    placed = There((), (), machine)
    for helper in wanted.helpers:
        chosen = _chosen(helper, wishes, machine, Workload(users=workload.users), engine)
        if chosen is not None:
            wishes, placed = chosen
    asked = replace(workload, use_case=wanted.use_case)
    found = recommend(placed.left, asked, engine=engine, limit=1).plans
    plans = (*placed.plans, *found)
    everyone = [*wishes, *(Wish(plan.request.model, Role.CHAT, asked) for plan in found)]
    answer = answer_of(everyone, machine, Arrangement(plans))
    missing = {Role.CHAT} - {wish.role for wish in everyone}
    return replace(answer, fits=False) if missing else answer


def _chosen(
    helper: Helper, before: Sequence[Wish], machine: Machine, workload: Workload, engine: str | None
) -> tuple[list[Wish], There] | None:
    """The first of a helper's models that takes no more than its share; the last that has room, where none does."""
    free = sum(gpu.memory_free for gpu in machine.accelerators) or machine.host.ram_available
    fitting: tuple[list[Wish], There] | None = None
    for model in helper.models:
        wishes = [*before, Wish(from_entry(find_entry(model)), helper.role, workload, engine)]
        try:
            placed = there(wishes, machine)
        except UnfitError:
            continue
        plan = placed.plans[-1]
        held = held_by(plan)
        fitting = wishes, placed
        quick = plan.speed is None or plan.speed.decode_tps.expected >= helper.least
        if (sum(held.gpus) or held.ram) <= helper.share * free and quick:
            return fitting
    return fitting
