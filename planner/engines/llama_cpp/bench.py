"""llama-bench: its command line for a plan, and the lines it prints (tools/llama-bench/llama-bench.cpp, b11434).

It takes most of llama-server's flags under the same names, with values in place of switches, and "/" or ";" between
the parts of one value, since a comma means several runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from planner.engines.bench_program import REPETITIONS, BenchTest, Timed
from planner.engines.llama_cpp.command import llama_server
from planner.models.model import Model
from planner.outside_numbers import real, whole
from planner.plan import Plan
from planner.safe_text import commands
from planner.units import MAX_CONTEXT

_LISTENING: Final = re.compile(r"listening on (http://127\.0\.0\.1:\d{1,5})\b")
_SOURCE: Final = ("-m", "-hf", "-hff")
# setting -> (flag, value that is its default)
_VALUES: Final[Mapping[str, tuple[str, Any]]] = {
    "n_gpu_layers": ("-ngl", None),
    "n_cpu_moe": ("-ncmoe", 0),
    "split_mode": ("-sm", "layer"),
    "main_gpu": ("-mg", 0),
    "n_batch": ("-b", 2048),
    "n_ubatch": ("-ub", 512),
    "flash_attn": ("-fa", "auto"),
    "cache_type_k": ("-ctk", "f16"),
    "cache_type_v": ("-ctv", "f16"),
    "threads": ("-t", None),
}
_MOE_IN_RAM: Final = 999  # layers; --cpu-moe has no flag of its own here


def bench_words(plan: Plan, model: Model, test: BenchTest) -> tuple[str, ...]:
    """Return llama-bench's command for a plan."""
    settings = plan.settings
    words = ["llama-bench", *_source(plan, model)]
    for name, (flag, default) in _VALUES.items():
        value = settings.get(name)
        if value is not None and value != default:
            words += [flag, str(value)]
    if settings.get("n_gpu_layers") == 0:
        words += ["-dev", "none"]
    if settings.get("cpu_moe"):
        words += ["-ncmoe", str(_MOE_IN_RAM)]
    if split := settings.get("tensor_split"):
        words += ["-ts", "/".join(f"{share:g}" for share in split)]
    if overrides := settings.get("override_tensor"):
        words += ["-ot", ";".join(f"{pattern}={buffer}" for pattern, buffer in overrides)]
    if settings.get("kv_offload") is False:
        words += ["-nkvo", "1"]
    if settings.get("op_offload") is False:
        words += ["-nopo", "1"]
    if test.lines:
        words += ["-o", "jsonl"]
    words += ["-p", str(test.prompt), "-n", str(test.answer), "-d", ",".join(map(str, test.depths))]
    return (*words, *(("-r", str(test.repetitions)) if test.repetitions != REPETITIONS else ()))


def _source(plan: Plan, model: Model) -> list[str]:
    """The flags that say which file, as llama-server has them."""
    server = commands(llama_server(plan, model).command)[-1]
    found = [(word, server[at + 1]) for at, word in enumerate(server[:-1]) if word in _SOURCE]
    return [word for pair in found for word in pair]


def server_words(plan: Plan, model: Model) -> tuple[str, ...]:
    """Return the command of a server that only this machine sees, on any free port, with what is here already."""
    words = commands(llama_server(plan, model).command)[-1]
    if "--port" in words:
        at = words.index("--port")
        del words[at : at + 2]
    local = ["--host", "127.0.0.1", "--port", "0"]
    return (*words, *local, *(() if model.path else ("--offline",)))


def address(line: str) -> str | None:
    """Return where llama-server says that it listens (tools/server/server.cpp), None for any other line."""
    found = _LISTENING.search(line)
    return found[1] if found else None


def timed(line: str) -> Timed | None:
    """Read one line of `-o jsonl`: one test, as soon as it is done; None for what is none."""
    try:
        row = json.loads(line) if line.startswith("{") else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    speed = real(row.get("avg_ts"), 1e-6, 1e9)
    prompt, answer, depth = (
        whole(row.get(name, 0), 0, MAX_CONTEXT) for name in ("n_prompt", "n_gen", "n_depth")
    )
    if speed is None or prompt is None or answer is None or depth is None or bool(prompt) == bool(answer):
        return None
    number = whole(row.get("build_number"), 1, 1 << 31)
    build = f"b{number}" if number else "unknown build"
    what = "prefill" if prompt else "decode"
    return Timed(what, speed, prompt, depth + (prompt or answer) // 2, build)
