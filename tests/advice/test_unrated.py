"""What nobody has published a score of is named where it might be as good as the first, and never put first."""

from __future__ import annotations

from planner.advice.recommend.unrated import in_words, too_new
from planner.models.catalogue.catalogue import load_catalogue

ROOM = 4e12


def names(use_case: str, least: float, room: float = ROOM) -> list[str]:
    return [entry.short_name for entry in too_new(load_catalogue().entries(), use_case, least, room)]


def test_what_may_be_as_good_is_named_the_most_promising_first() -> None:
    found = names("general", 30.0)
    assert found[0] == "Muse-Spark-Open-816B-A42B"
    assert set(found) > set(names("general", 38.0)) >= {"Muse-Spark-Open-816B-A42B"}
    assert names("general", 60.0) == []


def test_what_there_is_no_room_for_or_has_scores_or_is_old_is_not() -> None:
    assert "Muse-Spark-Open-816B-A42B" not in names("general", 30.0, room=1e11)
    everything = names("general", 0.0)
    assert "Qwen3.8-27B" not in everything
    assert "OLMo-2-13B" not in everything and "starcoder" not in everything


def test_the_note_says_what_size_and_date_let_expect() -> None:
    found = too_new(load_catalogue().entries(), "general", 30.0, ROOM)
    text = in_words(found, "general")
    assert text.startswith("Too new to be rated: Muse-Spark-Open-816B-A42B (")
    assert "points by size and date" in text
    assert f"and {len(found) - 4} more" in text
