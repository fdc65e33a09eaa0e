"""The vocabulary: a workload checks itself, a request can be a key, a plan remembers what was asked."""

from __future__ import annotations

import time
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

import planner
from planner.errors import InputError
from planner.hardware.machine import Backend
from planner.plan import Licence, PlanRequest, UseCase, Workload


def test_a_workload_takes_what_people_write() -> None:
    written = Workload(context="32k", prompt="2k", use_case="Coding", license="permissive")
    typed = Workload(context=32768, prompt=2048, use_case=UseCase.CODING, license=Licence.PERMISSIVE)
    assert written == typed and hash(written) == hash(typed)
    assert type(written.context) is int and written.use_case is UseCase.CODING
    assert replace(written, context="4k").context == 4096  # type: ignore[arg-type]  # as a person might


BAD: list[tuple[dict[str, Any], str]] = [
    ({"context": -5}, "context -5"),
    ({"context": 0}, "context 0"),
    ({"context": "32 elephants"}, "context '32 elephants'"),
    ({"context": 1.5}, "context 1.5"),
    ({"context": 1 << 40}, "context"),
    ({"context": True}, "context True"),
    ({"users": 0}, "users 0"),
    ({"users": -3}, "users -3"),
    ({"users": "many"}, "users 'many'"),
    ({"users": None}, "users None"),
    ({"prompt": 0}, "prompt 0"),
    ({"output": -1}, "output -1"),
    ({"min_speed": float("nan")}, "min_speed nan"),
    ({"min_speed": float("inf")}, "min_speed inf"),
    ({"min_speed": -1}, "min_speed -1"),
    ({"min_speed": "fast"}, "min_speed 'fast'"),
    ({"use_case": "cooking"}, "use_case 'cooking' is not known; one of: general, coding"),
    ({"use_case": 3}, "use_case 3"),
    ({"use_case": ["coding"]}, "use_case"),
    ({"license": "foo"}, "license 'foo' is not known; one of: any, commercial, permissive"),
    ({"license": None}, "license None"),
]


@pytest.mark.parametrize(("fields", "says"), BAD, ids=[str(f) for f, _ in BAD])
def test_a_workload_refuses_what_cannot_be_in_one_line(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as error:
        Workload(**fields)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_a_workload_is_frozen_and_cheap() -> None:
    workload = Workload()
    with pytest.raises(FrozenInstanceError):
        workload.users = 2  # type: ignore[misc]  # that is what is tested
    start = time.perf_counter()
    for _ in range(1000):
        Workload(context=8192)
    assert time.perf_counter() - start < 0.1


def test_answers_can_be_kept_by_their_question() -> None:
    """Machine, request and plan are keys; asking the same again finds the same."""
    machine, model = planner.load_profile("rtx-4090"), planner.load_model("gpt-oss-20b")
    first = PlanRequest(model, "MXFP4", machine, Workload(), {"n_ctx": 8192})
    again = PlanRequest(
        planner.load_model("gpt-oss-20b"), "MXFP4", planner.load_profile("rtx-4090"), settings={"n_ctx": 8192}
    )
    kept = {first: "answer"}
    assert kept[again] == "answer"
    assert replace(again, settings={"n_ctx": 4096}) not in kept
    assert replace(again, quant="Q4_K_M") not in kept
    plan = planner.plan(model, machine)
    assert {machine: 1}[planner.load_profile("rtx-4090")] == 1
    assert {plan: 1}[planner.plan(model, machine)] == 1


@pytest.mark.parametrize(
    ("machine", "engine", "backend"),
    [
        ("rtx-4090", "llama.cpp", Backend.CUDA),
        ("rtx-4090", "ollama", Backend.CUDA),
        ("rx-7900-xtx", "llama.cpp", Backend.ROCM),
        ("h100-80gb", "vllm", Backend.CUDA),
        ("raspberry-pi-5-8gb", "llama.cpp", Backend.CPU),
    ],
)
def test_a_plan_remembers_what_was_asked_and_its_backend(machine: str, engine: str, backend: Backend) -> None:
    workload = Workload(context=4096)
    plan = planner.plan("qwen3-4b", machine, workload, engine=engine)
    assert plan.backend is backend
    assert plan.request.workload == workload
    assert plan.request.machine.name == plan.machine
    assert plan.request.model.name == plan.name
    assert "PlanRequest" not in repr(plan)
