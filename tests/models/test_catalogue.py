"""The catalogue: every card is sound, the index is up to date, every name people use is found."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from planner.engines.vllm.memory.storage import scheme_for
from planner.errors import InputError, PlannerError
from planner.models.catalogue.build_index import build_index, render
from planner.models.catalogue.card import ModelCard, read_card, read_cards
from planner.models.catalogue.catalogue import Entry, card_of, find_entry, load_catalogue, lookup
from planner.models.catalogue.shape_check import check_shape
from planner.shipped_files import seeds_dir


@pytest.fixture(scope="module")
def cards() -> list[ModelCard]:
    return read_cards(seeds_dir())


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return list(load_catalogue().all_entries())


def test_the_index_is_up_to_date() -> None:
    text = (seeds_dir() / "index.json").read_text(encoding="utf-8")
    assert text == render(build_index(seeds_dir())), "run: python -m planner.models.catalogue.build_index"


def test_a_repository_holds_what_its_own_config_says(entries: list[Entry]) -> None:
    """A card may not call a checkpoint 16-bit whose quantization_config says otherwise."""
    seen = 0
    for entry in entries:
        own = {q for f in entry.files if f.format == "safetensors" and f.repo == entry.id for q in f.quants}
        if not entry.config or not own:
            continue
        arch = entry.architecture()
        if arch.quantization:
            seen += 1
            stored = scheme_for(arch, "native").storage_kind
            assert {scheme_for(arch, q).storage_kind for q in own} == {stored}, entry.id
    assert seen >= 30


def test_enough_cards_are_verified(cards: list[ModelCard]) -> None:
    checks = [check_shape(card) for card in cards]
    assert len(checks) >= 300
    assert sum(c.complete for c in checks) >= 280
    assert sum(c.verified for c in checks) >= 0.9 * len(checks)
    for check in checks:
        assert check.verified or check.reason, f"{check.id} neither verified nor explained"


def test_explanations_of_a_count_are_small_or_true(cards: list[ModelCard]) -> None:
    """A card may not explain away its shape: what it explains is below 30 % and names what it is."""
    for card in cards:
        if card.parameters.accepted_difference:
            share = abs(card.parameters.accepted_difference) / card.parameters.total
            assert share < 0.3, card.id
            assert card.parameters.note, card.id


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ("openai/gpt-oss-20b", "openai/gpt-oss-20b"),
        ("GPT-OSS-20B", "openai/gpt-oss-20b"),
        ("gpt-oss:20b", "openai/gpt-oss-20b"),
        ("gpt oss 20b", "openai/gpt-oss-20b"),
        ("qwen3:30b-a3b", "Qwen/Qwen3-30B-A3B"),
        ("qwen3:32b", "Qwen/Qwen3-32B"),
        ("meta-llama/Meta-Llama-3.1-8B", "meta-llama/Llama-3.1-8B-Instruct"),
        ("llama3.1:8b", "meta-llama/Llama-3.1-8B-Instruct"),
        ("mistralai/Mixtral-8x7B-v0.1", "mistralai/Mixtral-8x7B-Instruct-v0.1"),
        ("google/gemma-4-26B-A4B", "google/gemma-4-26B-A4B-it"),
        ("Qwen/Qwen3-30B-A3B-FP8", "Qwen/Qwen3-30B-A3B"),
        ("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", "meta-llama/Llama-3.3-70B-Instruct"),
        ("unsloth/gpt-oss-20b-GGUF", "openai/gpt-oss-20b"),
        ("deepseek-ai/DeepSeek-V2-Lite-Chat", "deepseek-ai/DeepSeek-V2-Lite-Chat"),
        ("kimi-k2", "moonshotai/Kimi-K2-Instruct"),
        ("gpt2", "openai-community/gpt2"),
        ("arctic", "Snowflake/snowflake-arctic-instruct"),
    ],
)
def test_names_are_found(ref: str, expected: str) -> None:
    entry = lookup(ref)
    assert entry is not None
    assert entry.id == expected


def test_a_name_means_its_own_model_first(entries: list[Entry]) -> None:
    for entry in entries:
        assert lookup(entry.id) is entry
        found = lookup(entry.short_name)
        assert found is not None
        assert found.short_name.lower() == entry.short_name.lower(), entry.id


@pytest.mark.parametrize("wrong", ["gpt-os-20b", "qwen3-33b", "lama-3.1-8b", "mistral smal 3.2"])
def test_a_mistake_is_answered_with_what_is_near(wrong: str) -> None:
    with pytest.raises(InputError, match="did you mean"):
        find_entry(wrong)


def test_a_family_is_answered_with_its_current_models() -> None:
    for family in ("qwen3", "gemma", "kimi", "llama"):
        near = load_catalogue().near(family)
        assert len(near) == 4
        for name in near:
            entry = lookup(name)
            assert entry is not None
            assert entry.short_name.lower().startswith(family)
            assert not entry.superseded_by


def test_nonsense_is_one_line() -> None:
    with pytest.raises(InputError) as caught:
        find_entry("no such thing at all\n\x1b[31m" + "x" * 500)
    assert len(str(caught.value)) < 200


def test_what_ranks_is_there(entries: list[Entry]) -> None:
    for entry in entries:
        assert entry.licence_class in ("permissive", "commercial", "restricted", "research")
        assert entry.total_params >= 0
        assert set(entry.scores) >= {"general", "coding", "reasoning", "multilingual", "agents", "vision"}
        for use in entry.scores:
            assert entry.evidence(use)
        if entry.superseded_by:
            assert lookup(entry.superseded_by) is not None
        if entry.verified:
            assert entry.architecture().parameters() > 0


def test_newer_ones_replace_older_ones(entries: list[Entry]) -> None:
    by_id = {e.id: e for e in entries}
    for entry in entries:
        seen = {entry.id}
        current = entry
        while current.superseded_by:
            current = by_id[current.superseded_by]
            assert current.id not in seen, f"{entry.id} is replaced in a circle"
            assert not current.released or current.released >= entry.released[: len(current.released)]
            seen.add(current.id)


def test_the_whole_catalogue_is_there_at_once() -> None:
    """An index, not hundreds of parsed files: reading everything that `check` needs takes milliseconds."""
    load_catalogue.cache_clear()
    start = time.process_time()
    entries = load_catalogue().entries()
    best = max(entries, key=lambda e: e.scores["general"] or 0.0)
    best.architecture()
    assert time.process_time() - start < 1.0
    assert len(entries) > 300


def test_a_card_is_read_in_full() -> None:
    card = card_of(find_entry("gpt-oss-20b"))
    assert card.vllm is not None
    assert card.vllm.tool_parser == "openai"
    assert card.ollama[0].bytes == 13_780_154_624
    assert card.config["num_local_experts"] == 32


def test_no_card_for_a_shape_that_nobody_published() -> None:
    entry = next(e for e in load_catalogue().all_entries() if not e.config)
    with pytest.raises(PlannerError, match="dimensions are not published"):
        entry.architecture()
    assert not entry.verified


def test_a_damaged_card_names_file_and_key(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('id = "a/b"\nname = "b"\nfamily = "f"\nvendor = "v"\nreleased = "yesterday"\n')
    with pytest.raises(InputError, match=r"bad\.toml"):
        read_card(path)
    path.write_text("id = ")
    with pytest.raises(InputError, match=r"bad\.toml"):
        read_card(path)
    folder = tmp_path / "vendor"
    folder.mkdir()
    card = 'id = "a/b"\nname = "b"\nfamily = "f"\nvendor = "v"\n[licence]\nname = "MIT"\n[architecture]\nsource = "x"\n'
    (folder / "one.toml").write_text(card)
    (folder / "two.toml").write_text(card)
    with pytest.raises(InputError, match="two cards"):
        read_cards(tmp_path)


def test_search_by_words() -> None:
    found = load_catalogue().search("ibm granite 4.0")
    assert found
    assert all("granite-4.0" in e.id for e in found)


@pytest.mark.parametrize(
    ("words", "there", "absent"),
    [
        ("xai", "grok-2", "MiniMax-M3"),  # not MiniMaxAI
        ("8B llama", "Llama-3.1-8B", "Llama-3.1-70B"),
        ("8b", "Qwen3-8B", "Kimi-Linear-48B-A3B"),
        ("r1", "DeepSeek-R1", "Nemotron-3-Super-120B-A12B"),  # not supeR-120B
        ("phi", "phi-4", "Phind-CodeLlama-34B-v2"),
        ("vision mit", "DeepSeek-V4-Flash-Vision-Exp", "gpt-oss-20b"),
        ("gemm", "gemma-4-31B", "gpt-oss-20b"),  # the beginning of a word, where nothing is called so
        ("gptoss 20b", "gpt-oss-20b", "gpt-oss-120b"),
        ("qwen3:30b-a3b", "Qwen3-30B-A3B", "Qwen3-32B"),
    ],
)
def test_search_finds_what_is_meant(words: str, there: str, absent: str) -> None:
    names = {e.short_name for e in load_catalogue().search(words)}
    assert there in names
    assert absent not in names


def test_nothing_large_is_called_small(cards: list[ModelCard], entries: list[Entry]) -> None:
    """What a model is for is read by people who choose hardware: 60 billion parameters fit no edge device."""
    sizes = {e.id: e.total_params for e in entries}
    for card in cards:
        if sizes[card.id] > 60e9:
            said = card.capabilities.use.lower()
            assert not any(word in said for word in ("lightweight", "edge", "device", "mobile", "tiny")), (
                card.id
            )


@pytest.mark.parametrize("name", ["minimax-m1", "MiniMax-M1-40k", "DeepSeek-V4-Flash-0731"])
def test_reasoning_models_with_tools_are_known_as_such(name: str) -> None:
    assert {"tools", "reasoning"} <= set(find_entry(name).capabilities)


@pytest.mark.parametrize("name", ["Kimi-K2-Instruct", "Qwen3-235B-A22B-Instruct-2507", "DeepSeek-V3"])
def test_a_family_parser_makes_no_reasoning_model(name: str) -> None:
    """A recipe of the whole family names a reasoning parser; these do not think."""
    assert "reasoning" not in find_entry(name).capabilities


@pytest.mark.parametrize("name", ["starcoder", "octocoder"])
def test_starcoder_was_trained_with_8192_tokens(name: str) -> None:
    entry = find_entry(name)
    assert entry.context == entry.architecture().n_ctx_train == 8192


def test_a_context_under_its_other_name_is_read() -> None:
    """Kimi Linear's config.json states model_max_length only."""
    assert find_entry("Kimi-Linear-48B-A3B-Instruct").architecture().n_ctx_train == 1 << 20


def test_a_card_that_states_less_than_the_configuration_says_why(
    cards: list[ModelCard], entries: list[Entry]
) -> None:
    by_id = {card.id: card for card in cards}
    for entry in entries:
        if entry.config and max(entry.context, entry.context_extended) < entry.architecture().n_ctx_train:
            assert by_id[entry.id].context.note, entry.id


def test_models_that_write_no_text_are_there_and_never_ranked(cards: list[ModelCard]) -> None:
    kinds = [card.kind for card in cards if card.kind in ("embedding", "reranker")]
    assert len(kinds) >= 30
    assert kinds.count("reranker") >= 7
    others = {card.id for card in cards if card.kind != "chat"}
    assert not others & {entry.id for entry in load_catalogue().entries()}
    for card in cards:
        if card.kind in ("embedding", "reranker"):
            assert check_shape(card).verified, card.id
