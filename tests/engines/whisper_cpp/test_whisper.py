"""whisper.cpp: what it takes beside what it printed on real machines, and how it is started beside others."""

from __future__ import annotations

import shlex

import pytest

import planner
from planner.engines.whisper_cpp.files import FILES
from planner.engines.whisper_cpp.memory import memory_of
from planner.errors import UnsupportedError
from planner.models.catalogue.catalogue import find_entry

MB = 1e6


@pytest.mark.parametrize(
    ("name", "quant", "weights", "text", "sound", "compute"),
    [  # published logs of whisper_init_state: on a CPU, and under Vulkan; MB
        ("whisper-small", "F16", 487.01, 18.87, (56.62, 4.72), (22.42, 33.85, 6.20, 97.28)),
        ("whisper-large-v3-turbo", "Q5_0", 573.40, 10.49, (31.46, 7.86), (37.69, 55.35, 9.27, 100.04)),
    ],
)
def test_memory_is_what_its_log_says(
    name: str, quant: str, weights: float, text: float, sound: tuple[float, ...], compute: tuple[float, ...]
) -> None:
    found = memory_of(find_entry(name).architecture(), quant)
    assert found.weights / MB == pytest.approx(weights, abs=0.01)
    assert found.text / MB == pytest.approx(text, abs=0.01)
    assert found.sound / MB == pytest.approx(sum(sound), abs=0.01)
    assert found.compute / MB == pytest.approx(sum(compute), rel=0.01)


def test_metal_may_take_what_its_log_says() -> None:
    plan = planner.plan("whisper-large-v3", "Mac mini M4 24GB")
    gpu = plan.memory.devices[0]
    logged = (37.69 + 67.31 + 132.15 + 100.04) * MB
    assert gpu.compute < logged < gpu.compute + gpu.overhead_high
    assert gpu.kv_cache / MB == pytest.approx(83.89 + 251.66 + 7.86, abs=0.02)


@pytest.mark.parametrize(
    ("name", "quant", "size"),
    [
        ("whisper-large-v3", "F16", 3_095_033_483),
        ("whisper-large-v3", "Q5_0", 1_081_140_203),
        ("whisper-large-v3-turbo", "Q8_0", 874_188_075),
        ("whisper-medium", "F16", 1_533_763_059),
    ],
)
def test_weights_are_the_published_files_but_for_their_words(name: str, quant: str, size: int) -> None:
    assert 0 < size - memory_of(find_entry(name).architecture(), quant).weights < 800_000


def test_a_speech_model_is_planned_by_nobody_else() -> None:
    plan = planner.plan("whisper-large-v3-turbo", "rtx-4090")
    assert plan.fits
    assert plan.speed is None
    for engine in ("llama.cpp", "vllm", "mlx"):
        with pytest.raises(UnsupportedError):
            planner.plan("whisper-large-v3-turbo", "rtx-4090", engine=engine)
    with pytest.raises(UnsupportedError):
        planner.plan("qwen3-8b", "rtx-4090", engine="whisper.cpp")
    assert all(p.engine != plan.engine for p in planner.recommend("rtx-3060", limit=3).plans)


def test_it_goes_to_the_cpu_where_the_gpu_is_full() -> None:
    machine = planner.adjust_machine(planner.load_profile("rtx-3060"), free="1GiB")
    plan = planner.plan("whisper-large-v3", machine)
    assert (plan.fits, plan.placement.value) == (True, "cpu")
    assert "--no-gpu" in plan.command


def test_the_command_fetches_the_published_file_and_listens_here() -> None:
    plan = planner.plan("whisper-medium", "rtx-4090", quant="Q5_0")
    fetch, serve = (shlex.split(line) for line in plan.command.splitlines())
    assert fetch[:4] == ["hf", "download", "ggerganov/whisper.cpp", "ggml-medium-q5_0.bin"]
    assert serve[:5] == ["whisper-server", "-m", "ggml-medium-q5_0.bin", "--host", "127.0.0.1"]


def test_it_stays_beside_a_chat_model_on_a_port_of_its_own() -> None:
    answer = planner.plan_together(["qwen3-8b", "whisper-large-v3-turbo"], "rtx-4090")
    assert answer.fits
    members = {m.role.value: m for m in answer.members}
    assert members["speech"].alone is None
    assert members["speech"].port != members["chat"].port
    assert f"--port {members['speech'].port}" in members["speech"].plan.command


def test_every_published_file_is_of_a_card() -> None:
    for model in FILES:
        assert find_entry(model).kind == "speech"
