"""Every script of examples/ runs as it stands, offline, and prints what it promises."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
# script -> its arguments here, and what must be in what it prints
PRINTS = {
    "bad_input.py": ([], ["did you mean gpt-oss-20b", "did you mean rtx-4090", "no such file", "False Does not fit"]),
    "compose_file.py": ([], ["services:", "gpt-oss-20b", "docker compose up"]),
    "longest_context.py": ([], ["rtx-3090 x2", "40,960 tokens"]),
    "many_users.py": ([], ["1 users:", "32 users:", "tokens/s each"]),
    "memory_by_context.py": ([], ["context", "32768"]),
    "own_model.py": ([], ["4.02 billion parameters", "rtx-3060-12gb: ", "fits"]),
    "quantisations.py": ([], ["Q8_0", "hybrid", "Q4_K_M", "gpu"]),
    "what_runs_here.py": (["rtx-4090"], ["GiB", "tokens/s", "llama-server -hf "]),
}  # fmt: skip


@pytest.mark.parametrize("name", PRINTS)
def test_an_example_runs(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, wanted = PRINTS[name]
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    printed = capsys.readouterr().out
    for text in wanted:
        assert text in printed


def test_every_example_is_run_and_listed() -> None:
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert names == set(PRINTS)
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for name in names:
        assert f"[{name}]({name})" in listed


def test_a_compose_file_is_written_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["compose_file.py", "gpt-oss-20b", "rtx-4090", str(tmp_path / "service")]
    )
    runpy.run_path(str(EXAMPLES / "compose_file.py"), run_name="__main__")
    assert (
        (tmp_path / "service" / "compose.yaml").read_text(encoding="utf-8").startswith("# openai/gpt-oss-20b")
    )
