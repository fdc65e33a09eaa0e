"""Plans to render: real ones, and a model whose path no shell or template may read."""

from __future__ import annotations

from dataclasses import replace

from planner.engines.launch import Launch
from planner.engines.vllm.engine import Vllm
from planner.hardware.machine import Machine
from planner.hardware.profiles.load import load_profile
from planner.launching.render import render
from planner.models.catalogue.catalogue import find_entry
from planner.models.load import from_entry
from planner.models.model import Model
from planner.plan import Plan, PlanRequest, Workload

HOSTILE = "/srv/my models/$(touch owned) `id` \"q\" 'x' ${HOME} %n\n--trust-remote-code"


def model_of(name: str) -> Model:
    return from_entry(find_entry(name))


def two_hosts(profile: str = "h100-80gb x8") -> Machine:
    host = load_profile(profile).host
    return Machine(hosts=(replace(host, name="a"), replace(host, name="b")), name="two hosts")


def planned(
    model: Model, quant: str, machine: Machine | str, context: int | None = 8192, users: int = 1
) -> Plan:
    where = load_profile(machine) if isinstance(machine, str) else machine
    plan = Vllm().plan(PlanRequest(model, quant, where, Workload(context=context, users=users)))
    assert plan.fits, plan.why
    return plan


def rendered(name: str, quant: str, machine: Machine | str, format: str) -> Launch:
    model = model_of(name)
    return render(planned(model, quant, machine), model, format)


def hostile() -> tuple[Plan, Model]:
    """A model in a folder with the worst of names, planned for one GPU with a hostile environment."""
    model = replace(model_of("Qwen/Qwen3-8B"), id=HOSTILE, name="$(touch owned)", path=HOSTILE, entry=None)
    plan = planned(model, "BF16", "rtx-4090")
    return replace(plan, env={"SECRET": "a b$(id)%i\"'\\"}), model
