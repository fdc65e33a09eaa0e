"""The rows that the speed fit reads, as cases, and the groups in which they are left out and reported."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from benchmarks.speed_cases import Case, Unsupported, case_of
from benchmarks.speed_models import catalogue_resolver
from planner.engines.register import all_facts
from planner.speed.situation import CURRENT_YEAR

_DATA: Final = Path(__file__).parent / "data"
# flags that say how precise a figure is, not that it is of something else
_HARMLESS: Final = frozenset({"file_size_gb_decimal", "rounded", "quant_assumed"})
_FLAGGED: Final = 0.25  # weight of a row whose figure is of something a little else
_MODELLED: Final = 0.1  # weight of what tables of kernels add up to: nobody ran it
_MEAN_ROWS: Final = frozenset({"average", "reported"})  # ways to take a speed that count as flagged


def data_files() -> tuple[Path, ...]:
    """Every file of measured speeds."""
    return (*sorted(_DATA.glob("speed*.jsonl")), _DATA / "serving.jsonl", _DATA / "community.jsonl")


def priors() -> list[Case]:
    """What tables of kernels say of cards (benchmarks/kernel_priors.py); no measurements."""
    return load([_DATA / "kernel_priors.jsonl"])[0]


def load(paths: Sequence[Path]) -> tuple[list[Case], Counter[str]]:
    """Every row that a prediction is made for, and the reasons why others are not."""
    resolver = catalogue_resolver()
    cases: list[Case] = []
    reasons = Counter[str]()
    for path in paths:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    cases.append(case_of(json.loads(line), resolver))
                except Unsupported as error:
                    reasons[str(error).split(":")[0]] += 1
    return cases, reasons


def weight_of(case: Case) -> float:
    """How much a row counts in the fit."""
    if case.modelled:
        return _MODELLED
    doubtful = set(case.row.get("flags") or ()) - _HARMLESS or case.situation.method in _MEAN_ROWS
    return _FLAGGED if doubtful else 1.0


def group_key(case: Case) -> str:
    """What is left out together: a model on a card under an engine; its rows at other depths know too much."""
    return f"{case.model}|{case.hw}|{case.situation.engine}"


@cache
def _planned() -> frozenset[str]:
    return frozenset(facts.name for facts in all_facts())


def is_planned_now(case: Case) -> bool:
    """True for an engine that is planned, in a build of the last twelve months."""
    return case.situation.engine in _planned() and case.situation.year >= CURRENT_YEAR - 1


def _several(case: Case) -> bool:
    return case.situation.tensor_parallel > 1


def _card(case: Case) -> str:
    return case.situation.devices[0].card if case.situation.devices else ""


def _on_pcie(case: Case) -> bool:
    return _several(case) and case.situation.link[0] == "pcie"


GROUPS: Final[Mapping[str, Callable[[Case], bool]]] = {
    "all": lambda c: True,
    "planned engines, builds of the last twelve months": is_planned_now,
    "one stream, all on GPU": lambda c: c.placement == "full" and c.batch == 1 and not c.home,
    "partly on GPU": lambda c: c.placement == "partial" and not c.home,
    "CPU only": lambda c: c.placement == "cpu" and not c.home,
    "serving": lambda c: c.batch > 1,
    "MI300X": lambda c: _card(c) == "mi300x",
    "RTX 5090": lambda c: _card(c) == "rtx-5090",
    "RTX 5090, several streams": lambda c: _card(c) == "rtx-5090" and c.batch > 1,
    "DGX Spark, several": lambda c: _card(c) == "dgx-spark" and _several(c),
    "tensor parallel over PCIe": _on_pcie,
    "community": lambda c: c.home,
    "community, all on GPU": lambda c: c.home and c.placement == "full",
}
