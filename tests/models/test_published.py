"""What is named is what is planned: publishers' files by their published size, an interval where none is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

import planner
from planner.engines.llama_cpp.placing.weights import weight_table, weights_of
from planner.errors import InputError
from planner.models.by_base import model_by_base
from planner.models.catalogue.catalogue import Entry, load_catalogue, lookup
from planner.models.hub.repository import parse_hub_ref
from planner.models.load import from_entry
from planner.models.published import ROUNDING, lists_are_whole, possible_excess, published_gguf, size_of
from planner.models.sources import gguf_repository
from planner.quant.mixes import is_mix
from planner.reason import ReasonKind

LOW_BITS = ("IQ1", "IQ2", "Q2", "IQ3_XX", "IQ3_XS", "TQ1")


def entry_of(name: str) -> Entry:
    entry = lookup(name)
    assert entry is not None
    return entry


def published_pairs() -> list[tuple[Entry, str, str, int]]:
    """(entry, repository, quantisation, bytes) of every low-bit file whose size the catalogue knows."""
    return [
        (entry, file.repo, quant, size)
        for entry in load_catalogue().entries()
        for file in entry.files
        if file.format == "gguf"
        for quant in file.quants
        if quant.removeprefix("UD-").startswith(LOW_BITS) and is_mix(quant)
        if (size := size_of(file, quant)) is not None
    ]


def test_every_low_bit_file_is_planned_in_its_published_size() -> None:
    """Published sizes are rounded to a tenth of a GiB, and a header of 2 to 16 MiB is in them."""
    pairs = published_pairs()
    assert len(pairs) >= 77
    for entry, repository, quant, size in pairs:
        model = replace(from_entry(entry), repository=repository, holds="gguf")
        table = weights_of(model, quant)
        assert abs(table.file_bytes - size) <= max(0.02 * size, ROUNDING + (16 << 20)), (repository, quant)


def test_no_plan_fits_where_the_published_file_does_not() -> None:
    """8.30 GiB of weights and 4.5 of cache don't fit on 12 GB, whatever llama-quantize would make of IQ1_S."""
    plan = planner.plan(
        "qwen3-coder-30b-a3b-instruct",
        "rtx-3060-12",
        engine="llama.cpp",
        quant="IQ1_S",
        settings={"n_ctx": 49152, "n_gpu_layers": 999},
    )
    assert not plan.fits
    assert any(r.kind is ReasonKind.WEIGHTS_PUBLISHED for r in plan.warnings)


def test_a_mix_that_is_llama_quantizes_stays_exact() -> None:
    model = from_entry(entry_of("qwen3-32b"))
    assert weights_of(model, "Q4_K_M") == weight_table(model.architecture, "Q4_K_M")


def test_an_unknown_size_fits_only_where_the_larger_one_does() -> None:
    model = from_entry(entry_of("qwen3-4b"))
    found = published_gguf(model, "IQ2_XXS")
    assert found is None or found.size is None
    table = weights_of(model, "IQ2_XXS")
    assert table.excess == possible_excess("IQ2_XXS") > 0.2
    plan = planner.plan("qwen3-4b", "rtx-3060-12", engine="llama.cpp", quant="IQ2_XXS")
    gpu = plan.memory.devices[0]
    assert gpu.overhead_high >= gpu.overhead + int(gpu.weights * table.excess)
    (said,) = [r for r in plan.warnings if r.kind is ReasonKind.WEIGHTS_ESTIMATED]
    assert said.values["high"] == int(table.file_bytes * (1 + table.excess))


def test_only_files_that_exist_are_offered_unasked() -> None:
    entry = entry_of("MiMo-V2.6-Pro-RL")
    assert lists_are_whole(entry)
    plan = planner.plan(entry.id, "8x h100-sxm", engine="llama.cpp")
    assert published_gguf(from_entry(entry), plan.quant) is not None


def test_what_nobody_publishes_is_made_with_a_line_that_says_how() -> None:
    plan = planner.plan("MiMo-V2.6-Pro-RL", "apple-m3-ultra-512gb", engine="llama.cpp", quant="Q3_K_M")
    assert gguf_repository(plan.request.model, "Q3_K_M") is None
    (how,) = [r for r in plan.warnings if r.kind is ReasonKind.MAKE_IT_YOURSELF]
    assert "llama-quantize mimo-v2.6-pro-rl-bf16.gguf mimo-v2.6-pro-rl-Q3_K_M.gguf Q3_K_M" in how.text
    assert "-m mimo-v2.6-pro-rl-Q3_K_M.gguf" in (plan.command or "")


@pytest.mark.parametrize(
    ("name", "quant"),
    [
        ("qwen3.6-27b:UD-Q4_K_XL", "UD-Q4_K_XL"),
        ("qwen3.6-27b:ud-q4_k_xl", "UD-Q4_K_XL"),
        ("Qwen3.6-27B:Q4_K_M", "Q4_K_M"),
        ("qwen3-coder-30b-a3b-instruct:UD-IQ1_S", "UD-IQ1_S"),
        ("gemma-4-31b:IQ2_XXS", "IQ2_XXS"),
    ],
)
def test_a_quantisation_behind_a_name_is_that_quantisation(name: str, quant: str) -> None:
    model = planner.load_model(name)
    assert (model.quant, model.holds) == (quant, "gguf")
    plan = planner.plan(model, "rtx-5090")
    assert plan.quant == quant and f":{quant} " in (plan.command or "")


def test_a_word_that_is_no_quantisation_is_no_model() -> None:
    with pytest.raises(InputError, match="no model is called"):
        planner.load_model("qwen3-8b:nonsense")


@pytest.mark.parametrize(
    ("repository", "base", "quant", "holds"),
    [
        ("cyankiwi/Qwen3.8-27B-AWQ-4bit", "Qwen/Qwen3.8-27B", "AWQ", "checkpoint"),
        ("Intel/Qwen3-30B-A3B-int4-AutoRound", "Qwen/Qwen3-30B-A3B", "GPTQ-Int4", "checkpoint"),
        ("someone/Qwen3-32B-NVFP4", "Qwen/Qwen3-32B", "NVFP4", "checkpoint"),
        ("someone/Qwen3-32B-FP8-dynamic", "Qwen/Qwen3-32B", "FP8", "checkpoint"),
        (
            "someone/Qwen3-32B-quantized.w8a8",
            None,
            None,
            None,
        ),  # words that are joined by dots are not guessed
        ("bartowski/Qwen_Qwen3-32B-GGUF:IQ3_XS", "Qwen/Qwen3-32B", "IQ3_XS", "gguf"),
        ("mradermacher/Qwen3-8B-i1-GGUF:i1-Q4_K_M", "Qwen/Qwen3-8B", "I1-Q4_K_M", "gguf"),
        ("unsloth/Qwen3.6-27B-GGUF:UD-Q4_K_XL", "Qwen/Qwen3.6-27B", "UD-Q4_K_XL", "gguf"),
        ("someone/Qwen3-8B-abliterated-AWQ", None, None, None),  # another model
        ("someone/unheard-of-7b-GGUF:Q4_K_M", None, None, None),
    ],
)
def test_a_repository_that_cannot_be_asked_is_its_base_in_the_named_format(
    repository: str, base: str | None, quant: str | None, holds: str | None
) -> None:
    ref = parse_hub_ref(repository)
    assert ref is not None
    model = model_by_base(ref)
    if base is None:
        assert model is None
        return
    assert model is not None and model.entry is not None
    assert (model.entry.id, model.quant, model.holds, model.repository) == (base, quant, holds, ref.repo_id)
    assert f"The hub can't be asked for {ref.repo_id}: planned as {base}" in model.notes[-1]
