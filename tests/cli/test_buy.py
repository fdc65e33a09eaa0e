"""`planner buy` on the screen: every row says with which engine, every price what is in it."""

from __future__ import annotations

import re

import pytest

from planner.cli.money_options import parse_money
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


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("2500", 2500), ("2,500", 2500), ("2.500", 2500), ("2k", 2000), ("2.5k", 2500), ("2500 EUR", 2500),
        ("$1,200.50", 1200.5), ("12 000", 12000), ("999.9", 999.9), ("1,250,000", 1_250_000),
    ],
)  # fmt: skip
def test_amounts_are_read_as_people_write_them(text: str, amount: float) -> None:
    assert parse_money(text, "--budget") == amount


@pytest.mark.parametrize("text", ["", "lots", "-3", "1e9", "2,5,0", "nan", "2500 2500"])
def test_what_is_no_amount_is_one_line(cli: Cli, text: str) -> None:
    answer = cli("buy", "gpt-oss-20b", f"--budget={text}")
    assert answer.code == 2 and answer.err.count("\n") == 1 and "2500" in answer.err


def test_a_country_decides_currency_and_electricity(cli: Cli) -> None:
    out = words(cli("cost", "gpt-oss-20b", "--profile", "rtx-4090", "--country", "DE").out)
    assert "EUR" in out and "0.3618 EUR a kWh" in out and "--usd-rate" in out
    assert (
        cli("cost", "gpt-oss-20b", "--profile", "rtx-4090", "--country", "DE", "--currency", "USD").code == 2
    )
    quiet = words(cli("buy", "gpt-oss-20b", "--budget", "2.5k", "--quiet").out)
    assert "above the 200 W wanted" in quiet
