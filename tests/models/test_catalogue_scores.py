"""Scores in the catalogue: one scale; what was measured as it is, estimates by their low end."""

from __future__ import annotations

import pytest

from planner.models.catalogue.card import read_cards
from planner.models.catalogue.catalogue import Entry, load_catalogue, lookup
from planner.models.catalogue.scores import score_of
from planner.shipped_files import seeds_dir


def entry(name: str) -> Entry:
    found = lookup(name)
    assert found is not None
    return found


def test_what_was_measured_ranks_as_it_is_and_an_estimate_by_its_low_end() -> None:
    for model in load_catalogue().entries():
        for use, score in model.judged_scores.items():
            assert model.scores[use] == score.ranks
            if score.points is None:
                continue
            assert score.ranks == (score.points if score.measured else score.low)
            assert use == "general" or not score.measured or score.low == score.points


def test_an_index_is_never_named_without_its_date_or_version() -> None:
    for card in read_cards(seeds_dir()):
        for benchmark in card.benchmarks:
            assert benchmark.date, card.id
            if "Index" in benchmark.name or "LMArena" in benchmark.name:
                assert any(ch.isdigit() for ch in benchmark.name), benchmark.name


@pytest.mark.parametrize(
    ("better", "worse", "use"),
    [
        ("gpt-oss-120b", "gpt-oss-20b", "general"),
        ("Qwen/Qwen3.6-27B", "Qwen/Qwen3-32B", "general"),
        ("Qwen/Qwen3.5-9B", "meta-llama/Llama-3.1-8B-Instruct", "general"),
        ("deepseek-ai/DeepSeek-V3.2", "deepseek-ai/DeepSeek-V3", "coding"),
        ("google/gemma-4-31B-it", "google/gemma-3-27b-it", "vision"),
        ("Qwen/Qwen3.8-27B", "Qwen/Qwen3.6-27B", "coding"),
        (
            "Qwen/Qwen3.8-Flash-Next",
            "Qwen/Qwen3.8-27B",
            "agents",
        ),  # no score at all before, for want of a link
        ("poolside/Laguna-S-2.1", "Qwen/Qwen3.5-122B-A10B", "coding"),
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct", "general"),
    ],
)
def test_what_experts_agree_on(better: str, worse: str, use: str) -> None:
    assert (entry(better).scores[use] or 0.0) > (entry(worse).scores[use] or 0.0)


def test_what_a_model_cannot_do_has_no_score() -> None:
    model = entry("gpt-oss-20b")
    assert model.scores["vision"] is None
    assert model.evidence("vision") == "no vision"
    assert not model.has_evidence("vision")


def test_a_model_that_nobody_measured_has_a_range_and_no_evidence() -> None:
    score = entry("Muse-Spark-Open-816B-A42B").score("general")
    assert score.points is not None
    assert score.grade == "D"
    assert not score.published
    assert "by size, date and vendor" in score.evidence


def test_the_effort_is_said_and_what_less_of_it_leaves() -> None:
    score = entry("Qwen/Qwen3.8-27B").score("general")
    assert score.points == 33.7
    assert "with effort xhigh; not thinking: 20.2" in score.evidence


def test_an_embedding_model_and_a_classifier_are_found_but_do_not_rank_among_chat_models() -> None:
    chat = {model.id for model in load_catalogue().entries()}
    for name in ("Qwen/Qwen3-Embedding-8B", "openai/gpt-oss-safeguard-20b"):
        assert entry(name).id not in chat
        assert all(points is None for points in entry(name).scores.values())
        assert "doesn't chat" in entry(name).evidence("general")


def test_no_score_is_said_where_the_index_has_none() -> None:
    assert score_of({"scores": {}}, "general").evidence == "no published score"


def test_every_model_whose_size_is_published_or_in_its_name_has_one() -> None:
    without = [model.id for model in load_catalogue().all_entries() if not model.total_params]
    assert without == ["thinkingmachines/Inkling-2-Small-MXFP8"]
