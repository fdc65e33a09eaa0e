"""A fleet: fewest GPUs, no GPU twice, what cannot be placed is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from planner.advice.fleet import Fleet, Request, plan_fleet
from planner.hardware.machine import Machine
from planner.hardware.profiles.load import load_profile
from planner.models.catalogue.catalogue import find_entry
from planner.models.load import from_entry
from planner.plan import Workload


def cluster(**hosts: str) -> Machine:
    return Machine(
        hosts=tuple(replace(load_profile(spec).host, name=name) for name, spec in hosts.items()), name="test"
    )


def request(name: str, context: int = 8192, users: int = 1, **more: Any) -> Request:
    """Every user fills all of the context: replicas are counted."""
    return Request(from_entry(find_entry(name)), Workload(context=context, users=users, load="worst"), **more)


def no_gpu_twice(fleet: Fleet) -> bool:
    taken = [gpu for placed in fleet.placed for gpu in placed.gpus]
    return len(taken) == len(set(taken))


def test_small_and_large_share_a_cluster() -> None:
    machine = cluster(big="h100-80gb x8", small="rtx-4090 x2")
    fleet = plan_fleet(machine, [request("Qwen/Qwen3-8B"), request("gpt-oss-120b")])
    assert fleet.unplaced == () and no_gpu_twice(fleet)
    where = {p.plan.model: p.hosts for p in fleet.placed}
    assert where["openai/gpt-oss-120b"] == ("big",)
    left = {(host, name): n for host, name, n in fleet.left}
    assert sum(left.values()) == 10 - sum(len(p.gpus) for p in fleet.placed)


def test_over_two_hosts_only_where_one_is_too_small() -> None:
    machine = cluster(a="h100-80gb x8", b="h100-80gb x8", c="rtx-4090")
    fleet = plan_fleet(machine, [request("deepseek-ai/DeepSeek-R1", quant="FP8")])
    (placed,) = fleet.placed
    assert placed.hosts == ("a", "b") and len(placed.gpus) == 16
    assert placed.plan.settings["pipeline_parallel_size"] == 2
    assert fleet.left == (("c", "NVIDIA GeForce RTX 4090", 1),)


def test_replicas() -> None:
    machine = cluster(a="rtx-4090 x2", b="rtx-4090 x2")
    fleet = plan_fleet(machine, [request("gpt-oss-20b", replicas=3)])
    assert fleet.replicas("openai/gpt-oss-20b") == 3 and no_gpu_twice(fleet)
    many = plan_fleet(machine, [request("gpt-oss-20b", context=32768, users=100)])
    assert many.replicas("openai/gpt-oss-20b") > 1 and no_gpu_twice(many)
    assert sum(p.plan.max_concurrency for p in many.placed) >= 100


def test_what_cannot_be_placed_is_named() -> None:
    fleet = plan_fleet(cluster(a="rtx-4090"), [request("deepseek-ai/DeepSeek-R1"), request("Qwen/Qwen3-8B")])
    ((model, reason),) = fleet.unplaced
    assert model == "deepseek-ai/DeepSeek-R1" and reason
    assert fleet.replicas("Qwen/Qwen3-8B") == 1
    nothing = plan_fleet(cluster(a="rtx-4090"), [request("Qwen/Qwen3-8B"), request("Qwen/Qwen3-0.6B")])
    assert nothing.unplaced == (("Qwen/Qwen3-0.6B", "no GPU is free"),)


def test_tensors_are_split_inside_a_node_and_pipelines_laid_over_nodes() -> None:
    """Whatever is left of a node, no replica is a pipeline over its GPUs."""
    machine = cluster(a="h100-80gb x8", b="h100-80gb x8", c="h100-80gb x7")
    for users in (1, 8, 32, 200):
        fleet = plan_fleet(
            machine,
            [request("deepseek-ai/DeepSeek-R1", 32768, users), request("gpt-oss-120b", 32768, users)],
        )
        assert no_gpu_twice(fleet)
        for placed in fleet.placed:
            settings = placed.plan.settings
            assert settings.get("pipeline_parallel_size", 1) == len(placed.hosts)
            each = len(placed.gpus) // len(placed.hosts)
            ranks = settings.get("tensor_parallel_size", 1) * settings.get("data_parallel_size", 1)
            assert ranks == each and each in (1, 2, 4, 8)


def test_every_model_has_a_place_before_one_has_a_second() -> None:
    """R1 alone would take both nodes for 140 users; gpt-oss-120b then had none."""
    machine = cluster(a="h100-80gb x8", b="h100-80gb x8")
    fleet = plan_fleet(
        machine, [request("deepseek-ai/DeepSeek-R1", 32768, 140), request("gpt-oss-120b", 32768, 140)]
    )
    assert fleet.unplaced == () and no_gpu_twice(fleet)
    assert fleet.replicas("deepseek-ai/DeepSeek-R1") == 1 and fleet.replicas("openai/gpt-oss-120b") >= 1
    ((model, reason),) = fleet.short
    assert model == "deepseek-ai/DeepSeek-R1" and reason == "1 replica fits, more are needed for 140 users"
    assert not fleet.complete
    alone = plan_fleet(machine, [request("deepseek-ai/DeepSeek-R1", 32768, 140)])
    assert alone.replicas("deepseek-ai/DeepSeek-R1") == 2 and alone.complete


def test_fewer_replicas_than_asked_for_are_said() -> None:
    fleet = plan_fleet(cluster(a="rtx-4090 x2"), [request("gpt-oss-20b", replicas=3)])
    assert fleet.short == (("openai/gpt-oss-20b", "2 replicas fit, 3 were asked for"),)
    assert not fleet.complete
