"""Several models on one machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planner.api.arguments import (
    instance_of,
    text_of,
    text_or_none,
    the_engine,
    the_machine,
    the_model,
    the_plan,
    the_settings,
    the_workload,
)
from planner.errors import FieldError

if TYPE_CHECKING:
    from planner.advice.together.together import Together
    from planner.advice.together.wish import Wish
    from planner.engines.launch import Launch
    from planner.hardware.machine import Machine
    from planner.models.model import Model
    from planner.plan import Plan, Workload


def wish(
    model: Model | str,
    workload: Workload | None = None,
    *,
    role: str | None = None,
    engine: str | None = None,
    quant: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Wish:
    """Return one model of a set: what is fixed of its plan. `role`: chat, completion, embedding …; None: its card's.

    >>> planner.wish("qwen3-embedding-8b").role.value
    'embedding'
    """
    from planner.advice.together.wish import Wish, role_of
    from planner.models.role import Role

    chosen = the_model(model)
    named = text_or_none(role, "role")
    if named is not None and named not in set(Role):
        raise FieldError("role", f"'{named}' is not known; one of: {', '.join(Role)}")
    return Wish(
        chosen,
        role_of(chosen) if named is None else Role(named),
        the_workload(workload),
        the_engine(engine),
        text_or_none(quant, "quant"),
        the_settings(settings),
    )


def plan_together(models: Sequence[Wish | Model | str], machine: Machine | str | None = None) -> Together:
    """Plan several models on one machine: each on what the others leave, who stays loaded and who takes turns.

    Models are names, Models, or what `wish` returns. A set-up without room is returned with fits=False. Raises
    InputError, UnsupportedError or RefusedError, each with one line.

        >>> both = planner.plan_together(["qwen3-8b", "qwen2.5-coder-1.5b"], "rtx-4090")
        >>> both.fits, both.takes_turns, [member.port for member in both.members]
        (True, False, [8080, 8081])
    """
    from planner.advice.together.together import plan_together as plan_all

    return plan_all(wishes_of(models), the_machine(machine))


def recommend_set(
    name: str,
    machine: Machine | str | None = None,
    workload: Workload | None = None,
    *,
    engine: str | None = None,
) -> Together:
    """Recommend a model for each role of a set, all loaded at once: "coding" (chat, completion, embedding, reranker).

    Raises InputError for a set that isn't known.

        >>> [m.role.value for m in planner.recommend_set("documents", "rtx-4090").members]
        ['reranker', 'embedding', 'chat']
    """
    from planner.advice.together.sets import recommend_set as recommend_all

    return recommend_all(
        text_of(name, "set"), the_machine(machine), the_workload(workload), the_engine(engine)
    )


def set_names() -> tuple[str, ...]:
    """Return the names of the sets of roles.

    >>> planner.set_names()
    ('coding', 'documents')
    """
    from planner.advice.together.sets import SETS

    return tuple(SETS)


def wishes_of(models: object) -> list[Wish]:
    """Return wishes of names, Models and wishes. Raises InputError for none of them."""
    from planner.advice.together.wish import Wish

    if isinstance(models, str) or not isinstance(models, Sequence) or not models:
        raise FieldError("models", "are none; give a list of names, Models or wishes")
    return [one if isinstance(one, Wish) else wish(one) for one in models]


def writes_text(plan: Plan) -> bool:
    """Return whether a plan's model writes text: False for one that makes embeddings, judges or transcribes.

    >>> planner.writes_text(planner.plan("bge-m3", "rtx-4090"))
    False
    """
    from planner.advice.together.wish import role_of

    return role_of(the_plan(plan).request.model).writes


def launch_together(answer: Together, *, format: str = "shell") -> tuple[Launch, ...]:
    """Render a set-up as what starts it: one launch a member, in the order of their start, or one for all (llama-swap).

    Raises InputError for a format that starts one model alone.

        >>> both = planner.plan_together(["qwen3-8b", "qwen3-4b"], "rtx-4090")
        >>> [launch.command.split()[0] for launch in planner.launch_together(both)]
        ['llama-server', 'llama-server']
    """
    from planner.advice.together.together import Together, served
    from planner.launching.several import render_several

    return render_several(served(instance_of(answer, Together, "answer")), text_of(format, "format"))
