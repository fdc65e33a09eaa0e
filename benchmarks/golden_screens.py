"""What the screen shows, as reviewed files.

python -m benchmarks.golden_screens           compare with tests/golden/*.txt
python -m benchmarks.golden_screens --write   write them anew (then read the diff)
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shlex
import sys
from pathlib import Path

from planner.cli.main import run

FOLDER = Path(__file__).parent.parent / "tests" / "golden"
SCREENS = {
    "check-rtx-4090": "check --profile rtx-4090",
    "check-h100-8-users": "check --profile h100-80gb --context 32k --users 8",
    "check-raspberry-pi": "check --profile raspberry-pi-5-8gb --why",
    "plan-gpt-oss-120b-rtx-4090": "plan gpt-oss-120b --profile rtx-4090",
    "plan-gpt-oss-120b-h100-vllm": "plan gpt-oss-120b --engine vllm --profile h100-80gb",
    "plan-qwen3-32b-rtx-4090": "plan qwen3:32b -q Q4_K_M --context 8k --profile rtx-4090",
    "plan-deepseek-r1-too-big": "plan deepseek-r1 --profile rtx-4090",
    "plan-llama-2x-rtx-3090": "plan llama-3.3-70b --profile '2x rtx-3090'",
    "launch-ollama": "launch gpt-oss-20b --engine ollama --profile rtx-4060-ti-16gb --context 32k",
    "launch-vllm": "launch gpt-oss-20b --engine vllm --profile rtx-4090",
    "cost-gpt-oss-20b": "cost gpt-oss-20b --profile rtx-4090 --api 0.05/0.20 --cloud 0.5",
    "show-kimi-k2": "show kimi-k2",
}


def screen(command: str) -> str:
    """Return what a command prints on an 80-column screen without colour."""
    os.environ["NO_COLOR"] = "1"
    os.environ.pop("COLUMNS", None)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = run(shlex.split(command))
    return f"$ planner {command}\n{printed.getvalue()}# exit code {code}\n"


def main() -> int:
    """Compare or write; exit code 1 where they differ."""
    parser = argparse.ArgumentParser(description="The reviewed screens.")
    parser.add_argument("--write", action="store_true", help="write the files anew")
    options = parser.parse_args()
    differing = 0
    for name, command in SCREENS.items():
        path = FOLDER / f"{name}.txt"
        now = screen(command)
        if options.write:
            path.write_text(now, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != now:
            print(f"{name} differs")
            differing += 1
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())
