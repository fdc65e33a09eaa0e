"""A new quantisation is one row: `plan`, `check` and `launch` know it, and every table that it stands in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import planner
from planner.advice.plan.candidates import bits_of
from planner.models.catalogue.catalogue import find_entry
from planner.plan import Workload
from planner.quant.loss import loss_share
from planner.quant.quantisations import QUANTISATIONS, Quantisation, Storage, key_of
from planner.units import GIB

MODEL = "Qwen/Qwen3-8B"
# GGUF: six bits, which fit where Q6_K does not
MIX = Quantisation(
    "TOY6", base="Q5_1", offered=True, tried=True, average=6.0, bits=6.0, kernels="q5", loss=0.0001
)
# A checkpoint's format: eight bits in blocks, made while loading
FORMAT = Quantisation(
    "TOY8", storage=Storage.FP8_BLOCK, online="fp8_per_block", average=8.0, bits=8.0, kernels="fp8"
)


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The one registration."""
    for row in (MIX, FORMAT):
        monkeypatch.setitem(QUANTISATIONS, key_of(row.name), row)
    yield


def test_without_its_row_a_quantisation_is_refused() -> None:
    for engine, name in (("llama.cpp", "TOY6"), ("vllm", "TOY8")):
        with pytest.raises(planner.PlannerError, match=name):
            planner.plan(MODEL, "h100-80gb", engine=engine, quant=name)


def test_plan_and_launch_a_new_mix(toys: None) -> None:
    plan = planner.plan(MODEL, "rtx-4090", quant="TOY6")
    layers, speed = find_entry(MODEL).architecture().parameters() * 6 / 8, plan.speed
    assert plan.fits and plan.quant == "TOY6"
    assert plan.memory.devices[0].weights == pytest.approx(layers, rel=0.1)
    assert speed is not None and 50 < speed.decode_tps.expected < 200
    assert "TOY6" in planner.launch(plan).command


def test_plan_and_launch_a_new_format_of_checkpoints(toys: None) -> None:
    plan = planner.plan(MODEL, "h100-80gb", engine="vllm", quant="TOY8")
    parameters = find_entry(MODEL).architecture().parameters()
    assert plan.fits and plan.quant == "TOY8"
    assert parameters < plan.memory.devices[0].weights < 1.3 * parameters
    assert "--quantization fp8_per_block" in planner.launch(plan).command


def test_check_offers_a_new_mix_where_it_is_the_best(toys: None) -> None:
    machine = planner.load_profile("rtx-4090", vram=7 * GIB)
    found = planner.recommend(machine, Workload(context=4096), entries=[find_entry(MODEL)])
    assert [p.quant for p in found.plans][:1] == ["TOY6"]


def test_what_the_row_says_is_what_everybody_hears(toys: None) -> None:
    assert bits_of("TOY6") == 6.0
    assert loss_share("TOY6", 8.03e9)[0] == 0.0001
