"""An engine's own words on the planner's command line: pasted options, and whole commands after --."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

MACHINE = ("--profile", "rtx-4090")


def settings(cli: Cli, *arguments: str) -> dict[str, object]:
    answer = cli("plan", *arguments, *MACHINE, "--json")
    assert answer.code == 0, answer.err
    found: dict[str, object] = json.loads(answer.out)["settings"]
    return found


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ("-ngl 99", "n_gpu_layers", 99),
        ("-ngl all", "n_gpu_layers", 999),
        ("-ctk q8_0 -ctv q8_0", "cache_type_v", "q8_0"),
        ("--ctx-size 8192", "n_ctx", 8192),
        ("--n-ctx 8192", "n_ctx", 8192),
        ("--n-ctx=8192", "n_ctx", 8192),
        ("-fa on", "flash_attn", "on"),
        ("--no-mmap -ngl 99", "mmap", False),
        ("--enforce-eager", "enforce_eager", True),
        ("--max-model-len 32k", "max_model_len", 32000),
        ("--max_model_len 8K", "max_model_len", 8192),
        ("--no-enable-prefix-caching --max-model-len 8192", "enable_prefix_caching", False),
        ("--num-ctx 8192 -e ollama", "num_ctx", 8192),
    ],
)
def test_pasted_options(cli: Cli, words: str, name: str, value: object) -> None:
    assert settings(cli, "qwen3-8b", *words.split())[name] == value


def test_what_moves_nothing_is_printed_again(cli: Cli) -> None:
    answer = cli("plan", "qwen3-8b", *MACHINE, "-ngl", "99", "--host", "0.0.0.0", "--jinja", "--json")
    document = json.loads(answer.out)
    assert document["engine"] == "llama.cpp"
    assert document["command"].endswith("--host 0.0.0.0 --jinja")
    answer = cli("launch", "qwen3-8b", *MACHINE, "--trust-remote-code", "--all2all-backend", "deepep_v2")
    assert answer.out.rstrip().endswith("--trust-remote-code --all2all-backend deepep_v2")
    assert "buffers of the exchange between experts: not counted" in answer.err


def test_its_own_vllm_command_is_taken_as_options(cli: Cli) -> None:
    machine = ("--profile", "h200 x4")
    printed = json.loads(cli("plan", "minimax-m2.7", "-e", "vllm", *machine, "--json").out)["command"]
    words = printed.split()[3:]
    assert "--trust-remote-code" in words
    again = cli("plan", "minimax-m2.7", *words, *machine, "--json")
    assert again.code == 0, again.err


def test_sglangs_names_are_sglangs(cli: Cli) -> None:
    machine = ("--profile", "h100-80gb x2")
    answer = cli(
        "launch", "qwen3-8b", "-e", "sglang", "--tp-size", "2", "--context-length", "32768", *machine
    )
    assert answer.code == 0, answer.err
    assert "--tensor-parallel-size 2 --context-length 32768" in answer.out
    wrong = cli("launch", "qwen3-8b", "-e", "sglang", "--mem-fraction-statik", "0.8", *machine)
    assert (wrong.code, "did you mean --mem-fraction-static?" in wrong.err) == (2, True)


@pytest.mark.parametrize(
    "command",
    [
        ("--", "llama-server", "-m", "Qwen3-8B-Q4_K_M.gguf", "-c", "8192"),
        ("llama-server -m Qwen3-8B-Q4_K_M.gguf -c 8192",),
    ],
)
def test_a_whole_command(cli: Cli, command: tuple[str, ...]) -> None:
    answer = cli("plan", *MACHINE, "--json", *command)
    assert answer.code == 0, answer.err
    document = json.loads(answer.out)
    assert (document["settings"]["n_ctx"], document["settings"]["n_parallel"]) == (8192, 4)
    assert document["command"] == "llama-server -m Qwen3-8B-Q4_K_M.gguf -c 8192"
    shown = cli("plan", *MACHINE, *command)
    assert "can't be read here" in shown.out


def test_a_whole_command_becomes_files(cli: Cli) -> None:
    answer = cli(
        "launch", "--profile", "h100-80gb", "--format", "systemd", "--", "vllm", "serve", "Qwen/Qwen3-8B"
    )
    assert answer.code == 0, answer.err
    assert '"vllm" "serve" "Qwen/Qwen3-8B"\n' in answer.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "MODEL is missing"),
        (("--",), "nothing stands after --"),
        (("--", "ls", "-l"), "'ls' starts no engine"),
        (("qwen3-8b", "--", "vllm", "serve", "a/b"), "'qwen3-8b' was not expected here"),
        (("--n-ctx", "1", "--", "vllm", "serve", "a/b"), "was not expected here"),
        (("-e", "vllm", "--", "llama-server", "-m", "a.gguf"), "leave out --engine"),
        (("--", "vllm", "serve", "a/b", "--quantization", "nonsense"), "invalid choice: 'nonsense'"),
        (("qwen3-8b", "--dtype", "foo"), "invalid choice: 'foo'"),
        (("qwen3-8b", "--split-mode", "x"), "invalid value 'x'; it takes none, layer, row, tensor"),
        (("qwen3-8b", "--cache-type-k", "q3"), "invalid value 'q3'"),
        (("qwen3-8b", "--enforce-eager", "stray"), "'stray' was not expected here"),
        (("qwen3-8b", "-e", "vllm", "-ngl", "99"), "vllm serve: error: unrecognized arguments: --ngl"),
    ],
)
def test_one_clear_line(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    answer = cli("plan", *MACHINE, *arguments)
    assert answer.code == 2
    assert said in answer.err
    assert answer.err.count("\n") == 1


def test_a_file_that_starts_an_engine(cli: Cli, tmp_path: Path) -> None:
    unit = tmp_path / "llm.service"
    unit.write_text("[Service]\nExecStart=/usr/bin/llama-server -m Qwen3-8B-Q4_K_M.gguf -c 8192\n")
    answer = cli("plan", str(unit), *MACHINE, "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["settings"]["n_ctx"] == 8192
    modelfile = tmp_path / "Modelfile"
    modelfile.write_text("FROM qwen3:8b\nPARAMETER num_ctx 16384\n")
    assert json.loads(cli("plan", str(modelfile), *MACHINE, "--json").out)["settings"]["num_ctx"] == 16384
    missing = cli("plan", str(tmp_path / "none.yaml"), *MACHINE)
    assert (missing.code, "none.yaml: No such file or directory" in missing.err) == (2, True)
