"""Printed commands start: a sample of catalogue × machines, judged by vLLM's own start-up checks (benchmarks)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from benchmarks.vllm_checks import refusals
from benchmarks.vllm_startup import MACHINES, commands, server_of
from planner.engines.register import get_engine
from planner.errors import RefusedError, UnsupportedError
from planner.hardware.machine import Machine
from planner.hardware.profiles.load import load_profile
from planner.models.catalogue.catalogue import find_entry
from planner.models.load import from_entry
from planner.plan import Plan, PlanRequest, UseCase, Workload

SAMPLE = 211


def planned(
    name: str, spec: str, quant: str = "FP8", workload: Workload | None = None, **settings: object
) -> Plan:
    model = from_entry(find_entry(name))
    request = PlanRequest(model, quant, load_profile(spec), workload or Workload(), dict(settings))
    return get_engine("vllm").plan(request)


def test_a_sample_of_all_printed_commands_starts() -> None:
    judged, found = Counter[str](), {}
    for name, _, server in commands(SAMPLE):
        judged[name.split(" on ")[1].split(",")[0]] += 1
        if why := refusals(server):
            found[name] = why
    assert found == {}
    assert sum(judged.values()) >= 150 and len(MACHINES) == 40 and len(judged) >= 25


def test_a_whole_video_fits_into_a_batch() -> None:
    """Gemma 4 with 2,048 tokens a batch is refused by vLLM: an item of it has 2,496."""
    plan = planned("gemma-4-31b", "rtx-pro-6000-ws", workload=Workload(use_case=UseCase.VISION))
    assert plan.fits and plan.settings["max_num_batched_tokens"] >= 2496
    assert refusals(server_of(plan)) == {}
    with pytest.raises(RefusedError, match="2496"):
        planned("gemma-4-31b", "rtx-pro-6000-ws", max_num_batched_tokens=2048)
    text = planned("gemma-4-31b", "rtx-pro-6000-ws", max_num_batched_tokens=2048, language_model_only=True)
    assert text.fits


def test_float16_is_not_taken_for_models_that_overflow_in_it() -> None:
    plan = planned("gemma-2-2b-it", "t4", "BF16")
    assert plan.settings["dtype"] == "float32" and plan.memory.devices[0].weights > 9e9
    with pytest.raises(RefusedError, match="does not support float16"):
        planned("gemma-2-2b-it", "t4", "BF16", dtype="half")


@pytest.mark.parametrize("spec", ["rx-6800-xt", "rx-7600", "mi50-16", "mi100"])
def test_amd_cards_that_the_release_does_not_run_on(spec: str) -> None:
    with pytest.raises(UnsupportedError, match="gfx90a, gfx942"):
        planned("qwen3-4b", spec)


def test_a_vision_encoder_whose_heads_do_not_divide_is_kept_whole() -> None:
    """GLM-4.5V's recipe says --mm-encoder-tp-mode data on eight GPUs: its encoder has twelve heads."""
    plan = planned("glm-4.5v", "h100-sxm x8", "BF16", Workload(use_case=UseCase.VISION, users=8))
    assert plan.settings["tensor_parallel_size"] == 8 and plan.settings["mm_encoder_tp_mode"] == "data"
    assert "--mm-encoder-tp-mode data" in server_of(plan).command
    with pytest.raises(RefusedError, match="--mm-encoder-tp-mode data"):
        planned("glm-4.5v", "h100-sxm x8", "BF16", tensor_parallel_size=8, mm_encoder_tp_mode="weights")


def test_an_fp8_cache_is_not_proposed_where_the_model_asserts_against_it() -> None:
    plan = planned("kimi-k3", "b200-sxm x8", "MXFP4", Workload(context=1_000_000, users=64))
    assert plan.settings.get("kv_cache_dtype", "auto") == "auto"
    with pytest.raises(RefusedError, match="use_prefill_query_quantization"):
        planned("kimi-k3", "b200-sxm x8", "MXFP4", kv_cache_dtype="fp8")


def test_classes_without_pipeline_parallelism() -> None:
    with pytest.raises(RefusedError, match="Pipeline parallelism is not supported"):
        planned("gemma-3n-e4b", "rtx-4090 x2", "BF16", pipeline_parallel_size=2)


def test_the_longest_context_never_falls_as_memory_grows_and_can_be_asked_for() -> None:
    """Any pair of two memories of one machine: a larger card never gets a shorter answer (60 of some 10,000 pairs)."""
    rnd, engine, judged = Random(11), get_engine("vllm"), 0
    names = (
        "qwen3-8b",
        "gemma-3-4b",
        "granite-3.1-8b",
        "qwen3-32b",
        "qwen3-vl-8b",
        "gpt-oss-20b",
        "qwen3.5-9b",
    )
    for _ in range(60):
        model = from_entry(find_entry(rnd.choice(names)))
        quant = rnd.choice(engine.quants(model))
        machine, users = (
            load_profile(rnd.choice(("rtx-4060", "rtx-5090", "l40s x4", "a100-sxm-40 x8"))),
            rnd.choice((1, 16)),
        )
        share = rnd.uniform(0.6, 1.6)
        less, more = (
            PlanRequest(model, quant, with_memory(machine, part), Workload(users=users))
            for part in (share, share * 1.3)
        )
        short, long = (engine.longest_context(request) for request in (less, more))
        assert short <= long, (model.id, quant, machine.name, share)
        if short >= 1024:
            judged += 1
            asked = replace(less, workload=Workload(users=users, context=short))
            assert engine.plan(less).max_context == short and engine.plan(asked).fits, (
                model.id,
                quant,
                machine.name,
            )
    assert judged >= 25


def with_memory(machine: Machine, share: float) -> Machine:
    """The machine with so much of its GPUs' memory."""
    hosts = []
    for host in machine.hosts:
        gpus = [
            replace(a, memory_total=int(a.memory_total * share), memory_free=int(a.memory_free * share))
            for a in host.accelerators
        ]
        hosts.append(replace(host, accelerators=tuple(gpus)))
    return replace(machine, hosts=tuple(hosts))


def test_a_pipeline_over_unequal_cards_is_counted_as_the_smallest() -> None:
    """A 5070 Ti and a 5090 run one model in two stages; without saying so, only the larger card is used."""
    model = from_entry(find_entry("qwen3-8b"))
    small, large = (load_profile(spec).host for spec in ("rtx-5070-ti", "rtx-5090"))
    machine = Machine(
        hosts=(replace(large, accelerators=large.accelerators + small.accelerators),), name="two cards"
    )
    engine = get_engine("vllm")
    request = PlanRequest(model, "BF16", machine, Workload(context=8192), {"pipeline_parallel_size": 2})
    plan = engine.plan(request)
    assert plan.fits and len(plan.memory.devices) == 2
    assert [d.name for d in plan.memory.devices] == [a.name for a in machine.accelerators]
    equal = engine.plan(replace(request, machine=load_profile("rtx-5070-ti x2")))
    assert [d.weights for d in plan.memory.devices] == [d.weights for d in equal.memory.devices]
    assert any("the smallest" in reason.text for reason in plan.why)
    alone = engine.plan(replace(request, settings={}))
    assert {d.name for d in alone.memory.devices} == {large.accelerators[0].name}
