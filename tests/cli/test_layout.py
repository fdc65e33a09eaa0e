"""Tables on narrow terminals: nothing is wider than there is room, and nothing is cut."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.cli.layout import columns_of, fit
from tests.cli.conftest import Cli

WORDS = st.text("abcXYZ019-.", max_size=12)
# Lines that are there to be copied, whatever their length.
COPIED = (
    "llama-server",
    "llama-bench ",
    "vllm serve",
    "ollama ",
    "export ",
    "planner ",
    "$ planner",
    "OLLAMA_",
    "    https://",
)


def test_a_long_first_cell_leaves_the_name_to_the_next_line() -> None:
    out = fit(["Name", "Two\nlines", "Third", "Last one"], [("0000000000", "", "", "")], None, 20, 1)
    assert all(columns_of(line) <= 20 for line in out.splitlines())


@given(
    st.lists(st.tuples(WORDS, WORDS, WORDS, WORDS), min_size=1, max_size=5),
    st.integers(20, 60),
    st.sampled_from((None, 0, 1, 3)),
)
def test_every_cell_is_there_and_every_line_fits(
    rows: list[tuple[str, ...]], room: int, wrap: int | None
) -> None:
    headers = ["Name", "Two\nlines", "Third", "Last one"]
    out = fit(headers, rows, None, room, wrap)
    assert all(columns_of(line) <= room for line in out.splitlines())
    letters = re.sub(r"\s", "", out)
    for row in rows:
        for i, cell in enumerate(row):
            if i != wrap:
                assert cell in letters
    assert sorted(letters) == sorted(re.sub(r"\s", "", "".join([*headers, *(c for r in rows for c in r)])))


def test_a_name_is_wrapped_before_columns_go_to_another_line() -> None:
    out = fit(["Name", "N"], [["Nemotron-3-Super-120B-A12B", "1"], ["a", "22"]], None, 24, 0)
    assert out.splitlines() == [
        "Name                  N",
        "Nemotron-3-Super-     1",
        "120B-A12B",
        "a                     22",
    ]


def test_columns_without_room_go_below_with_their_headers() -> None:
    out = fit(["Id", "GiB", "US$"], [["strix-halo-395", "128", "3,999"], ["a", "1", ""]], None, 20, None)
    assert out.splitlines() == [
        "Id              GiB",
        "  US$",
        "strix-halo-395  128",
        "  3,999",
        "a               1",
    ]


def test_wide_characters_are_counted() -> None:
    assert columns_of("模型a") == 5
    assert all(
        columns_of(line) <= 12 for line in fit(["A", "B"], [["模型模型", "模型"]], None, 12, None).split("\n")
    )


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize(
    "arguments",
    [
        "check --profile rtx-4090 --why",
        "check --profile h100-80gb --users 8",
        "plan gpt-oss-120b --profile rtx-4090 --depth",
        "plan deepseek-r1 --profile rtx-4090",
        "launch gpt-oss-20b --profile rtx-4090",
        "buy gpt-oss-120b --context 32k",
        "buy qwen3-32b gpt-oss-20b --users 4",
        "cost gpt-oss-20b --profile rtx-4090",
        "models",
        "models --check qwen3",
        "show kimi-k3",
        "compare gpt-oss-20b qwen3-32b gemma-4-31b gpt-oss-120b --profile rtx-4090",
        "profiles",
        "claims",
        "doctor",
    ],
)
def test_no_screen_is_wider_than_the_terminal(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, arguments: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    out = cli(*arguments.split()).out
    assert [line for line in out.splitlines() if len(line) > columns and not line.startswith(COPIED)] == []


def test_the_list_of_commands_is_not_cut(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    out = cli("--help").out
    assert "..." not in out.split("Commands:")[1]
    assert all(len(line) <= 60 for line in out.splitlines())


@pytest.mark.parametrize("columns", [60, 80])
def test_names_are_not_cut(cli: Cli, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for arguments in (
        ("check", "--profile", "rtx-4090"),
        ("models",),
        ("profiles",),
        ("buy", "gpt-oss-120b"),
    ):
        assert "…" not in cli(*arguments).out
    out = cli("profiles", "strix").out
    assert "strix-halo-390-8050s" in out  # whole, to be copied


def test_check_names_engine_and_quantisation_on_a_narrow_terminal(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    out = cli("check", "--profile", "rtx-4090").out
    assert "Engine" in out and "Quant" in out and "Context" in out
