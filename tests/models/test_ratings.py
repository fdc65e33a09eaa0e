"""Ratings: of today's cards and scores, each with its interval, better than what they replace on hidden scores."""

from __future__ import annotations

import json
import re

import pytest

from planner.models.catalogue.card import read_cards
from planner.models.catalogue.ratings import USE_CASES, rating_of, read_ratings
from planner.shipped_files import seeds_dir

pytest.importorskip("numpy")

# below the skip: these modules import numpy themselves
from benchmarks.scores import report
from benchmarks.scores.cells import INDEX, cells, from_scale, published_rows, to_scale
from benchmarks.scores.cross_validation import cells_left_out
from benchmarks.scores.fit import is_fresh
from benchmarks.scores.use_cases import effort_of, efforts


def test_the_ratings_are_of_todays_cards_and_scores() -> None:
    assert is_fresh(), (
        "python -m benchmarks.scores.fit, then benchmarks.scores.report and the catalogue's build_index"
    )


def test_the_page_shows_todays_ranking() -> None:
    text = report.PAGE.read_text(encoding="utf-8")
    assert report.with_rankings(text) == text, "python -m benchmarks.scores.report"


def test_every_model_that_chats_has_an_interval_around_its_points() -> None:
    ratings = read_ratings(seeds_dir())
    for card in read_cards(seeds_dir()):
        for use, score in rating_of(card, ratings)["scores"].items():
            if isinstance(score, str):
                continue
            points, low, high, grade = score
            assert 0.0 < low <= points <= high, (card.id, use)
            assert grade in "ABCD"


def test_a_measured_index_stays_the_score() -> None:
    ratings = read_ratings(seeds_dir())
    for cell in cells():
        if cell.column == INDEX:
            points, low, high, grade = ratings[cell.model]["scores"]["general"]
            assert grade == "A"
            assert points >= cell.value
            assert high - low < 1.5


def test_what_does_not_chat_has_no_score_and_a_reason() -> None:
    ratings = read_ratings(seeds_dir())
    others = [card for card in read_cards(seeds_dir()) if card.kind != "chat"]
    assert {card.kind for card in others} == {"embedding", "reranker", "speech", "classifier"}
    for card in others:
        assert card.id not in ratings
        assert all(isinstance(rating_of(card, ratings)["scores"][use], str) for use in USE_CASES)


def test_hidden_scores_are_predicted_better_than_by_the_former_method() -> None:
    """One fold of five: the whole is python -m benchmarks.scores.cross_validation."""
    by = {error.method: error for error in cells_left_out(cells(), tried=1)}
    model = by["factor model"]
    assert model.median <= 0.20
    assert model.mean <= 0.33
    assert model.inside is not None
    assert 0.75 <= model.inside <= 0.88  # of a single fold
    assert model.mean < by["size and date"].mean < by["former method"].mean


@pytest.mark.parametrize("column", [INDEX, "GPQA Diamond [AA]", "Arena text overall [Arena (arena.ai)]"])
def test_the_scale_goes_both_ways(column: str) -> None:
    value = 1310.0 if "Arena" in column else 42.0
    assert from_scale(column, to_scale(column, value)) == pytest.approx(value)


def test_an_effort_is_read_off_the_variant() -> None:
    assert effort_of("Qwen3.8 27B (Xhigh)") == "xhigh"
    assert effort_of("Gemma 4 31B (Reasoning)") == "thinking"
    assert effort_of("Qwen3.8 Flash Next") == ""
    found = efforts(published_rows())["Qwen/Qwen3.8-27B"]
    assert (found.best, found.least, found.least_points) == ("xhigh", "not thinking", 20.2)


def test_no_card_cites_the_measurement_of_a_sibling_of_another_size() -> None:
    size = re.compile(r"\b(\d+(?:\.\d+)?)[BT]\b")
    for card in read_cards(seeds_dir()):
        own = set(size.findall(f"{card.id} {card.name}".upper().replace("-", " ").replace("_", " ")))
        for benchmark in card.benchmarks:
            cited = set(size.findall(benchmark.variant.upper().replace("-", " ").replace("_", " ")))
            assert not (own and cited) or own & cited, (card.id, benchmark.variant)


def test_the_open_models_index_is_the_published_one_of_the_same_variant() -> None:
    """What a card says of the index must be what the data file says of the same model, to a point."""
    published: dict[str, list[float]] = {}
    for row in published_rows():
        if f"{row['benchmark']} [AA]" == INDEX:
            published.setdefault(row["model"], []).append(row["value"])
    for card in read_cards(seeds_dir()):
        for benchmark in card.benchmarks:
            if benchmark.name == "Artificial Analysis Intelligence Index v4.3" and card.id in published:
                nearest = min(abs(benchmark.value - value) for value in published[card.id])
                assert nearest <= 1.0, card.id


def test_the_rows_carry_who_measured_and_where_it_was_read() -> None:
    for row in published_rows():
        assert row["by"], row
        assert row["source"], row
        assert "quote" not in row
    assert json.loads(report.PATH.read_bytes())["scale"] == "Artificial Analysis Intelligence Index v4.3.2"
