"""Completion by the shells' own protocol: the program is asked as bash, zsh and fish ask it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest


def ask(line: str, shell: str = "bash") -> list[str]:
    """Return what the program offers for the last word of a line (an empty one after a space)."""
    words = line.split()
    at = len(words) if line.endswith(" ") else len(words) - 1
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("COMP_", "_PLANNER", "_TYPER"))}
    environment["_PLANNER_COMPLETE"] = f"complete_{shell}"
    if shell == "bash":
        environment |= {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(at)}
    else:
        environment |= {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    answer = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from planner.cli.main import main; sys.argv[0] = 'planner'; main()",
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    return answer.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered", "absent"),
    [
        ("planner ch", {"check"}, {"plan"}),
        ("planner plan gpt-os", {"gpt-oss-20b", "gpt-oss-120b"}, {"Qwen3-32B"}),
        ("planner plan qwen3-3", {"qwen3-32B", "qwen3-30B-A3B"}, set()),
        ("planner plan openai/gpt", {"openai/gpt-oss-20b"}, {"gpt-oss-20b"}),
        ("planner launch --profile rtx-4090 gpt-oss-2", {"gpt-oss-20b"}, {"gpt-oss-120b"}),
        ("planner compare gpt-oss-20b qwen3-3", {"qwen3-32B"}, set()),
        ("planner show kimi-k", {"kimi-k3"}, set()),
        ("planner check --profile rtx-409", {"rtx-4090", "rtx-4090-laptop"}, {"rtx-3090"}),
        ("planner check -p apple-m4", {"apple-m4-max-64gb"}, {"apple-m3-8gb"}),
        ("planner check --engine ", {"llama.cpp", "ollama", "vllm"}, set()),
        ("planner check --use-case re", {"reasoning"}, {"general"}),
        ("planner check --license ", {"permissive", "commercial", "any"}, set()),
        ("planner check --format git", {"github"}, {"csv"}),
        ("planner plan qwen3-32b --quant Q4", {"Q4_K_M", "Q4_0"}, {"Q5_K_M"}),
        ("planner plan gpt-oss-20b --quant M", {"MXFP4"}, {"NVFP4"}),
        ("planner plan qwen3-32b --engine vllm --quant ", {"BF16", "FP8"}, {"Q4_K_M"}),
        ("planner plan qwen3-32b --quant q4", {"q4_K_M"}, {"q5_K_M"}),
        ("planner launch gpt-oss-20b --format ", {"compose", "shell", "kubernetes"}, {"github"}),
        ("planner schema pl", {"plan"}, set()),
        ("planner claims gpt-oss-20b", {"gpt-oss-20b-16gb"}, set()),
    ],
)
def test_what_is_offered(line: str, offered: set[str], absent: set[str]) -> None:
    words = set(ask(line))
    assert offered <= words
    assert not absent & words
    typed = line.rsplit(" ", 1)[-1]
    assert all(word.startswith(typed) for word in words)  # a shell drops anything else


@pytest.mark.parametrize(
    "line", ["planner plan ./mod", "planner plan /tmp/", "planner plan no-such-model-at-a"]
)
def test_paths_are_left_to_the_shell(line: str) -> None:
    assert ask(line) == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells(shell: str) -> None:
    assert any("gpt-oss-20b" in word for word in ask("planner plan gpt-oss-2", shell))


def test_what_is_offered_is_understood() -> None:
    """A word offered in other letters than the catalogue's still names the model."""
    from planner.models.catalogue.catalogue import lookup

    for word in ask("planner plan QWEN3-3"):
        assert lookup(word) is not None


def test_nobody_waits() -> None:
    ask("planner plan gpt")
    start = time.perf_counter()
    ask("planner plan gpt")
    assert time.perf_counter() - start < 2.0


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_itself_gets_the_words(tmp_path: Path) -> None:
    """The script that --show-completion prints, run by bash as Tab runs it."""
    program = tmp_path / "planner"
    program.write_text(f"#!{sys.executable}\nfrom planner.cli.main import main\nmain()\n")
    program.chmod(0o755)
    script = (
        'export PATH="$1:$PATH"; eval "$(_PLANNER_COMPLETE=source_bash planner)"; '
        "COMP_WORDS=(planner plan gpt-oss-2); COMP_CWORD=2; "
        "$(complete -p planner | sed 's/.*-F \\([^ ]*\\).*/\\1/') planner; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    answer = subprocess.run(
        ["bash", "-c", script, "bash", str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert answer.stdout.split() == ["gpt-oss-20b"], answer.stderr
