"""Which engines and quantisations are tried at all: what is left out is what nobody would miss."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

import planner
from planner.advice.plan.candidates import BITS_SLACK, bits_of, engines_for, is_last_resort, quants_for
from planner.advice.plan.question import PlanQuestion
from planner.advice.recommend import recommend as recommending
from planner.advice.recommend.recommend import recommend
from planner.engines.llama_cpp.placing.weights import weights_of
from planner.errors import PlannerError
from planner.models.catalogue.catalogue import Entry, index_path, load_catalogue
from planner.models.load import from_entry
from planner.plan import Workload


def engines(profile: str, users: int = 1, model: str = "qwen3-8b") -> tuple[str, ...]:
    machine = planner.load_profile(profile)
    return engines_for(PlanQuestion(planner.load_model(model), machine, Workload(users=users)))


def test_a_batching_server_is_tried_first_from_four_users_and_alone_from_sixteen() -> None:
    assert engines("rtx-4090", users=3) == ("llama.cpp",)
    assert engines("rtx-4090", users=4) == ("vllm", "llama.cpp")
    assert engines("rtx-4090", users=15) == ("vllm", "llama.cpp")
    assert engines("rtx-4090", users=16) == ("vllm",)
    assert engines("apple-m4-max-64gb", users=16) == ("llama.cpp", "mlx")


def test_linked_gpus_of_a_server_get_a_server_first_and_linked_ones_of_a_desktop_do_not() -> None:
    assert engines("h100-80gb x2") == ("vllm", "llama.cpp")
    assert engines("v100-32gb x2") == ("vllm", "llama.cpp")
    assert engines("rtx-3090 x2") == ("llama.cpp",)  # NVLink, 24 GiB
    assert engines("rtx-5090 x2") == ("llama.cpp",)  # 32 GB, no NVLink


def test_no_average_is_above_what_a_whole_model_takes() -> None:
    """What is left out by average bits could not have fitted: no file is smaller than they say."""
    looked_at = 0
    for entry in load_catalogue().entries()[::6]:
        try:
            model = from_entry(entry)
        except PlannerError:
            continue
        if model.architecture.gguf_arch is None:
            continue
        looked_at += 1
        parameters = model.architecture.parameters()
        for quant in quants_for(model, "llama.cpp"):
            size = weights_of(model, quant).file_bytes
            assert size >= parameters / 8 * bits_of(quant) * BITS_SLACK, (entry.id, quant)
            if not is_last_resort(quant):  # which nobody recommends or buys for
                assert size >= parameters / 8 * recommending.SMALLEST_BITS, (entry.id, quant)
    assert looked_at >= 40


@cache
def cards() -> dict[str, dict[str, Any]]:
    index = json.loads(index_path().read_text(encoding="utf-8"))
    return {model["id"]: model for model in index["models"]}


OLD, NEW = "Qwen/Qwen3-32B", "openai/gpt-oss-20b"


@pytest.mark.parametrize("evidence", ["of both", "of the old one alone"])
def test_a_model_is_not_offered_beside_the_one_that_replaces_it(evidence: str) -> None:
    """Not even where it scores more: the maker says that it is replaced, and the successor runs well here."""
    old = Entry({**cards()[OLD], "superseded_by": NEW})
    # Without evidence for its score the successor is looked at after the old one, not before.
    points, low, high, _ = cards()[NEW]["scores"]["general"]
    unmeasured = {"scores": {"general": [points, low, high, "D"]}}
    new = Entry({**cards()[NEW], **(unmeasured if evidence == "of the old one alone" else {})})
    assert new.has_evidence("general") == (evidence == "of both")
    machine = planner.load_profile("rtx-4090")
    assert {p.model for p in recommend(machine, entries=(Entry(cards()[OLD]), new)).plans} == {OLD, NEW}
    found = recommend(machine, entries=(old, new))
    assert [p.model for p in found.plans] == [NEW]
    assert found.planned == (1 if evidence == "of both" else 2)


def test_a_replaced_model_is_offered_where_its_successor_does_not_run() -> None:
    old = Entry({**cards()[OLD], "superseded_by": "deepseek-ai/DeepSeek-R1"})
    new = Entry(cards()["deepseek-ai/DeepSeek-R1"])
    found = recommend(planner.load_profile("rtx-4090"), entries=(old, new))
    assert [p.model for p in found.plans] == [OLD]
