"""Wrong input: one clear line on stderr, exit code 2, nothing on stdout, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli

WRONG = [
    (["plan", "no-such-model-anywhere"], "no-such-model"),
    (["plan", "gpt-oss-20"], "gpt-oss-20b"),
    (["plan", "gpt-oss-20b", "--profile", "rtx-4099"], "rtx-4090"),
    (["plan", "gpt-oss-20b", "--gpu", "rtx-4090"], "--profile"),
    (["plan", "gpt-oss-20b", "--gpus", "2"], "--profile"),
    (["plan", "gpt-oss-20b", "--max-model", "4096"], "no engine has an option --max-model"),
    (["plan", "gpt-oss-20b", "--profile", "rtx-4090 x0"], "rtx-4090"),
    (["check", "--profile", "no-such-card"], "no-such-card"),
    (["check", "--context", "banana"], "--context"),
    (["check", "--context", "0"], "--context"),
    (["check", "--context", "-5"], "--context"),
    (["check", "--vram", "0GiB"], "--vram"),
    (["check", "--vram", "-8GiB"], "--vram"),
    (["check", "--ram", "lots"], "--ram"),
    (["check", "--users", "0"], "--users"),
    (["check", "--users", "-3"], "--users"),
    (["check", "--users", "many"], "--users"),
    (["check", "--min-speed", "-1"], "--min-speed"),
    (["check", "--min-speed", "nan"], "--min-speed"),
    (["check", "--min-speed", "1e9"], "a million"),
    (["check", "--ram", "1KiB"], "--ram"),
    (["check", "--vram", "12k"], "--vram"),
    (["plan", "gpt-oss-20b", "--context", "99999999999"], "--context"),
    (["check", "--use-case", "poetry"], "--use-case"),
    (["check", "--license", "mine"], "--license"),
    (["check", "--engine", "torch"], "torch"),
    (["check", "--limit", "0"], "--limit"),
    (["check", "--format", "klingon", "--profile", "rtx-4090"], "klingon"),
    (["check", "--no-such-option"], "--no-such-option"),
    (["check", "stray"], "stray"),
    (["chekc"], "chekc"),
    (["plan"], "MODEL"),
    (["plan", ""], "MODEL"),
    (["verify", ""], "empty"),
    (["plan", "gpt-oss-20b", "--profile", "rtx-4090", "--quant", "Q99"], "Q99"),
    (["plan", "gpt-oss-20b", "--profile", "rtx-4090", "--quant", "q4-km"], "mean Q4_K_M?"),
    (["plan", "gpt-oss-20b", "--profile", "rtx-4090", "--quant", ""], "--quant is empty"),
    (["verify", "--server", "http://localhost:1"], "Connection refused"),
    (["plan", "gpt-oss-20b", "--profile", "rtx-4090", "--no-such-setting", "3"], "--no-such-setting"),
    (["plan", "gpt-oss-20b", "--profile", "rtx-4090", "--n-gpu-layers", "banana"], "--n-gpu-layers"),
    (["plan", "gpt-oss-20b", "--profile", "rtx-4090", "stray"], "stray"),
    (["launch", "gpt-oss-20b", "--profile", "rtx-4090", "--format", "floppy"], "floppy"),
    (["launch", "gpt-oss-20b", "--profile", "rtx-4090", "--run"], "--run"),
    (["buy", "gpt-oss-20b", "--budget", "-5"], "--budget"),
    (["buy", "gpt-oss-20b", "--price", "rtx-3090"], "--price"),
    (["buy", "gpt-oss-20b", "--price", "rtx-3090=1e99"], "--price"),
    (["buy", "gpt-oss-20b", "--prices", "/no/such/file.toml"], "/no/such/file.toml"),
    (["cost", "gpt-oss-20b", "--profile", "rtx-4090", "--kwh-price", "-1"], "--kwh-price"),
    (["cost", "gpt-oss-20b", "--profile", "rtx-4090", "--api", "cheap"], "--api"),
    (["schema", "nothing"], "nothing"),
    (["show", "no-such-model-anywhere"], "no-such-model"),
    (["plan", "./no-such-file.gguf"], "no-such-file.gguf"),
]


@pytest.mark.parametrize(("arguments", "named"), WRONG, ids=[" ".join(a) for a, _ in WRONG])
def test_one_line_and_exit_code_2(cli: Cli, arguments: list[str], named: str) -> None:
    answer = cli(*arguments)
    assert answer.code == 2, answer
    assert answer.out == ""
    assert answer.err.count("\n") == 1, answer.err
    assert named in answer.err
    assert len(answer.err) < 600


def test_folder_without_config(cli: Cli, tmp_path: Path) -> None:
    answer = cli("plan", str(tmp_path))
    assert (answer.code, answer.out) == (2, "")
    assert "config.json" in answer.err
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize("content", ["[1, 2, 3]", "{", "", "null", '"text"', "{}", '{"model_type": 7}'])
def test_config_that_is_no_config(cli: Cli, tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    answer = cli("plan", str(tmp_path))
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.count("\n") == 1


def test_file_that_is_no_gguf(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    answer = cli("plan", str(path))
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.count("\n") == 1


def test_an_empty_file_is_said_to_be_empty(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"")
    answer = cli("plan", str(path))
    assert (answer.code, answer.out) == (2, "")
    assert "the file is empty" in answer.err and answer.err.count("\n") == 1


@pytest.mark.parametrize("name", ["model.gguf", "config.json"])
def test_a_folder_where_a_file_is_meant(cli: Cli, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    answer = cli("plan", str(tmp_path / name))
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.count("\n") == 1


def test_text_in_another_encoding(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b'\xff\xfe{"model_type": "llama"}')
    (tmp_path / "prices.toml").write_bytes(b"rtx-3090 = \xff")
    for arguments in (
        ("plan", str(tmp_path)),
        ("buy", "gpt-oss-20b", "--prices", str(tmp_path / "prices.toml")),
    ):
        answer = cli(*arguments)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.count("\n") == 1
        assert "codec" not in answer.err  # Python's own words


def test_system_errors_have_no_numbers(cli: Cli, tmp_path: Path) -> None:
    for arguments in (
        ("buy", "gpt-oss-20b", "--prices", str(tmp_path)),
        ("verify", "--server", "http://localhost:1"),
    ):
        assert "Errno" not in cli(*arguments).err


def test_measure_is_for_this_machine(cli: Cli) -> None:
    answer = cli("check", "--measure", "--profile", "rtx-4090")
    assert (answer.code, answer.out) == (2, "")
    assert "--measure" in answer.err
