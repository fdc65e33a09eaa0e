"""Scores: one scale, linked by the models that have both, evidence before none."""

from __future__ import annotations

import itertools

import pytest

from planner.models.catalogue.card import read_cards
from planner.models.catalogue.catalogue import load_catalogue
from planner.models.catalogue.scores import MIN_ANCHORS, NO_EVIDENCE, SCALE, Link, make_links
from planner.shipped_files import seeds_dir


def test_links_are_monotone_and_rest_on_enough_models() -> None:
    links = make_links(read_cards(seeds_dir()))
    assert {"GPQA Diamond", "SciCode", "LMArena text (style control), 2025-12"} <= set(links)
    for link in links.values():
        assert link.anchors >= 5 or link.anchors >= MIN_ANCHORS
        assert all(a < b for a, b in itertools.pairwise(link.x))
        assert all(a <= b for a, b in itertools.pairwise(link.y))


def test_beyond_the_anchors_is_a_floor() -> None:
    link = Link("x", (1.0, 2.0, 4.0), (10.0, 20.0, 40.0))
    assert link.points(3.0) == (30.0, True)
    assert link.points(9.0) == (40.0, False)
    assert link.points(0.5) == (10.0, False)


def test_the_published_index_is_cited_as_it_is() -> None:
    by_id = {c.id: c for c in read_cards(seeds_dir())}
    for entry in load_catalogue().entries():
        published = [b.value for b in by_id[entry.id].benchmarks if b.name == SCALE]
        if published:
            assert entry.scores["general"] == published[0]


def test_an_index_is_never_named_without_its_date_or_version() -> None:
    for card in read_cards(seeds_dir()):
        for benchmark in card.benchmarks:
            assert benchmark.date, card.id
            if "Index" in benchmark.name or "LMArena" in benchmark.name:
                assert any(ch.isdigit() for ch in benchmark.name), benchmark.name


def test_models_without_evidence_stay_below_those_with_it() -> None:
    entries = load_catalogue().entries()
    without = [e.scores["general"] or 0.0 for e in entries if e.evidence("general") == NO_EVIDENCE]
    with_evidence = sorted(e.scores["general"] or 0.0 for e in entries if e.has_evidence("general"))
    assert without
    below = sum(1 for score in with_evidence if score < max(without))
    assert below == 0


@pytest.mark.parametrize(
    ("better", "worse", "use"),
    [
        ("gpt-oss-120b", "gpt-oss-20b", "general"),
        ("Qwen/Qwen3.6-27B", "Qwen/Qwen3-32B", "general"),
        ("Qwen/Qwen3.5-9B", "meta-llama/Llama-3.1-8B-Instruct", "general"),
        ("deepseek-ai/DeepSeek-V3.2", "deepseek-ai/DeepSeek-V3", "coding"),
        ("google/gemma-4-31B-it", "google/gemma-3-27b-it", "vision"),
    ],
)
def test_what_experts_agree_on(better: str, worse: str, use: str) -> None:
    catalogue = load_catalogue()
    a, b = catalogue.lookup(better), catalogue.lookup(worse)
    assert a is not None
    assert b is not None
    assert (a.scores[use] or 0.0) > (b.scores[use] or 0.0)


def test_what_a_model_cannot_do_has_no_score() -> None:
    entry = load_catalogue().lookup("gpt-oss-20b")
    assert entry is not None
    assert entry.scores["vision"] is None
    assert not entry.has_evidence("vision")
