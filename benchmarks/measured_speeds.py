"""Write planner/speed/measured.json, what `plan` shows as the nearest measurements: ``python -m
benchmarks.measured_speeds``. Decode rows of benchmarks/data that nobody doubts, wholly on GPUs, gathered by model,
cards, engine, quantisation, streams and depth to the power of two.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from math import log2
from statistics import median
from typing import Any, Final

from benchmarks.speed_cases import Case
from benchmarks.speed_rows import data_files, load
from planner.engines.register import all_facts
from planner.speed.measured import PATH, active_billions, card_of
from planner.speed.situation import CURRENT_YEAR

_YEARS: Final = 3.0  # an older build says little of today's
_SHALLOW: Final = 2048  # tokens: below, depth hardly matters


def rows(cases: Sequence[Case]) -> list[list[Any]]:
    """The rows of the file, sorted: values in the order of MeasuredSpeed's fields."""
    planned = {facts.name for facts in all_facts()}
    alike: dict[tuple[Any, ...], list[Case]] = defaultdict(list)
    for c in cases:
        s = c.situation
        if (
            not (c.clean and c.decode and c.placement == "full" and s.engine in planned)
            or c.how != "exact"  # a model that stands for another
            or s.year < CURRENT_YEAR - _YEARS
        ):
            continue
        deep = max(0, round(log2(max(c.depth, 1) / _SHALLOW)))
        key = (
            c.model,
            card_of(s.devices[0]),
            len(s.devices),
            s.engine,
            str(c.row.get("quant")),
            round(c.batch),
            deep,
        )
        alike[key].append(c)
    return sorted(_row(some) for some in alike.values())


def _row(some: Sequence[Case]) -> list[Any]:
    c = some[0]
    s, speeds = c.situation, [one.decode or 0.0 for one in some]
    bits = c.bits.expert if c.work.experts > c.work.linear else c.bits.dense
    return [
        c.model, c.work.shape, card_of(s.devices[0]), len(s.devices), s.engine, str(c.row.get("quant") or "unnamed"),
        round(bits, 2), round(active_billions(c.job), 2), max(1, round(c.batch)),
        round(median(one.depth for one in some)), len(some),
        *(float(f"{v:.3g}") for v in (median(speeds), min(speeds), max(speeds))),
        int(max(one.situation.year for one in some)),
    ]  # fmt: skip


def text(found: Sequence[list[Any]]) -> str:
    """The file's text, a row a line."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in found)
    return f'{{"rows": [\n{lines}\n]}}\n'


if __name__ == "__main__":
    PATH.write_text(text(rows(load(data_files())[0])), encoding="utf-8")
