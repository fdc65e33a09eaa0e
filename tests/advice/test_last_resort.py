"""Quantisations that lose too much are planned where nothing better fits, and said to be a last resort."""

from __future__ import annotations

from planner.advice.plan.candidates import is_last_resort
from planner.api import load_profile, plan
from planner.plan import Workload
from planner.reason import ReasonKind


def test_two_bits_and_less_are_a_last_resort_and_said_to_be() -> None:
    machine = load_profile("apple-m4-max-64gb")
    found = plan("llama-3.3-70b", load_profile("rtx-3060-12gb", ram="24GiB"), Workload(context=4096))
    assert found.fits and is_last_resort(found.quant)
    (warning,) = (r for r in found.warnings if r.kind is ReasonKind.LAST_RESORT)
    assert 0.0 < float(warning.values["loss"]) < 1.0
    roomy = plan("gpt-oss-20b", machine, Workload(context=8192))
    assert not any(r.kind is ReasonKind.LAST_RESORT for r in roomy.warnings)
