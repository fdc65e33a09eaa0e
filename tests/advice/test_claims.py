"""The claims of the articles, computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.advice.claims import FAILS, HOLDS, OPINION, PARTLY, Verdict, check_claim, load_claims
from planner.api import load_profile
from planner.errors import InputError
from planner.hardware.machine import Machine

KNOWN = {claim["id"]: claim for claim in load_claims()}


def _load(profile: str, ram: int | None) -> Machine:
    return load_profile(profile, ram=ram)


def _check(name: str) -> Verdict:
    return check_claim(KNOWN[name], _load)


def _finding(verdict: Verdict, start: str) -> bool | None:
    found = [f.holds for f in verdict.findings if f.what.startswith(start)]
    assert len(found) == 1, start
    return found[0]


def test_gpt_oss_20b_in_16_gb_depends_on_the_context() -> None:
    verdict = _check("gpt-oss-20b-16gb")
    assert verdict.verdict == PARTLY
    assert _finding(verdict, "graphics card of 16 GB, 8k context") is True
    assert _finding(verdict, "graphics card of 16 GB, whole 128k") is True
    assert _finding(verdict, "PC with 16 GB of RAM and no graphics card, 8k") is True
    assert _finding(verdict, "graphics card of 16 GB, weights as 16-bit") is False


def test_gpt_oss_120b_on_one_80_gb_gpu() -> None:
    verdict = _check("gpt-oss-120b-80gb")
    assert _finding(verdict, "one H100 of 80 GB, vLLM, 32k") is True
    assert _finding(verdict, "one card of 48 GB alone") is False


def test_licences() -> None:
    assert _check("gpt-oss-licence").verdict == HOLDS
    deepseek = _check("deepseek-mit")
    assert deepseek.verdict == PARTLY
    assert _finding(deepseek, "DeepSeek-V3-0324") is True
    assert [f.holds for f in deepseek.findings if f.what == "DeepSeek-V3"] == [False]
    assert _check("apache-family").verdict == PARTLY  # Tsinghua's are MIT or its own licence


def test_a_mixture_uses_a_part() -> None:
    assert _check("moe-active").verdict == HOLDS


def test_engines() -> None:
    assert _check("gpt-oss-engines").verdict == HOLDS


def test_parity_is_answered_with_scores() -> None:
    verdict = _check("gpt-oss-120b-o4-mini")
    assert verdict.verdict == OPINION
    assert all(f.holds is None and "against" in f.detail for f in verdict.findings)


def test_a_subscription_is_compared_over_time() -> None:
    verdict = _check("subscription-easier")
    assert verdict.verdict in (HOLDS, PARTLY)
    assert all("months" in f.detail for f in verdict.findings)


def test_a_false_claim_does_not_hold() -> None:
    claim = {
        "id": "made-up",
        "says": "DeepSeek-R1 runs on a graphics card of 8 GB",
        "kind": "fits",
        "model": "deepseek-r1",
        "cases": [
            {"on": "card of 8 GB, 16 GB of RAM", "profile": "rtx-4060", "ram": "16GiB", "context": "8k"}
        ],
    }
    assert check_claim(claim, _load).verdict == FAILS


def test_every_claim_names_models_that_are_there() -> None:
    from planner.models.catalogue.catalogue import lookup

    for claim in KNOWN.values():
        names = [claim["model"]] if "model" in claim else claim.get("models", [])
        names += [c["model"] for c in claim.get("cases", []) if "model" in c]
        for name in names:
            assert lookup(name) is not None, f"{claim['id']}: {name}"


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "claims.toml"
    path.write_text('[[claims]]\nid = "a"\nsays = "b"\nkind = "magic"\n')
    with pytest.raises(InputError, match="known kind"):
        load_claims(path)
    path.write_text("[[claims")
    with pytest.raises(InputError, match=r"claims\.toml"):
        load_claims(path)
