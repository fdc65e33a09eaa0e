"""Write benchmarks/data/kernel_priors.jsonl, what the fit knows of cards before it sees a run: ``python -m
benchmarks.kernel_priors``. Needs the wheel aiconfigurator-core (benchmarks/peer_aiconfigurator.py says which).

Its tables hold times of kernels (matrix products, attention, experts, all-reduce by size) measured on NVIDIA's cards,
those without NVLink among them. Each row is the time a token that they add up to for one model, layout and load. It is
no measurement of a run: the fit gives it a small weight, no error is counted on it, and no figure of how much was
measured holds it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.peer_aiconfigurator import Peer

PATH: Final = Path(__file__).parent / "data" / "kernel_priors.jsonl"
# its name, our name, 10^9 weights, the types in which it is asked for
_MODELS: Final = (
    ("meta-llama/Meta-Llama-3.1-8B", "Llama-3.1-8B", 8, ("bfloat16", "fp8")),
    ("meta-llama/Meta-Llama-3.1-70B", "Llama-3.1-70B", 70, ("bfloat16", "fp8")),
    ("Qwen/Qwen3-8B", "Qwen3-8B", 8, ("bfloat16",)),
    ("Qwen/Qwen3-32B", "Qwen3-32B", 33, ("bfloat16", "fp8")),
    ("Qwen/Qwen3-30B-A3B", "Qwen3-30B-A3B", 31, ("bfloat16", "fp8")),
    ("Qwen/Qwen3-235B-A22B", "Qwen3-235B-A22B", 235, ("fp8",)),
    ("Qwen/Qwen3.5-27B", "Qwen3.5-27B", 27, ("fp8",)),
    ("Qwen/Qwen3.5-35B-A3B", "Qwen3.5-35B-A3B", 35, ("fp8",)),
    ("deepseek-ai/DeepSeek-V3", "DeepSeek-V3", 671, ("fp8",)),
    ("MiniMaxAI/MiniMax-M2.5", "MiniMax-M2.5", 230, ("fp8",)),
)
_QUANTS: Final = {"bfloat16": ("BF16", 2.0), "fp8": ("FP8", 1.0)}
_SYSTEMS: Final = {  # its name: our profile, bytes of memory
    "l40s": ("l40s", 48e9), "a100_sxm": ("a100-sxm-80", 80e9), "rtx_pro_6000_server": ("rtx-pro-6000-server", 96e9),
    "h100_sxm": ("h100-sxm", 80e9), "h200_sxm": ("h200-sxm", 141e9), "b200_sxm": ("b200-sxm", 180e9),
}  # fmt: skip
_ENGINES: Final = ("vllm", "sglang")
_RANKS: Final = (1, 2, 4, 8)
# Streams, tokens of prompt and answer: of one stream launches are much of the time, which no table of kernels holds.
_LOADS: Final = ((16, 1024, 1024), (64, 8192, 1024))
_SHARE: Final = 0.8  # of the memory that weights take at most


def questions() -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """What the program is asked, in the columns of its own list, with the row that its answer completes."""
    for path, model, weights, types in _MODELS:
        for kind in types:
            quant, each = _QUANTS[kind]
            for system, (profile, memory) in _SYSTEMS.items():
                fitting = [n for n in _RANKS if weights * 1e9 * each <= _SHARE * memory * n]
                for engine in _ENGINES:
                    for n in fitting[::2]:
                        yield from _loads((path, system, engine, kind), (model, quant, profile, n))


def _loads(
    asked: tuple[str, str, str, str], ours: tuple[str, str, str, int]
) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    (path, system, engine, kind), (model, quant, profile, n) = asked, ours
    for streams, prompt, answer in _LOADS:
        question = {
            "model_path": path, "system": system, "backend": engine, "tp_size": str(n), "pp_size": "1",
            "attention_dp_size": "1", "moe_tp_size": str(n), "moe_ep_size": "1", "gemm_quant_mode": _mode(kind, path),
            "moe_quant_mode": _mode(kind, path), "isl": str(prompt), "osl": str(answer), "batch_size": str(streams),
        }  # fmt: skip
        yield question, {
            "id": f"kernels-{model}-{quant}-{profile}-{engine}-tp{n}-c{streams}", "engine": engine, "model": model,
            "quant": quant, "hw_key": profile, "hw_count": n, "parallel": f"tp{n}", "residency": "full",
            "concurrency": streams, "isl": prompt, "osl": answer, "date": "2026-08-26", "flags": ["modelled"],
        }  # fmt: skip


def _mode(kind: str, path: str) -> str:
    return (
        "fp8_block" if kind == "fp8" and ("Qwen" in path or "deepseek" in path or "MiniMax" in path) else kind
    )


def _answer(peer: Peer, question: Mapping[str, str], why: Counter[str]) -> float | None:
    try:
        return peer.seconds(question)
    except Exception as error:  # a program of others: whatever it raises, the next row is asked
        why[f"{question['system']} {type(error).__name__}: {error}"[:100]] += 1
        return None


def main() -> None:
    """Ask, write the answers, print why there are none for the others."""
    peer, why = Peer(), Counter[str]()
    answered = [(row, _answer(peer, question, why)) for question, row in questions()]
    lines = [json.dumps({**row, "tpot_ms": round(1000 * s, 3)}) for row, s in answered if s]
    PATH.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} rows of {len(answered)}")
    for reason, count in why.most_common(12):
        print(f"{count:5d}  {reason}")


if __name__ == "__main__":
    main()
