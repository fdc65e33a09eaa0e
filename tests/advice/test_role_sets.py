"""Sets of roles: a model for each, all loaded at once, helpers within their shares."""

from __future__ import annotations

import pytest

import planner
from planner.advice.together.sets import SETS
from planner.advice.together.usage import held_by
from planner.cli.main import run
from planner.errors import InputError
from planner.models.catalogue.catalogue import find_entry


@pytest.mark.parametrize("name", planner.set_names())
def test_helpers_are_models_of_their_role(name: str) -> None:
    for helper in SETS[name].helpers:
        for model in helper.models:
            entry = find_entry(model)
            assert entry.id == model
            assert entry.kind == ("chat" if helper.role.writes else helper.role.value)
            assert entry.licence_class != "research", "nobody is sent to a licence that forbids work"


def test_a_coder_on_24_gb_has_all_four_roles_at_once() -> None:
    answer = planner.recommend_set("coding", "rtx-4090")
    assert answer.fits
    assert not answer.takes_turns
    members = {member.role.value: member for member in answer.members}
    assert set(members) == {"chat", "completion", "embedding", "reranker"}
    free = planner.load_profile("rtx-4090").accelerators[0].memory_free
    for helper in SETS["coding"].helpers:
        assert held_by(members[helper.role.value].plan).gpus[0] <= helper.share * free
    quick = members["completion"].alone
    assert quick is not None
    assert quick.expected >= 60
    assert planner.started_context(members["chat"].plan) >= 16384, "as long as coding needs at least"
    assert len({member.port for member in answer.members}) == 4
    assert all(device.fits for device in answer.devices)


def test_words_that_mean_no_set_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="one of: coding, documents"):
        planner.recommend_set("poetry", "rtx-4090")
    assert run(["check", "--set", "coding", "--with", "qwen3-4b", "--profile", "rtx-4090"]) == 2
    assert "--with" in capsys.readouterr().err
