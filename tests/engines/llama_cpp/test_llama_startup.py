"""Printed commands start: a sample of catalogue × machines, judged by the engines' own start-up checks (benchmarks)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.llama_checks import Server, ollama_refusals, refusals
from benchmarks.llama_startup import MACHINES, judge, sampled, why_not
from planner.api import load_model, load_profile
from planner.engines.llama_cpp.engine import LlamaCpp
from planner.plan import DeviceMemory, MemoryEstimate, PlanRequest, Workload

LINE = "llama-server -m x.gguf --port 8080"


@pytest.mark.parametrize(("engine", "count"), [("llama.cpp", 12), ("ollama", 3)])
def test_a_sample_of_all_printed_commands_starts(engine: str, count: int) -> None:
    answer = judge(sampled(engine, count))
    assert answer["refused"] == {}
    assert answer["commands"] == count and answer["machines"] >= 2 and len(MACHINES) == 40


def server(line: str = LINE, model: str = "qwen3-32b", **settings: Any) -> Server:
    request = PlanRequest(load_model(model), "Q4_K_M", load_profile("rtx-4090 x2"), Workload(context=4096))
    return Server(line, {"n_ctx": 4096, "n_parallel": 1, **settings}, LlamaCpp().plan(request))


@pytest.mark.parametrize(
    ("check", "settings"),
    [
        ("slots", {"n_parallel": 257}),
        ("outputs", {"n_parallel": 64, "n_batch": 32}),
        ("quantised V", {"cache_type_v": "q8_0", "flash_attn": "off"}),
        ("split", {"tensor_split": (1.0, 1.0, 1.0)}),
        ("split", {"main_gpu": 2}),
        ("split", {"split_mode": "row"}),
        ("placement", {"override_tensor": (("exps", "GPU0"),)}),
        ("drafting", {"spec_type": "draft-mtp"}),
        ("kept prompts", {"cache_ram_mib": -2}),
    ],
)
def test_each_check_refuses_what_the_engine_refuses(check: str, settings: dict[str, Any]) -> None:
    assert refusals(server()) == {}
    assert set(refusals(server(**settings))) == {check}


def test_lines_without_a_port_or_a_model_are_found() -> None:
    assert set(refusals(server("llama-server -m x.gguf"))) == {"port"}
    assert set(refusals(server("llama-server --port 8080"))) == {"model"}
    latent = server(model="deepseek-ai/DeepSeek-V2-Lite-Chat", cache_type_k="q8_0")
    assert "latent cache types" in refusals(latent)


def test_what_does_not_fit_at_the_upper_end_is_found() -> None:
    good = server()
    full = DeviceMemory("GPU", "gpu", weights=90, overhead=5, overhead_high=20, available=100)
    assert "room" in refusals(replace(good, plan=replace(good.plan, memory=MemoryEstimate((full,)))))


def test_ollamas_environment_and_modelfile_are_judged() -> None:
    assert ollama_refusals(server(), {"OLLAMA_KV_CACHE_TYPE": "q8_0"}, (("Modelfile", "FROM x\n"),)) == {}
    assert "environment" in ollama_refusals(server(), {"OLLAMA_KV_CACHE_TYPE": "q5_0"}, ())
    assert "Modelfile" in ollama_refusals(server(), {}, (("Modelfile", "FROM x\nPARAMETER num_gqa 8\n"),))


def test_a_plan_is_judged_by_the_command_that_it_prints() -> None:
    request = PlanRequest(
        load_model("gpt-oss-20b"), "MXFP4", load_profile("rtx-4090"), Workload(context=8192)
    )
    assert why_not(LlamaCpp().plan(request)) == {}
