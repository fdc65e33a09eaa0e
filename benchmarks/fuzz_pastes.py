"""Damaged pastes in numbers: `python -m benchmarks.fuzz_pastes COUNT [SEED]`.

Every paste goes through the whole of planner diagnose, the engine's sum included. It ends in an answer or in a
PlannerError; what is counted besides is the longest time of one (of the process, so that a busy machine doesn't count)
and the memory of the whole process at its highest. Exit 1 for a traceback, more than a second, or 200 MiB.
"""

from __future__ import annotations

import json
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any, Final

from benchmarks.diagnosed import REPORTS, reports
from planner.api import diagnose
from planner.errors import PlannerError
from planner.verify.diagnose.read import knowledge

KNOWN: Final = REPORTS.with_name("pastes.json")
LONGEST: Final = 1.0  # seconds of the processor
MOST_MEMORY: Final = 200 * 1024  # KiB
MACHINES: Final = (
    "RTX 3090 24 GB",
    "2x RTX 4090",
    "Mac mini M4 16GB, 16 GB RAM",
    "Strix Halo 128GB",
    "  - CUDA0   : NVIDIA GeForce RTX 3090 (24124 MiB, 12123 MiB free)",
    "|   0  NVIDIA GeForce RTX 4060 Ti     On  |\\n| 5460MiB / 16380MiB |",
)
PIECES: Final = (
    *(
        "\x00",
        "%",
        "99999999999999999999",
        "-1",
        "0",
        "\n",
        "\\\n",
        "'",
        '"',
        "-c",
        "=",
        "\ud7ff",
        "\x1b[31m",
    ),
    "\u202e",
    *(
        "{",
        "}",
        "(",
        "1e999",
        "nan",
        "\t",
        "--",
        "k",
        "GiB",
        " | ",
        "$(rm)",
        ";",
        "\U0001f4a5",
        "kB)",
        "/",
        "0x",
    ),
)


def seeds() -> list[str]:
    """Return the pastes that are damaged: public reports, and each message's sample."""
    known: list[dict[str, Any]] = json.loads(KNOWN.read_text(encoding="utf-8"))
    pastes = [row["paste"] for row in (*known, *reports())]
    messages = {m.folder or "": "" for m, _, _ in knowledge().messages}
    samples = [sample for folder in messages for sample in _samples(folder)]
    return [*pastes, *samples]


def _samples(folder: str) -> list[str]:
    root = Path(__file__).parent.parent / "planner"
    path = root / "engines" / folder if folder else root / "verify" / "diagnose"
    return [row["sample"] for row in json.loads((path / "messages.json").read_text(encoding="utf-8"))]


def damaged(rng: random.Random, pastes: list[str]) -> str:
    """Return one damaged paste: two put together, lines moved or repeated, pieces put in, numbers exchanged."""
    text = f"{rng.choice(pastes)}\n{rng.choice(pastes)}" if rng.random() < 0.6 else rng.choice(pastes)
    if rng.random() < 0.4:
        text += "\n" + rng.choice(MACHINES)
    if rng.random() < 0.3:
        lines = text.split("\n")
        rng.shuffle(lines)
        text = "\n".join(lines * rng.choice((1, 1, 1, 5)))
    characters = list(text)
    for _ in range(rng.randrange(12)):
        at = rng.randrange(len(characters) or 1)
        characters[at : at + rng.randrange(4)] = rng.choice(PIECES)
    text = "".join(characters)
    return text[: rng.randrange(len(text))] if text and rng.random() < 0.1 else text


def main(count: int, seed: int) -> int:
    """Damage that many pastes and print what came of it."""
    rng = random.Random(seed)
    pastes = seeds()
    outcomes: Counter[str] = Counter()
    worst, worst_paste = 0.0, ""
    began = time.time()
    for done in range(1, count + 1):
        text = damaged(rng, pastes)
        at = time.process_time()
        try:
            answer = diagnose(text)
            outcomes[
                "explained" if answer.explained else "recognised" if answer.recognised else "nothing"
            ] += 1
        except PlannerError:
            outcomes["refused"] += 1
        except Exception:
            outcomes["traceback"] += 1
            print(json.dumps(text), file=sys.stderr)
            traceback.print_exc()
        taken = time.process_time() - at
        if done > 1 and taken > worst:  # the first loads the catalogue
            worst, worst_paste = taken, text
        if done % 1000 == 0:
            print(f"{done:,} {dict(outcomes)} longest {worst:.2f} s, {time.time() - began:.0f} s", flush=True)
    peak = _peak()
    print(
        f"{count:,} pastes (seed {seed}): {dict(outcomes)}; longest {worst:.2f} s; at most {peak >> 10} MiB"
    )
    if worst > LONGEST:
        print(json.dumps(worst_paste), file=sys.stderr)
    return int(bool(outcomes["traceback"]) or worst > LONGEST or peak > MOST_MEMORY)


def _peak() -> int:
    """KiB of this process at its highest; 0 where the system doesn't say."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
