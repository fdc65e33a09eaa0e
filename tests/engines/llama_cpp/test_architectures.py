"""Every architecture has its row: how it is read from a GGUF, quantised, and run."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

import planner
from planner.engines.llama_cpp import architectures
from planner.engines.llama_cpp.architectures import ARCHITECTURES, traits
from planner.engines.llama_cpp.placing.tensor_split import check_tensor_split
from planner.engines.llama_cpp.settings import LlamaCppSettings, resolve
from planner.engines.llama_cpp.traits import Rule, Traits
from planner.engines.ollama.architectures import OLLAMA_ARCHITECTURES
from planner.errors import RefusedError
from planner.models.catalogue.catalogue import load_catalogue
from planner.models.gguf.architectures import GGUF_ARCHITECTURES, gguf_traits
from planner.quant.architectures import QUANTISED
from tests.engines.llama_cpp.llama_shapes import shape

PACKAGE = Path(planner.__file__).parent
# Families that Ollama names itself, and llama.cpp doesn't
OLLAMAS_OWN = {"mllama", "nemotron_h_omni"}


def literals(folder: str) -> set[str]:
    """Every string that stands by itself in the code of a folder."""
    return {
        node.value
        for path in (PACKAGE / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_architecture_of_the_catalogue_has_its_row() -> None:
    names = {e.architecture().gguf_arch for e in load_catalogue().all_entries() if e.config} - {None}
    assert len(names) > 70
    assert not {n for n in names if n not in ARCHITECTURES or not ARCHITECTURES[n].known}
    assert not names - GGUF_ARCHITECTURES.keys()


def test_every_architecture_that_a_config_yields_has_its_row() -> None:
    assert not (literals("models/config") & GGUF_ARCHITECTURES.keys()) - ARCHITECTURES.keys()


def test_rows_are_of_architectures_that_llama_cpp_knows() -> None:
    rows = ARCHITECTURES.keys() | QUANTISED.keys() | (OLLAMA_ARCHITECTURES.keys() - OLLAMAS_OWN)
    assert not rows - GGUF_ARCHITECTURES.keys()


def test_no_architecture_is_told_by_its_name_outside_the_tables() -> None:
    found = []
    for folder in ("engines/llama_cpp", "engines/ollama", "quant", "models/gguf"):
        for path in (PACKAGE / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Compare):
                    continue
                sides = [ast.unparse(side) for side in (node.left, *node.comparators)]
                named = any("gguf_arch" in s or s.endswith(".arch") for s in sides)
                if named and "None" not in sides:
                    found.append(f"{path.name}: {ast.unparse(node)}")
    assert not found


def test_an_architecture_without_a_row_is_an_ordinary_decoder_and_says_so() -> None:
    unknown = traits(replace(shape("LLAMA_8B"), gguf_arch="no-such"))
    assert not unknown.known and replace(unknown, known=True) == Traits()
    assert not gguf_traits("no-such").known


def test_one_row_decides_how_a_new_architecture_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = replace(shape("LLAMA_8B"), gguf_arch="toy")
    settings = LlamaCppSettings.of({"n_ctx": 4096, "n_rs_seq": 2})
    before = resolve(toy, settings)
    assert before.flash_attn and before.n_rs_seq == 0
    check_tensor_split(toy, settings)
    row = Traits(flash_attention=False, rollback=True, tensor_split=Rule.REFUSED)
    monkeypatch.setitem(architectures.ARCHITECTURES, "toy", row)
    after = resolve(toy, settings)
    assert not after.flash_attn and after.n_rs_seq == 2
    with pytest.raises(RefusedError, match="not implemented for architecture 'toy'"):
        check_tensor_split(toy, settings)
