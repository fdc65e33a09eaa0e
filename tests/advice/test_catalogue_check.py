"""Published file sizes against the shapes."""

from __future__ import annotations

import pytest

from planner.advice.recommend.catalogue_check import CardCheck, check_card
from planner.models.catalogue.card import CardSize, read_cards
from planner.models.catalogue.catalogue import card_of, find_entry
from planner.shipped_files import seeds_dir


@pytest.fixture(scope="module")
def checks() -> list[CardCheck]:
    return [check_card(card) for card in read_cards(seeds_dir())]


def test_enough_file_sizes_are_met(checks: list[CardCheck]) -> None:
    assert sum(c.by_file for c in checks) >= 150


def test_most_exact_sizes_are_met(checks: list[CardCheck]) -> None:
    exact = [f for c in checks for f in c.files if f.source.startswith("Ollama registry manifest")]
    assert len(exact) >= 100
    assert sum(f.ok for f in exact) / len(exact) > 0.8


def test_llama_bench_sizes_are_met(checks: list[CardCheck]) -> None:
    sizes = [f for c in checks for f in c.files if f.source.startswith("llama-bench")]
    assert len(sizes) >= 40
    assert sum(f.ok for f in sizes) / len(sizes) > 0.8


def test_a_wrong_size_is_noticed() -> None:
    card = card_of(find_entry("meta-llama/Llama-3.1-8B-Instruct"))
    wrong = card.model_copy(
        update={"sizes": (CardSize(quant="Q4_K_M", bytes=5_500_000_000, source="made up"),)}
    )
    found = [f for f in check_card(wrong).files if f.source == "made up"]
    assert len(found) == 1
    assert not found[0].ok


def test_a_wrong_shape_is_noticed() -> None:
    card = card_of(find_entry("Qwen/Qwen3-8B"))
    config = {**card.config, "num_hidden_layers": 35}
    check = check_card(card.model_copy(update={"config": config}))
    assert not check.shape.verified
    assert check.shape.error > 0.005
