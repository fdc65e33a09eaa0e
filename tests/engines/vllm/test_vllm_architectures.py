"""Every architecture that vLLM runs has its row."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

import planner
from planner.engines.vllm import architectures
from planner.engines.vllm.architectures import ARCHITECTURES, VllmTraits, vllm_traits
from planner.engines.vllm.gpu import GpuTraits
from planner.engines.vllm.memory.budget import capture_sizes
from planner.engines.vllm.memory.layer_pages import cache_settings
from planner.engines.vllm.refusals import class_refusal
from planner.engines.vllm.settings import VllmSettings
from planner.models.catalogue.catalogue import find_entry, load_catalogue
from planner.models.config.families.decoder_table import FAMILIES
from planner.models.config.families.registry import MODEL_TYPES
from planner.units import GIB

# Model types that config.json files have and that vLLM 0.33.0 has no class for, or no more
NOT_RUN = {
    *("arctic", "baichuan", "dots1", "git", "grok-1", "lfm3", "minimax", "minimax_m1", "minimax_text_01"),
    *("mistral_large4", "mistral_large4_text", "mllama", "mllama_text_model"),
}


def test_every_architecture_of_the_catalogue_that_vllm_runs_has_its_row() -> None:
    archs = [e.architecture() for e in load_catalogue().all_entries() if e.config]
    missing = {a.model_type for a in archs if class_refusal(a) is None and not vllm_traits(a).known}
    assert len(archs) > 200 and not missing


def test_every_model_type_that_a_config_may_have_is_in_the_table_or_known_not_to_run() -> None:
    readable = {kind for kinds in MODEL_TYPES.values() for kind in kinds} | FAMILIES.keys()
    assert readable - ARCHITECTURES.keys() == NOT_RUN


def test_no_model_type_is_told_by_its_name_outside_the_table() -> None:
    found = []
    for path in (Path(planner.__file__).parent / "engines").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare) and "model_type" in ast.unparse(node):
                found.append(f"{path.name}: {ast.unparse(node)}")
            if isinstance(node, ast.Call) and "model_type.startswith" in ast.unparse(node.func):
                found.append(f"{path.name}: {ast.unparse(node)}")
    assert not found


def test_one_row_decides_how_a_new_architecture_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = replace(find_entry("Qwen/Qwen3-8B").architecture(), model_type="toy")
    hopper, blackwell = GpuTraits("H100", 80 * GIB, 90), GpuTraits("B200", 180 * GIB, 100)
    settings = VllmSettings(max_num_seqs=1024, max_num_batched_tokens=8192)
    before = capture_sizes(toy, settings, hopper)
    assert not vllm_traits(toy).known
    assert cache_settings(toy, settings, blackwell).kv_cache_dtype == "auto"
    row = VllmTraits(largest_graph=1024, fp8_cache_on_10=True)
    monkeypatch.setitem(architectures.ARCHITECTURES, "toy", row)
    assert capture_sizes(toy, settings, hopper) > before
    assert cache_settings(toy, settings, blackwell).kv_cache_dtype == "fp8"
