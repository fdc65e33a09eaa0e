"""The table of quantisations holds together: every row of a mix and of a checkpoint can be planned and ranked."""

from __future__ import annotations

import pytest

from planner.models.catalogue.catalogue import load_catalogue
from planner.models.gguf.types import FILE_TYPES
from planner.quant.formats import GGML_FORMATS
from planner.quant.loss import loss_share
from planner.quant.quantisations import (
    QUANTISATIONS,
    average_bits,
    checkpoints,
    find_quantisation,
    key_of,
    ladder,
    offered,
)

ROWS = list(QUANTISATIONS.values())


@pytest.mark.parametrize("name", list(QUANTISATIONS))
def test_a_row_is_found_by_each_of_its_spellings(name: str) -> None:
    row = QUANTISATIONS[name]
    for spelling in (row.name, name, name.lower(), row.name.replace("_", "-"), *row.aliases):
        assert find_quantisation(spelling) is row


def test_no_spelling_means_two_rows() -> None:
    spellings = [s for r in ROWS for s in (key_of(r.name), *r.aliases)]
    assert len(spellings) == len(set(spellings))


def test_mixes_are_made_of_types_that_there_are() -> None:
    for row in ROWS:
        if row.base:
            assert row.base in GGML_FORMATS and row.rest in GGML_FORMATS
            assert row.embedding is None or row.embedding in GGML_FORMATS
        for other in (row.rules, row.mix):
            assert not other or QUANTISATIONS[other].base


def test_every_file_type_of_llama_cpp_that_is_a_mix_has_its_row() -> None:
    assert {name for name in FILE_TYPES.values() if find_quantisation(name) is None} == set()


def test_what_is_offered_can_be_ranked() -> None:
    for name in offered():
        row = QUANTISATIONS[name]
        assert row.base and row.bits and row.kernels and row.loss is not None, name
    for row in (*ladder(), *(q for q in checkpoints() if q.average)):
        assert row.average and row.kernels and row.loss is not None, row.name


def test_the_ladder_goes_down_in_bits_and_up_in_loss() -> None:
    names = [q.name for q in ladder()]
    usual = ["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "Q2_K"]
    assert names == [*usual, "IQ2_M", "IQ2_XXS", "IQ1_M"]
    assert [q.name for q in ladder(beside_cpu=True)] == names[3:]  # four bits or less
    bits = [average_bits(n) or 0.0 for n in names]
    # IQ2_M is smaller than Q2_K and, made with an importance matrix, was measured to lose less
    losses = [loss_share(n, 8.03e9)[0] for n in names if n != "Q2_K"]
    assert bits == sorted(bits, reverse=True) and losses == sorted(losses)
    assert [q.name for q in ladder() if q.last_resort] == ["Q2_K", "IQ2_M", "IQ2_XXS", "IQ1_M"]


def test_every_format_of_the_catalogue_s_checkpoints_has_its_row() -> None:
    files = [f for e in load_catalogue().all_entries() for f in e.files if f.format == "safetensors"]
    names = {q for f in files for q in f.quants}
    unread = {"FP4", "INT2/4/8"}  # publishers' own words for what no engine here loads by that name
    assert len(names) > 10 and {n for n in names if find_quantisation(n) is None} == unread
