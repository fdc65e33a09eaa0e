"""Drafting with a model's own prediction layers in llama.cpp: to the byte what its own allocator says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

import planner
from planner.engines.llama_cpp.allocation import Devices, LlamaMemory, allocate
from planner.engines.llama_cpp.command import llama_arguments
from planner.engines.llama_cpp.placing.weights import weight_table
from planner.engines.llama_cpp.settings import LlamaCppSettings
from planner.engines.register import get_engine
from planner.errors import InputError, RefusedError
from planner.hardware.machine import Backend
from planner.hardware.profiles.load import load_profile
from planner.models.catalogue.catalogue import find_entry
from planner.plan import Plan, Workload
from tests.asked import asked

CASES: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("llama_draft_cases.json").read_text())
PLENTY: Final = 1 << 42
DRAFTS: Final = {"spec_type": "draft-mtp"}


def _allocated(model: str, quant: str, given: dict[str, Any], devices: int = 1) -> LlamaMemory:
    table = weight_table(find_entry(model).architecture(), quant)
    settings = LlamaCppSettings.of({"n_outputs_max": 1, **given})
    backend = Backend.CUDA if devices else Backend.CPU
    return allocate(table, settings, Devices((PLENTY,) * devices, backend))


@pytest.mark.parametrize("model", CASES["drafts"])
def test_draft_contexts_are_the_engines_to_the_byte(model: str) -> None:
    found, expected = {}, CASES["drafts"][model]
    for name in expected:
        how = CASES["settings"][name]
        memory = _allocated(model, how["quant"], {**how["settings"], **DRAFTS}, how["devices"])
        assert memory.draft is not None
        found[name] = {
            "cache": list(memory.draft.kv),
            "compute": [*memory.draft.compute.devices, memory.draft.compute.host],
        }
    assert found == expected


def test_nothing_is_drafted_unless_asked_for() -> None:
    memory = _allocated("Qwen/Qwen3.5-0.8B", "Q8_0", {"n_ctx": 8192})
    assert memory.draft is None
    assert memory.device_total(0) == (
        memory.weights.devices[0] + memory.caches.kv[0] + memory.caches.state[0] + memory.compute.devices[0]
    )


def test_drafting_loads_the_layer_keeps_snapshots_and_widens_the_outputs() -> None:
    plain = _allocated("Qwen/Qwen3.5-0.8B", "Q8_0", {"n_ctx": 8192})
    drafts = _allocated("Qwen/Qwen3.5-0.8B", "Q8_0", {"n_ctx": 8192, **DRAFTS, "spec_draft_n_max": 2})
    assert drafts.weights.devices[0] > plain.weights.devices[0]
    assert drafts.caches.state[0] == 3 * plain.caches.state[0]
    assert LlamaCppSettings.of({**DRAFTS, "n_parallel": 4, "spec_draft_n_max": 2}).server_outputs == 12
    assert LlamaCppSettings.of({"n_parallel": 4}).server_outputs == 4
    assert drafts.draft is not None
    rows = 4 * find_entry("Qwen/Qwen3.5-0.8B").architecture().hidden_size * 2048
    assert drafts.draft.output > rows  # a hidden state of every token of a batch


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "doesn't contain MTP layers"),
        ("deepseek-ai/DeepSeek-R1", "doesn't contain MTP layers"),  # converted without them
        ("LGAI-EXAONE/K-EXAONE-236B-A23B", "no draft graph for exaone-moe"),
        ("XiaomiMiMo/MiMo-V2-Flash", "requires fused attn_qkv"),
    ],
)
def test_models_that_cannot_draft_are_refused(model: str, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        _allocated(model, "Q8_0", {"n_ctx": 4096, **DRAFTS})


@pytest.mark.parametrize(
    "bad", [{"spec_type": "draft-magic"}, {"spec_draft_n_max": 0}, {"spec_draft_type_k": "q9"}]
)
def test_bad_settings_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        LlamaCppSettings.of(bad)


def test_the_main_cache_of_ling_holds_its_prediction_layer() -> None:
    """llama_memory_hybrid has no filter there: 43 layers of which 9 attend and one predicts."""
    arch = find_entry("inclusionAI/Ling-3.0-flash").architecture()
    memory = _allocated("inclusionAI/Ling-3.0-flash", "Q8_0", {"n_ctx": 8192})
    assert memory.caches.kv[0] + memory.caches.state[0] == 154058752  # llama.cpp b11434's allocator
    assert sum(g.count for g in arch.groups if g.mtp) == 1


def _plan(**overrides: Any) -> Plan:
    arch, machine = find_entry("Qwen/Qwen3.5-27B").architecture(), load_profile("rtx-4090")
    return get_engine("llama.cpp").plan(
        asked(arch, "Q4_K_M", machine, Workload(context=16384), overrides, name="Qwen3.5-27B")
    )


def test_a_plan_that_drafts_counts_it_and_its_command_says_so() -> None:
    plain, drafts = _plan(), _plan(**DRAFTS)
    gpu, other = drafts.memory.devices[0], plain.memory.devices[0]
    assert gpu.weights > other.weights and gpu.kv_cache > other.kv_cache and gpu.compute > other.compute
    on_gpu = {"n_gpu_layers": 999}
    assert _plan(**DRAFTS, **on_gpu).max_context < _plan(**on_gpu).max_context
    assert drafts.max_concurrency < plain.max_concurrency
    words = " ".join(llama_arguments(drafts.settings))
    assert "--spec-type draft-mtp" in words and "--spec-draft-n-max 3" in words
    assert "--spec" not in " ".join(llama_arguments(plain.settings))


def _with_model(draft: str, **overrides: Any) -> Plan:
    settings = {"spec_draft_model": draft, "cache_type_k": "q8_0", "cache_type_v": "q8_0", **overrides}
    return planner.plan(
        "Qwen/Qwen3-32B",
        "rtx-4090",
        Workload(context=8192),
        engine="llama.cpp",
        quant="Q4_K_M",
        settings=settings,
    )


def test_a_draft_model_is_counted_whole_beside_the_main_one() -> None:
    drafts = _with_model("qwen3-0.6b").memory
    plain = planner.plan(
        "Qwen/Qwen3-32B",
        "rtx-4090",
        Workload(context=8192),
        engine="llama.cpp",
        quant="Q4_K_M",
        settings={"cache_type_k": "q8_0", "cache_type_v": "q8_0", "n_outputs_max": 4},
    ).memory
    alone = _allocated("Qwen/Qwen3-0.6B", "Q8_0", {"n_ctx": 8192})
    for one, both, more, extra in (
        (plain.devices[0], drafts.devices[0], alone.weights.devices[0], alone.compute.devices[0]),
        (plain.devices[1], drafts.devices[1], alone.host()[0], alone.host()[3]),
    ):
        assert both.weights - one.weights == more
        rows = 0 if both.kind == "gpu" else 3 * 4 * 151936  # logits of drafted tokens
        assert both.compute - one.compute == extra + rows
    assert drafts.devices[0].kv_cache - plain.devices[0].kv_cache == alone.caches.kv[0]


def test_a_draft_model_has_its_own_layers_and_cache_types() -> None:
    small = _with_model("qwen3-0.6b", spec_draft_type_k="q8_0", spec_draft_type_v="q8_0")
    assert small.memory.devices[0].kv_cache < _with_model("qwen3-0.6b").memory.devices[0].kv_cache
    away = _with_model("qwen3-0.6b", spec_draft_ngl=0)
    assert away.memory.devices[0].weights < small.memory.devices[0].weights
    words = llama_arguments(away.settings)
    assert words[words.index("-ngld") + 1] == "0" and words[words.index("-hfd") + 1].endswith(":Q8_0")
    assert "--spec-type draft-simple" in " ".join(words)


def test_a_draft_model_needs_the_same_vocabulary() -> None:
    with pytest.raises(RefusedError, match="vocab must closely match"):
        _with_model("llama-3.2-1b")


@pytest.mark.parametrize("bad", [{"spec_type": "draft-simple"}, {"spec_draft_model": "qwen3-0.6b"}])
def test_a_draft_model_has_to_be_named_and_loaded(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="spec_draft_model"):
        LlamaCppSettings.of(bad)
