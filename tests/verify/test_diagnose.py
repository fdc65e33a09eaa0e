"""Pasted reports: the cause by its numbers, the smallest change, and nothing said that the paste doesn't show."""

from __future__ import annotations

import contextlib
import json
import random
import re
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from benchmarks.diagnosed import judge, reports
from benchmarks.fuzz_pastes import damaged, seeds
from planner.api import diagnose, plan_command
from planner.engines.evidence import Cause, Weight
from planner.engines.register import DIAGNOSED
from planner.errors import InputError
from planner.verify.diagnose.paste import clean

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("pastes.json").read_text(encoding="utf-8"))
REPORTS = [report for report in reports() if "open" not in report]
ROWS = [
    row
    for package in (*(f"planner.engines.{folder}" for folder in DIAGNOSED), "planner.verify.diagnose")
    for row in json.loads(files(package).joinpath("messages.json").read_text(encoding="utf-8"))
]


def said(text: str) -> str:
    """All that a diagnosis says, as one text."""
    answer = diagnose(text)
    finding = answer.finding
    assert finding is not None
    fixes = " ".join(f"{f.do} {' '.join(f'{k} {v}' for k, v in f.set.items())}" for f in finding.fixes)
    return f"{finding.what} {' '.join(finding.why)} {fixes} {answer.command or ''}"


@pytest.mark.parametrize("case", CASES, ids=[c["id"] for c in CASES])
def test_public_reports_get_their_cause_and_its_numbers(case: dict[str, Any]) -> None:
    answer = diagnose(case["paste"])
    assert answer.finding is not None
    assert answer.finding.cause == case["cause"]
    text = said(case["paste"])
    for words in case["says"]:
        assert re.search(words, text, re.I), f"{words!r} is not said: {text}"


@pytest.mark.parametrize("report", REPORTS, ids=[r["id"] for r in REPORTS])
def test_collected_reports_get_their_cause_and_what_it_has_to_say(report: dict[str, Any]) -> None:
    answer = diagnose(report["paste"])
    assert judge(report, answer) == "right", answer.finding


@pytest.mark.parametrize("row", ROWS, ids=[r["id"] for r in ROWS])
def test_every_message_is_seen_in_its_sample(row: dict[str, Any]) -> None:
    assert any(need in row["sample"] for need in row["needs"])
    assert re.search(row["pattern"], row["sample"])
    answer = diagnose(row["sample"])
    assert row["id"] in {s.message.id for s in answer.evidence.seen}
    assert answer.finding is not None, "every message has a rule"
    assert answer.finding.fixes


@pytest.mark.parametrize("backend", ["CUDA", "HIP"])
def test_out_of_memory_without_its_figures_asks_for_where_it_came(backend: str) -> None:
    answer = diagnose(f"torch.OutOfMemoryError: {backend} out of memory. Tried to allocate 2.00 GiB.")
    assert answer.finding is not None
    assert answer.finding.cause is Cause.EXTRA_UNCOUNTED
    assert "traceback" in " ".join(answer.finding.ask)
    assert any("Tried to allocate 2.00 GiB." in why and ".." not in why for why in answer.finding.why)


def test_a_normal_line_is_called_a_notice() -> None:
    answer = diagnose(
        "llama_context: n_ctx_seq (8192) < n_ctx_train (131072) -- the full capacity will not be utilized"
    )
    assert answer.finding is not None
    assert answer.finding.cause is Cause.NOTICE
    assert answer.finding.weight is Weight.NOTICE


def test_a_wrapper_gives_way_to_the_cause_beside_it() -> None:
    text = (
        "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}\n"
        "ValueError: Total number of attention heads (64) must be divisible by tensor parallel size (6).\n"
    )
    answer = diagnose(text)
    assert answer.finding is not None
    assert answer.finding.cause is Cause.ENGINE_LIMIT
    assert "--tensor-parallel-size 4" in said(text)


def test_the_mended_command_changes_one_flag_only() -> None:
    text = (
        "$ vllm serve Qwen3.8-27B --max-model-len 132000 --max-num-seqs 1024 --port 8000\n"
        "ValueError: max_num_seqs (1024) exceeds available Mamba cache blocks (969)."
    )
    assert (
        diagnose(text).command
        == "vllm serve Qwen3.8-27B --max-model-len 132000 --max-num-seqs 969 --port 8000"
    )


def test_the_change_is_marked_in_any_spelling_and_the_rest_stays() -> None:
    answer = diagnose(
        "sudo docker run --rm --gpus all ghcr.io/ggml-org/llama.cpp:server-cuda -m m.gguf --ctx_size=65536 -ub 1024\n"
        "ggml_gallocr_reserve_n_impl: failed to allocate CUDA0 buffer of size 1073741824\n"
    )
    assert answer.mended is not None
    assert answer.mended.changed == ("-ub 512 (was 1024)",)
    assert answer.command is not None
    assert answer.command.startswith(
        "sudo docker run --rm --gpus all ghcr.io/ggml-org/llama.cpp:server-cuda -m m.gguf"
    )


def test_a_failure_belongs_to_the_command_above_it() -> None:
    answer = diagnose(
        "$ vllm serve Qwen/Qwen3-8B --max-num-seqs 64\nINFO: Application startup complete.\n"
        "$ vllm serve Qwen/Qwen3.6-27B --max-num-seqs 512\n"
        "ValueError: max_num_seqs (512) exceeds available Mamba cache blocks (300).\n"
    )
    assert answer.command == "vllm serve Qwen/Qwen3.6-27B --max-num-seqs 300"


@pytest.mark.parametrize(
    "text",
    [
        "services:\n  a:\n    image: vllm/vllm-openai:latest\n    command: --model x/y --max-num-seqs 1024\n",
        "[Service]\nExecStart=/usr/bin/vllm serve Qwen/Qwen3.6-27B --max-num-seqs 1024\n",
        "INFO [utils.py:233] non-default args: {'model': 'Qwen/Qwen3.6-27B', 'max_num_seqs': 1024}\n",
    ],
)
def test_settings_are_read_from_files_and_logs(text: str) -> None:
    answer = diagnose(text + "ValueError: max_num_seqs exceeds available Mamba cache blocks (95).")
    assert answer.evidence.engine == "vllm"
    assert answer.evidence.number("--max-num-seqs") == 1024


def test_changes_are_made_in_the_words_of_the_program_that_runs_the_engine() -> None:
    line = "load_tensors: offloaded 5/37 layers to GPU\nllama_context: n_ctx = 32768"
    assert "OLLAMA_CONTEXT_LENGTH=16384" in said(f"time=x level=INFO source=server.go:1\n{line}")
    assert "Context Length 16384" in said(f"LM Studio 0.4.18\n{line}")
    assert "-c 16384" in said(line)


TOO_LONG = "llama-server -m Qwen3.6-27B-Q4_K_M.gguf -c 262144 -ngl 99"


def test_a_command_and_a_machine_are_added_up_and_the_change_fits_by_planning_again() -> None:
    answer = diagnose(f"$ {TOO_LONG}\nRTX 3090, it crashes")
    assert answer.finding is not None
    assert answer.finding.cause is Cause.CONTEXT_TOO_LARGE
    assert any(
        "weights 14.7" in why and "KV cache 16.00" in why and "too much" in why for why in answer.finding.why
    )
    assert answer.command is not None
    assert plan_command(TOO_LONG, "rtx-3090").fits is False
    mended = plan_command(answer.command, "rtx-3090")
    assert mended.fits
    assert mended.placement == "gpu"
    longer = answer.command.replace(f"-c {mended.settings['n_ctx']}", f"-c {mended.settings['n_ctx'] + 8192}")
    assert not plan_command(longer, "rtx-3090").fits, "it is the smallest change"


def test_several_changes_are_made_where_none_is_enough_alone() -> None:
    answer = diagnose("$ vllm serve Qwen/Qwen3-32B-AWQ --max-model-len 40960\nRTX 4090 24 GB")
    assert answer.mended is not None
    assert len(answer.mended.changed) > 1
    assert plan_command(answer.mended.command, "rtx-4090").fits


def test_what_is_free_counts_and_the_log_stands_beside_the_plan() -> None:
    log = (
        f"$ {TOO_LONG.replace('262144', '65536')}\n  - CUDA0   : NVIDIA GeForce RTX 3090 (24124 MiB, 12123 MiB free)\n"
        "load_tensors:        CUDA0 model buffer size = {} MiB\n"
        "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 4096.00 MiB on device 0: cudaMalloc failed:"
        " out of memory"
        "\nllama_kv_cache: failed to allocate buffer for kv cache\n"
    )
    closes = diagnose(log.format("15086.00")).finding
    assert closes is not None
    assert any("11.84 GiB" in why and "too much" in why for why in closes.why)
    assert any("the log says 15,086 MiB" in why and "That closes" in why for why in closes.why)
    other = diagnose(log.format("9000.00")).finding
    assert other is not None
    assert not any("too much" in why for why in other.why), (
        "nothing is proven where the log is another model's"
    )
    assert any("the log says 9,000 MiB, the plan" in why for why in other.why)


def test_what_fits_is_said_to_fit_and_what_is_missing_is_asked_for() -> None:
    fits = diagnose(f"$ {TOO_LONG.replace('262144', '32768')}\nRTX 3090")
    assert not fits.explained
    assert fits.finding is not None
    assert "fits" in fits.finding.what
    alone = diagnose("$ llama-server -m Qwen3.6-27B-Q4_K_M.gguf")
    assert not alone.explained
    assert alone.recognised
    assert alone.finding is not None
    assert any("GPU" in ask for ask in alone.finding.ask)


def test_a_state_larger_than_the_limit_is_not_answered_with_that_limit() -> None:
    text = "$ llama-server -m x.gguf --cache-ram 2048\nsaving prompt with length 28960, total state size = 3462.850 MiB"
    answer = diagnose(text + "\nA process of this unit has been killed by the OOM killer.")
    assert answer.finding is not None
    assert answer.mended is not None
    assert "larger than the limit of 2,048" in " ".join(answer.finding.why)
    assert "--cache-ram 0 (was 2048)" in answer.mended.changed


@pytest.mark.parametrize(
    ("beside", "cause"),
    [("ollama ps: qwen3:8b 100% GPU", Cause.NOTICE), ("offloaded 0/37 layers", Cause.GPU_NOT_USED)],
)
def test_a_skipped_library_is_normal_unless_the_processor_works_alone(beside: str, cause: Cause) -> None:
    line = 'msg="skipping CUDA device — compute capability not in compiled architectures" device="RTX A6000" cc=860'
    finding = diagnose(f"level=INFO source=runner.go:9 {line}\n{beside}").finding
    assert finding is not None
    assert finding.cause is cause


def test_unified_memory_is_not_blamed_on_another_process() -> None:
    line = (
        "ValueError: Free memory on device cuda:0 (101.9/121.69 GiB) on startup is less than desired GPU memory"
        " utilization (0.87, 105.87 GiB)."
    )
    finding = diagnose(line).finding
    assert finding is not None
    assert "unified" in finding.what
    assert any("121.7" in why for why in finding.why)


def test_a_remark_behind_a_command_is_none_of_its_words() -> None:
    answer = diagnose(
        "$ llama-server -m m.gguf -ub 1024   (RTX 3090)\ngraph_reserve: failed to allocate compute buffers"
    )
    assert answer.command == "llama-server -m m.gguf -ub 512"


def test_machine_and_model_may_be_named_beside_the_paste() -> None:
    text = "$ llama-server -m model.gguf -c 262144 -ngl 99"
    assert not diagnose(text).explained
    answer = diagnose(text, machine="rtx-3090", model="Qwen3.6-27B-Q4_K_M.gguf")
    assert answer.finding is not None
    assert answer.finding.cause is Cause.CONTEXT_TOO_LARGE
    assert "-c 117760" in (answer.command or "")
    small = diagnose("$ llama-server -m Qwen3-8B-Q4_K_M.gguf -c 32768", machine="16 cores + 6GB ddr5")
    assert small.finding is not None
    assert small.finding.cause in (Cause.CONTEXT_TOO_LARGE, Cause.TOO_LARGE)


def test_settings_that_the_engine_refuses_are_told_in_its_words() -> None:
    answer = diagnose("$ vllm serve Qwen/Qwen3-8B --max-model-len 131072\nRTX 3090")
    assert answer.finding is not None
    assert any("max_model_len (131072) is greater" in why for why in answer.finding.why)


def test_what_argparse_refuses_is_looked_up_in_the_engines_own_table() -> None:
    answer = diagnose(
        "$ vllm serve Qwen/Qwen3-8B --max-model-length 8192\nvllm: error: unrecognized arguments:"
        " --max-model-length 8192"
    )
    assert answer.finding is not None
    assert answer.finding.cause is Cause.OPTION_CONFLICT
    assert answer.command == "vllm serve Qwen/Qwen3-8B --max-model-len 8192"
    value = diagnose(
        "$ vllm serve x --dtype int3\nvllm: error: argument --dtype: invalid choice: 'int3' (choose from auto, half)"
    )
    assert value.finding is not None
    assert any("choose from auto, half" in why for why in value.finding.why)


@pytest.mark.parametrize("text", ["", " \n\t\n", "\x1b[31m\x1b[0m"])
def test_an_empty_paste_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match="nothing in the paste"):
        diagnose(text)


def test_prose_without_an_engine_is_not_recognised() -> None:
    answer = diagnose("The quick brown fox jumps over the lazy dog.")
    assert not answer.recognised
    assert answer.finding is None


@pytest.mark.parametrize(
    "line",
    [
        "\x1b[32mllama_kv_cache: failed to allocate buffer for kv cache\x1b[0m",
        "ollama-1  | llama_kv_cache: failed to allocate buffer for kv cache",
        "Sep 05 12:00:01 box llama[123]: llama_kv_cache: failed to allocate buffer for kv cache",
        "2026-09-05T12:00:01.123456789Z stdout F llama_kv_cache: failed to allocate buffer for kv cache",
        "[pod/llm-0/server] llama_kv_cache: failed to allocate buffer for kv cache",
        "0.12.345.678 E llama_kv_cache: failed to allocate buffer for kv cache",
        "[34353] llama_kv_cache: failed to allocate buffer for kv cache",
    ],
)
def test_prefixes_and_colours_hide_nothing(line: str) -> None:
    answer = diagnose(line)
    assert [s.message.id for s in answer.evidence.seen] == ["e04"]


@pytest.mark.parametrize("ending", ["\\", "^", "`"])
def test_a_command_over_several_lines_is_one(ending: str) -> None:
    text = f"$ llama-server -m x.gguf {ending}\n   -c 32768 {ending}\n   -ngl 99\n"
    (line,) = clean(text).lines
    assert line.text.split() == ["llama-server", "-m", "x.gguf", "-c", "32768", "-ngl", "99"]


def test_nothing_of_the_paste_reaches_the_screen_with_its_escapes() -> None:
    answer = diagnose("\x1b]0;title\x07error: invalid argument: --evil\x1b[2J\u202e\n")
    assert "\x1b" not in said("\x1b]0;title\x07error: invalid argument: --evil\x1b[2J\u202e\n")
    assert answer.evidence.text.isprintable()


def test_damaged_pastes_neither_raise_nor_hang() -> None:
    """The start of benchmarks/fuzz_pastes.py; docs/diagnose.md holds its long run."""
    rng, pastes = random.Random(11), seeds()
    diagnose(pastes[0])  # the catalogue is read once
    worst = 0.0
    for _ in range(250):
        text = damaged(rng, pastes)
        began = time.process_time()
        with contextlib.suppress(InputError):
            diagnose(text)
        worst = max(worst, time.process_time() - began)
    assert worst < 1.0


def test_a_huge_log_takes_less_than_a_second() -> None:
    line = (
        "slot print_timing: id 0 | task 12 | prompt eval time = 123.45 ms / 678 tokens out of memory maybe\n"
    )
    text = line * 38_000 + "llama_kv_cache: failed to allocate buffer for kv cache\n"
    began = time.process_time()
    answer = diagnose(text)
    assert time.process_time() - began < 1.0
    assert answer.finding is not None
