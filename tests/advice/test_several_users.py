"""Several users are served by what they fill at a time; the worst case is said, and costs nobody CUDA graphs."""

from __future__ import annotations

import pytest

import planner
from planner.advice.plan.stated_context import planned_context
from planner.demand import Demand, Load
from planner.engines.register import get_engine
from planner.errors import InputError
from planner.plan import Plan, PlanRequest, Workload
from planner.reason import ReasonKind

LOADS = [load.value for load in Load]


def planned(model: str, machine: str, workload: Workload, *, engine: str | None = None) -> Plan:
    return planner.plan(model, machine, workload, engine=engine)


def said(plan: Plan) -> str:
    return " ".join(r.text for r in plan.why if r.kind is ReasonKind.LOAD)


def test_a_demand_is_never_less_than_one_full_context() -> None:
    assert Demand().contexts == Demand(3, 1 / 4).contexts == 1
    assert (Demand(8, 1 / 4).contexts, Demand(8, 1.0).contexts, Demand(20, 1 / 8).contexts) == (2, 8, 2.5)
    assert Demand(20, 1 / 4).over(8) == Demand(3, 1 / 4)
    assert Workload(load="worst").demand == Workload().demand == Demand()
    assert Workload(users=4, load="light").demand == Demand(4, 1 / 8)
    with pytest.raises(InputError, match="light, typical, worst"):
        Workload(load="heavy")


def test_cuda_graphs_are_kept_whatever_the_load() -> None:
    """20 users of 32k on an H100: the command that no operator signed for had --enforce-eager."""
    for load in LOADS:
        plan = planned("gpt-oss-120b", "h100-sxm", Workload("32k", 20, load=load), engine="vllm")
        assert "enforce" not in plan.command
        assert plan.fits == (load != "worst")
        if not plan.fits:
            assert "--load typical" in " ".join(r.text for r in plan.why)
    alone = planned("gpt-oss-120b", "h100-sxm", Workload("32k", 50), engine="vllm")
    assert alone.fits and 12.5 <= alone.max_concurrency < 50
    assert "In the worst case, where everybody fills 32k, there is room for" in said(alone)


def test_a_lighter_load_never_shortens_the_context() -> None:
    for machine, engine in (("rtx-4090", "vllm"), ("rtx-4090", "llama.cpp"), ("apple-m4-16gb", "mlx")):
        plans = [
            planned("qwen3.5-9b", machine, Workload(users=8, load=load), engine=engine) for load in LOADS
        ]
        longest = [plan.max_context for plan in plans]
        assert longest == sorted(longest, reverse=True) and longest[0] > longest[-1] > 0, (machine, engine)
        assert all(planned_context(plan) <= plan.max_context for plan in plans)


def test_slots_share_one_cache_in_llama_cpp() -> None:
    model, machine = planner.load_model("qwen3.5-9b"), planner.load_profile("rtx-4090")
    plan = planner.plan(model, machine, Workload("32k", 8), quant="Q4_K_M", engine="llama.cpp")
    assert (plan.settings["n_ctx"], plan.settings["n_parallel"]) == (65536, 8)
    assert plan.settings["kv_unified"] and "-kvu" in plan.command
    assert planned_context(plan) == 32768 and plan.max_concurrency == 2
    assert "a quarter of its context filled" in said(plan) and "room for 2 at the same time" in said(plan)
    worst = planner.plan(model, machine, Workload("32k", 8, load="worst"), quant="Q4_K_M", engine="llama.cpp")
    assert worst.settings["n_ctx"] == 8 * 32768 and not worst.settings["kv_unified"] and not said(worst)
    kv = [sum(d.kv_cache for d in p.memory.devices) for p in (plan, worst)]
    assert kv[1] == 4 * kv[0]
    # What is started is what was counted.
    started = PlanRequest(model, "Q4_K_M", machine, Workload("32k", 8), plan.settings)
    assert get_engine("llama.cpp").estimate(started).devices[0] == plan.memory.devices[0]
    given = planner.plan(model, machine, Workload(users=8), engine="llama.cpp", settings={"n_ctx": 65536})
    assert not given.settings["kv_unified"] and planned_context(given) == 8192


def test_one_user_is_told_nothing_of_loads() -> None:
    plans = [planned("qwen3.5-9b", "rtx-4090", Workload("16k", load=load)) for load in LOADS]
    assert len({plan.command for plan in plans}) == 1 and not any(said(plan) for plan in plans)
