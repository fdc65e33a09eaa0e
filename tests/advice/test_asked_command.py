"""A pasted command is planned as what it would start; what it keeps and what isn't counted is said."""

from __future__ import annotations

import pytest

import planner
from benchmarks.read_back import check
from planner.errors import InputError
from planner.plan import Plan
from planner.reason import ReasonKind


def kinds(plan: Plan) -> list[ReasonKind]:
    return [warning.kind for warning in plan.warnings]


def test_vllm_starts_with_its_own_defaults() -> None:
    plan = planner.plan_command("vllm serve Qwen/Qwen3-8B", "h100-80gb")
    assert plan.engine == "vllm"
    assert plan.settings["max_model_len"] == 40960  # what the model's configuration says
    assert plan.settings["gpu_memory_utilization"] == 0.92
    assert plan.settings["max_num_seqs"] == 1024  # an H100's default: nobody chose fewer
    assert plan.quant == "BF16"  # the checkpoint as it is
    assert plan.command == "vllm serve Qwen/Qwen3-8B"


def test_what_would_not_start_does_not_fit() -> None:
    """The planner would shorten the context; vLLM itself fails."""
    plan = planner.plan_command("vllm serve Qwen/Qwen3-8B", "rtx-4060-ti-16gb")
    assert not plan.fits
    assert planner.plan_command("vllm serve Qwen/Qwen3-4B --max-model-len 8K", "rtx-4060-ti-16gb").fits


def test_a_server_has_four_slots_and_fits_itself() -> None:
    plan = planner.plan_command("llama-server -m Qwen3-8B-Q4_K_M.gguf", "rtx-4090")
    assert plan.settings["n_parallel"] == 4
    assert plan.settings["kv_unified"] is True
    assert plan.settings["n_ctx"] == 40960
    assert plan.quant == "Q4_K_M"
    assert ReasonKind.ABOUT_MODEL in kinds(plan)  # the file isn't here
    small = planner.plan_command("llama-server -m Qwen3-8B-Q4_K_M.gguf", "rtx-3060-12gb")
    assert 4096 <= small.settings["n_ctx"] <= 40960  # --fit shortens the context before it moves a layer
    fixed = planner.plan_command("llama-server -m Qwen3-8B-Q4_K_M.gguf -fit off -np 1", "rtx-3060-12gb")
    assert fixed.settings["n_ctx"] == 40960


def test_fit_leaves_what_it_is_told_to() -> None:
    line = "llama-server -m Qwen3-32B-Q4_K_M.gguf -c 32768 -np 1"
    free = [
        planner.plan_command(f"{line} -fitt {target}", "rtx-4090").memory.devices[0] for target in (512, 4096)
    ]
    assert free[0].weights > free[1].weights
    assert free[1].available - (free[1].total - free[1].overhead) >= 4096 << 20


def test_ollama_starts_with_its_own_context() -> None:
    assert planner.plan_command("ollama run qwen3:8b", "rtx-3060-12gb").settings["num_ctx"] == 4096
    assert planner.plan_command("ollama run qwen3:8b", "rtx-4090").settings["num_ctx"] == 32768
    set_there = planner.plan_command("OLLAMA_CONTEXT_LENGTH=8192 ollama run qwen3:8b", "rtx-4090")
    assert set_there.settings["num_ctx"] == 8192
    assert (
        planner.plan_command("FROM qwen3:8b\nPARAMETER num_ctx 16384", "rtx-4090").settings["num_ctx"]
        == 16384
    )


def test_sglang_is_planned_by_the_rules_of_vllm() -> None:
    line = "python -m sglang.launch_server --model-path Qwen/Qwen3-8B --tp 2 --context-length 32768"
    plan = planner.plan_command(line, "h100-80gb x2")
    assert (plan.settings["tensor_parallel_size"], plan.settings["max_model_len"]) == (2, 32768)
    assert kinds(plan)[0] is ReasonKind.RULES_OF_ANOTHER
    assert plan.command == line


def test_mlx_is_planned_as_it_would_start_and_says_what_has_no_limit() -> None:
    line = "mlx_lm.server --model mlx-community/Qwen3-8B-4bit --draft-model mlx-community/Qwen3-0.6B-4bit"
    plan = planner.plan_command(line, "m4-max-64gb")
    alone = planner.plan_command(line.partition(" --draft")[0], "m4-max-64gb")
    assert (plan.engine, plan.quant, plan.command) == ("mlx", "4bit", line)
    assert plan.memory.devices[0].weights - alone.memory.devices[0].weights == 335_372_288
    assert any("--prompt-cache-bytes" in str(w) for w in plan.warnings)
    whole = planner.plan_command("mlx_lm.server --model Qwen/Qwen3-8B", "m4-max-64gb")
    assert whole.quant == "BF16"


def test_only_the_named_gpus_count() -> None:
    line = "vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-seqs 16"
    assert len(planner.plan_command(f"CUDA_VISIBLE_DEVICES=0 {line}", "h100-80gb x4").memory.devices) == 1
    two = planner.plan_command(
        "CUDA_VISIBLE_DEVICES=0,1 llama-server -m Qwen3-32B-Q4_K_M.gguf", "rtx-3090 x4"
    )
    assert sum(device.kind == "gpu" for device in two.memory.devices) == 2


def test_what_moves_nothing_stays_and_what_is_not_counted_is_named() -> None:
    line = "vllm serve Qwen/Qwen3-8B --enable-sleep-mode --port 9000 --swap-space 4"
    plan = planner.plan_command(line, "h100-80gb")
    assert plan.command == line
    assert kinds(plan)[:2] == [ReasonKind.FLAG_NOT_COUNTED, ReasonKind.FLAG_READ_AS]
    assert str(plan.warnings[0]) == "memory pools of sleep mode: not counted (--enable-sleep-mode)."


def test_a_command_without_a_model_is_no_question() -> None:
    for line in ("vllm serve", "ollama serve", "llama-server -c 4096"):
        with pytest.raises(InputError, match="names no model"):
            planner.plan_command(line, "rtx-4090")


def test_printed_commands_are_read_back_to_the_same_plan() -> None:
    count, wrong = check(3, ("rtx-4090", "rtx-3090 x2", "h100-80gb x4"))
    assert count >= 20
    assert wrong == []
