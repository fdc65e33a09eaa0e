"""Accuracy against measured cases: ``python -m benchmarks.accuracy memory|speed FILE.jsonl [--json]``.

Without FILE the project's own cases in benchmarks/data are run.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

_DATA = Path(__file__).parent / "data"


def main(argv: list[str] | None = None) -> int:
    """Run one comparison; returns 0, or 2 for a file that can't be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("what", choices=("memory", "speed"))
    parser.add_argument("file", nargs="?", type=Path, help="cases, one JSON object a line")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    args = parser.parse_args(argv)
    path: Path = args.file or _DATA / f"{args.what}.jsonl"
    if not path.is_file():
        print(f"{path}: no such file; name a .jsonl file of measured cases", file=sys.stderr)
        return 2
    if args.what == "memory":
        from benchmarks.accuracy_memory import run
    else:
        from benchmarks.accuracy_speed import run
    run(path, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
