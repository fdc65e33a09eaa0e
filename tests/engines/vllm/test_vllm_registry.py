"""vLLM's support is its registry: a class that it doesn't name is refused in one line, and never "fits"."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import planner
from planner.engines.vllm.refusals import class_refusal, foreign_code
from planner.engines.vllm.registry import BY_TRANSFORMERS, IN_PLUGINS, REGISTERED, last_release
from planner.models.catalogue.catalogue import find_entry, load_catalogue

LLAMA = {
    "architectures": ["FooBarForCausalLM"],
    "model_type": "llama",
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "num_hidden_layers": 16,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
}


def folder(tmp_path: Path, name: str) -> str:
    (tmp_path / "config.json").write_text(json.dumps({**LLAMA, "architectures": [name]}))
    return str(tmp_path)


def test_an_unknown_class_is_refused_in_one_line(tmp_path: Path) -> None:
    path = folder(tmp_path, "FooBarForCausalLM")
    with pytest.raises(planner.PlannerError) as error:
        planner.plan(path, "h100-80gb", engine="vllm")
    line = "vLLM 0.33.0 has no FooBarForCausalLM, and nor has the Transformers that it takes"
    assert line in str(error.value) and "\n" not in str(error.value)


def test_the_same_shape_under_a_class_of_the_registry_fits(tmp_path: Path) -> None:
    assert planner.plan(folder(tmp_path, "LlamaForCausalLM"), "h100-80gb", engine="vllm").fits


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("MllamaForConditionalGeneration", "vLLM removed MllamaForConditionalGeneration after 0.10.2"),
        ("RWForCausalLM", "vLLM removed RWForCausalLM after 0.28.0"),
        ("MBartForConditionalGeneration", "vLLM 0.33.0 has MBartForConditionalGeneration in a plugin only"),
        ("GptOssForCausalLM", None),
        ("MellumForCausalLM", None),  # by Transformers' code, but named in the registry
        (None, None),  # a file that names no class, such as a GGUF
    ],
)
def test_why_a_class_does_not_run(name: str | None, why: str | None) -> None:
    arch = replace(find_entry("Qwen/Qwen3-8B").architecture(), hf_class=name)
    assert class_refusal(arch) == why


def test_transformers_code_runs_plain_attention_alone() -> None:
    plain = replace(find_entry("Qwen/Qwen3-8B").architecture(), hf_class="SolarOpenForCausalLM")
    assert class_refusal(plain) is None and "Transformers' code" in (foreign_code(plain) or "")
    latent = replace(find_entry("deepseek-ai/DeepSeek-R1").architecture(), hf_class="Mistral4ForCausalLM")
    assert "plain attention only" in (class_refusal(latent) or "")


def test_a_class_stands_in_one_list() -> None:
    lists = (REGISTERED, BY_TRANSFORMERS, IN_PLUGINS)
    assert sum(map(len, lists)) == len(frozenset().union(*lists))
    assert not [name for names in lists for name in names if last_release(name)]


def test_what_does_not_run_of_the_catalogue() -> None:
    """Stated, so that a card with a class that isn't the checkpoint's own is noticed."""
    archs = [e.architecture() for e in load_catalogue().all_entries() if e.config]
    assert {a.hf_class for a in archs if class_refusal(a)} == {
        "ArcticForCausalLM",
        "Grok1ForCausalLM",
        "JinaBertForMaskedLM",
        "Lfm3ForCausalLM",
        "MiniMaxM1ForCausalLM",
        "MistralLarge4ForConditionalGeneration",
        "MllamaForConditionalGeneration",
    }
