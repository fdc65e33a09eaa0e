"""The two formulas that other tools of this field use, reproduced from their published description.

`peer_bandwidth`: llmfit, docs/how-it-works.md (read 2026-11): bandwidth / model size × 0.55, a mixture by its
active parameters. `peer_table`: whichllm, its efficiency a quantisation × a factor a vendor, a mixture's read
ratio with a floor that rises with bandwidth, several GPUs as n × 0.7 (src/whichllm/engine/performance.py,
read 2026-11). Both get our size of the file, so that only the formulas differ.
`peer_serving`: what aiconfigurator-core 0.12.0 says of the serving points that came with it, by its tables of measured
kernels (benchmarks/peer_aiconfigurator.py asked it).
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from benchmarks.speed_cases import Case
from planner.speed.weights import quant_name

_EFFICIENCY = {
    "F32": 0.30, "F16": 0.40, "BF16": 0.40, "Q8_0": 0.45, "Q6_K": 0.50, "Q5_K_M": 0.52, "Q5_K_S": 0.52,
    "Q5_0": 0.50, "Q4_K_M": 0.55, "Q4_K_S": 0.55, "Q4_0": 0.53, "Q3_K_M": 0.50, "Q3_K_S": 0.48, "Q3_K_L": 0.50,
    "Q2_K": 0.45, "IQ4_XS": 0.52, "IQ4_NL": 0.50, "IQ3_S": 0.45, "IQ3_M": 0.45, "IQ3_XS": 0.45, "IQ3_XXS": 0.42,
    "IQ2_S": 0.40, "IQ2_M": 0.40, "IQ2_XXS": 0.38, "IQ1_M": 0.35, "IQ1_S": 0.35,
}  # fmt: skip
_VENDOR = {"nvidia": 1.0, "amd": 0.78, "apple": 0.82, "intel": 0.65}


def _stored(case: Case) -> float:
    size = float(case.row.get("file_size_gib") or 0) * 2**30
    w, b = case.work, case.bits
    return (
        size
        or (w.linear * b.dense + w.experts * b.expert + (w.parameters - w.linear - w.experts) * b.head) / 8
    )


def _active(case: Case) -> float:
    w = case.work
    return (w.linear + w.head + w.active_experts) / w.parameters if w.is_moe else 1.0


def peer_bandwidth(case: Case) -> float:
    """0.55 × bandwidth / (size × active share), tokens/s."""
    s = case.situation
    bandwidth = s.devices[0].bandwidth if s.devices else s.host.bandwidth
    count = s.tensor_parallel
    return 0.55 * bandwidth * count / (_stored(case) * _active(case))


def peer_table(case: Case) -> float:
    """Efficiency of the quantisation × of the vendor × bandwidth / bytes read, tokens/s."""
    s, w = case.situation, case.work
    try:
        name, _ = quant_name(case.row.get("quant"))
    except KeyError:
        name = ""
    efficiency = _EFFICIENCY.get(name, 0.45)
    if not s.devices:
        return max(0.3, 18.0 / max((w.parameters * _active(case)) / 1e9, 0.5) * efficiency / 0.45)
    d = s.devices[0]
    ratio = 1.0
    if w.is_moe:
        ratio = min(1.0, max(_active(case), min(0.25, 0.05 * max(1.0, d.bandwidth / 256e9))))
    speed = d.bandwidth / (_stored(case) * ratio) * efficiency * _VENDOR.get(d.vendor, 0.7)
    count = len(s.devices)
    return speed * count * 0.7 if count > 1 else speed


@cache
def _serving() -> dict[str, float]:
    path = Path(__file__).parent / "data" / "aiconfigurator.json"
    answers: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return answers


def peer_serving(case: Case) -> float | None:
    """Tokens/s of one stream by aiconfigurator-core; None where it has no answer."""
    seconds = _serving().get(case.id)
    return 1 / seconds if seconds else None
