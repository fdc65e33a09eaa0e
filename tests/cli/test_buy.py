"""`planner buy` on the screen: every row says with which engine, every price what is in it."""

from __future__ import annotations

import re

from tests.cli.conftest import Cli


def words(text: str) -> str:
    return " ".join(text.split())


def test_rows_name_the_engine(cli: Cli) -> None:
    answer = cli("buy", "qwen3-32b", "--users", "8", "--format", "csv")
    header, *rows = answer.out.splitlines()
    at = header.split(",").index("Engine")
    # a price holds a comma, in quotes
    engines = {re.sub(r'"[^"]*"', "", row).split(",")[at] for row in rows}
    assert engines <= {"llama.cpp", "vLLM", "Ollama"} and "vLLM" in engines
    assert "Max context" in header
    assert "vLLM" in cli("buy", "qwen3-32b", "--users", "8").out


def test_what_is_counted_around_a_card_is_said(cli: Cli) -> None:
    out = words(cli("buy", "gpt-oss-120b", "--users", "8", "--min-speed", "30").out)
    unpriced = out.split("no price is known: ")[1].split("Devices from")[0]
    assert "h800-sxm in a server" in unpriced
    assert re.search(r"rtx-pro-5000-72 \(", unpriced)  # goes into any computer
    assert "server (6,000 USD)" in out and "--host-price" in out


def test_what_one_owns_is_not_counted(cli: Cli) -> None:
    out = words(cli("buy", "qwen3-32b", "--have", "64GiB ddr5-5600").out)
    assert "assumed around" not in out and "in a server" not in out


def test_the_command_asks_what_was_asked(cli: Cli) -> None:
    out = words(cli("buy", "gpt-oss-20b", "--users", "4", "--context", "32k", "--budget", "3000").out)
    assert re.search(r"planner plan gpt-oss-20b --profile '[^']+' --context 32k --users 4", out)


def test_electricity_of_unknown_power_is_not_invented(cli: Cli) -> None:
    out = words(cli("buy", "gpt-oss-20b", "--budget", "1000", "--min-speed", "10").out)
    assert "apple-m6-16gb" in out
    assert "electricity is not counted" in out
    assert "With electricity" not in out


def test_a_reason_is_said_once(cli: Cli) -> None:
    out = words(cli("buy", "gpt-oss-120b", "--budget", "5000", "--context", "32k").out)
    assert "does not fit: Apple" in out
    assert "Does not fit" not in out
