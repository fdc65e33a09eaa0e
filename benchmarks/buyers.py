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
    document = json.loads(answer(command + " --json"))
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
