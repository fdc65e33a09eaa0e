"""Licences: classes, plain words, and that every card's licence is one we can explain."""

from __future__ import annotations

import pytest

from planner.models.catalogue.catalogue import card_of, find_entry, load_catalogue
from planner.models.catalogue.licences import (
    DISCLAIMER,
    UNKNOWN,
    admits,
    explain,
    find_licence,
    licence_class,
)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("gpt-oss-20b", "permissive"),
        ("deepseek-r1", "permissive"),
        ("deepseek-v3", "commercial"),  # the first V3: DeepSeek's own licence
        ("llama-3.3-70b", "commercial"),
        ("gemma-3-27b", "commercial"),  # the old terms
        ("gemma-4-31b", "permissive"),  # Apache-2.0
        ("kimi-k2.6", "commercial"),
        ("minimax-m2.7", "research"),
        ("minimax-m1", "permissive"),
        ("LFM2.5-8B-A1B", "restricted"),
        ("CohereLabs/c4ai-command-a-03-2025", "research"),
        ("Qwen/Qwen2.5-3B-Instruct", "research"),
        ("Qwen/Qwen2.5-72B-Instruct", "commercial"),
        ("zai-org/glm-4-9b-chat", "restricted"),
    ],
)
def test_classes(model: str, kind: str) -> None:
    entry = load_catalogue().lookup(model)
    assert entry is not None
    assert entry.licence_class == kind


def test_what_the_option_admits() -> None:
    assert admits("permissive", "permissive")
    assert not admits("permissive", "commercial")
    assert admits("commercial", "commercial")
    assert not admits("commercial", "research")
    assert not admits("commercial", "restricted")
    assert admits("any", "research")


def test_llama_names_the_clauses_that_decide() -> None:
    card = card_of(find_entry("meta-llama/Llama-3.2-11B-Vision-Instruct"))
    text = " ".join(explain(card.licence.name, card.licence.note, card.licence.link))
    assert "700 million" in text
    assert "European Union" in text
    assert "Built with Llama" in text
    assert "not an open-source licence" in text
    assert DISCLAIMER in text


def test_the_eu_clause_is_only_for_multimodal_llama() -> None:
    assert "European" not in " ".join(explain("Llama 3.3 Community License"))
    assert "European" in " ".join(explain("Llama 4 Community License"))


def test_open_source_is_said_of_open_source_only() -> None:
    for name in ("Apache-2.0", "MIT"):
        assert find_licence(name).open_source
    for name in (
        "Gemma Terms of Use",
        "Kimi Modified MIT",
        "NVIDIA Open Model License",
        "LFM Open License v1.0",
    ):
        assert not find_licence(name).open_source


def test_an_unknown_licence_is_restricted_and_says_so() -> None:
    assert find_licence("Some New Licence") is UNKNOWN
    assert licence_class("Some New Licence") == "restricted"
    assert "not known here" in " ".join(explain("Some New Licence"))


def test_every_licence_of_the_catalogue_is_explained() -> None:
    unknown = {e.licence for e in load_catalogue().all_entries() if find_licence(e.licence) is UNKNOWN}
    assert unknown <= {"unknown"}
