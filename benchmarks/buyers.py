"""Writes docs/buying.md: what buyers ask, what the program answers, and what an expert adds.

    python -m benchmarks.buyers

Every option that an answer shows is planned once more on its own profile; the script stops when one of them
would not do what was asked.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import planner
from planner.cli.main import run
from planner.units import parse_context

PAGE = Path(__file__).parent.parent / "docs" / "buying.md"


@dataclass(frozen=True, slots=True)
class Case:
    """One question, the command that asks it, and what to know about the answer."""

    question: str
    command: str
    remark: str


CASES = (
    Case(
        "I have 5,000 for gpt-oss-120b with 32k of context, at 20 tokens a second or more.",
        "buy gpt-oss-120b --context 32k --min-speed 20 --budget 5000",
        "The model's weights are 60 GiB, so the choice is between cards that hold most of it, and memory that "
        "holds all of it but is slower and quiet. What `claims` says of the 80 GB card is true, and far above "
        "this budget.",
    ),
    Case(
        "A coding model on one card in the PC that I have (64 GB of DDR5), for at most 1,200.",
        "buy qwen3.6-27b --have '64GiB ddr5-5600' --context 32k --min-speed 20 --budget 1200",
        "A dense 27B model wants 16 to 24 GB of fast memory on one card: what more memory buys is quality. Two small "
        "cards split the layers and are no faster than one.",
    ),
    Case(
        "The cheapest machine for gpt-oss-20b at reading speed.",
        "buy gpt-oss-20b --context 16k --min-speed 10 --budget 1500",
        "The article's 16 GB are enough, also in a small computer without a graphics card that one could name; "
        "what one pays for is speed.",
    ),
    Case(
        "A quiet box for a team of four that uses Qwen3.6-35B-A3B, 32k each.",
        "buy qwen3.6-35b-a3b --users 4 --context 32k --min-speed 15 --budget 6000",
        "Three billion active parameters make it quick wherever it fits; look at the watts, which is what one hears.",
    ),
    Case(
        "DeepSeek R1 itself, not a distillation, at home.",
        "buy deepseek-r1 --context 16k --min-speed 10 --budget 30000",
        "671 billion parameters: large unified memory is the only thing of this size that stands on a desk. A "
        "rented node by the hour is the honest alternative for occasional use.",
    ),
    Case(
        "Llama 3.3 70B for eight users with 16k each.",
        "buy llama-3.3-70b --users 8 --context 16k --min-speed 10",
        "A dense 70B is the most expensive way to this quality today: compare with "
        "`planner compare llama-3.3-70b qwen3.6-27b`.",
    ),
    Case(
        "I have 2,500 for coding, no model in mind, and it stands beside my desk.",
        "buy --use-case coding --budget 2500 --quiet",
        "Without a model each machine is asked what it runs best, as `planner check` would answer on it; the rows are "
        "machines on which no cheaper one does as well.",
    ),
    Case(
        "A 5090, a DGX Spark or a Mac with 128 GB for agents?",
        "buy --use-case agents --among rtx-5090,dgx-spark,apple-m5-max-128gb",
        "Memory decides which model runs at all, bandwidth how fast: a card is fast with what fits it, the other two "
        "hold larger mixtures of experts.",
    ),
    Case(
        "The same three, but I want to know how each of three models runs on each.",
        "compare qwen3.6-27b qwen3.6-35b-a3b gpt-oss-120b --on rtx-5090,dgx-spark,apple-m5-max-128gb --use-case coding",
        "The dense 27B wants the card's bandwidth; the mixtures of experts run well on all three.",
    ),
    Case(
        "I own a 3090. A second one, or sell it and get a 5090, for Qwen3.6-27B at 64k?",
        "compare qwen3.6-27b --on 'rtx-3090,2x rtx-3090,rtx-5090' --context 64k --use-case coding",
        "A second card buys bits and context, not speed, where llama.cpp splits the layers; a faster card buys both.",
    ),
    Case(
        "In Germany, for at most 1,500 euros, something for the family's questions.",
        "buy --budget 1500 --country DE",
        "Prices are the profiles' dollars in euros with VAT, electricity is what households of the country pay. The M6 "
        "was not measured yet, so that its interval is wide: `--min-speed 15` leaves out what may be too slow.",
    ),
    Case(
        "Does a computer with an RTX 4090 pay against a subscription, or an API?",
        "cost gpt-oss-20b --profile rtx-4090 --country DE",
        "It seldom does at this use. What speaks for hardware of one's own is privacy, work without a network, and "
        "what else the machine does; `--tokens-per-day` sets how much it is used.",
    ),
)
HEAD = """# What buyers ask

Answers of this version, written by `python -m benchmarks.buyers`. Prices are those of the profiles, with their
dates, in US dollars; a computer around the cards is assumed at a stated price (`--host-price`, or `--have` what
you own). Replace any price with `--price NAME=PRICE`. An option counts only when the low end of its speed's
interval reaches what was asked.
"""


def answer(command: str) -> str:
    """Return what the program prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        run(shlex.split(command))
    return printed.getvalue().rstrip()


def check(command: str) -> None:
    """Plan every option on its own profile; SystemExit where one does not hold."""
    import json

    words = shlex.split(command)
    if "--context" not in words:
        return  # each is what check or cost answers
    document = json.loads(answer(command + " --json"))
    if "options" not in document:
        return
    context = parse_context(words[words.index("--context") + 1])
    users = int(words[words.index("--users") + 1]) if "--users" in words else 1
    for option in document["options"]:
        for plan in option["plans"]:
            again = planner.plan(
                plan["model"],
                option["profile"],
                planner.Workload(context=context, users=users),
                engine=plan["engine"],
                quant=plan["quant"],
            )
            if not again.fits or again.max_context < context:
                sys.exit(f"{command}: {option['profile']} does not hold")


def main() -> None:
    """Write the page."""
    os.environ["NO_COLOR"] = "1"
    parts = [HEAD]
    for number, case in enumerate(CASES, 1):
        check(case.command)
        parts.append(
            f"## {number}. {case.question}\n\n    planner {case.command}\n\n```\n{answer(case.command)}\n```\n\n"
            f"{case.remark}\n"
        )
    PAGE.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
