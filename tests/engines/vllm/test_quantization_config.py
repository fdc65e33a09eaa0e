"""A checkpoint's quantization_config, as vLLM 0.33.0 reads it (model_executor/layers/quantization)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import planner
from planner.engines.vllm.memory.storage import cache_format, scheme_from_config
from planner.errors import UnsupportedError
from planner.models.tensors import Role
from planner.quant.quantisations import Storage

QWEN3: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "num_hidden_layers": 36,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000,
    "hidden_act": "silu",
}
AUTO_ROUND = {
    "quant_method": "auto-round",
    "bits": 4,
    "group_size": 128,
    "sym": True,
    "data_type": "int",
    "packing_format": "auto_round:auto_gptq",
}


@pytest.mark.parametrize(
    ("config", "storage", "name"),
    [
        (AUTO_ROUND, Storage.INT4, "GPTQ-Int4"),
        ({**AUTO_ROUND, "packing_format": "auto_round:auto_awq"}, Storage.INT4, "AWQ"),
        ({**AUTO_ROUND, "bits": 8}, Storage.INT8, "GPTQ-Int8"),
        ({**AUTO_ROUND, "data_type": "mx_fp", "group_size": 32}, Storage.MXFP4, "MXFP4"),
        ({**AUTO_ROUND, "data_type": "fp", "bits": 8, "group_size": [128, 128]}, Storage.FP8_BLOCK, "FP8"),
        ({"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0}, Storage.FP8_CHANNEL, "FP8"),
    ],
)
def test_methods(config: dict[str, Any], storage: Storage, name: str) -> None:
    scheme = scheme_from_config(config)
    assert (scheme.storage_kind, scheme.name) == (storage, name)


def test_layers_that_auto_round_leaves_whole() -> None:
    extra = {
        "model.layers.3.self_attn.o_proj": {"bits": 16, "data_type": "float"},
        r".*layers\.5\.mlp.*": {"bits": 16},
        "model.layers.4.self_attn.o_proj": {"bits": 8},
    }
    scheme = scheme_from_config({**AUTO_ROUND, "extra_config": extra})
    roles = frozenset({Role.ATTN_OUT, Role.FFN_DOWN})
    assert scheme.ignored_roles(roles, 3) == {Role.ATTN_OUT}
    assert scheme.ignored_roles(roles, 4) == frozenset()
    assert scheme.ignored_roles(roles, 5) == {Role.FFN_DOWN}


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("bitsandbytes", "'bitsandbytes', which vLLM 0.33.0 has no code for; its plugin has"),
        ("exl3", "ExLlamaV3"),
        ("gguf", "llama.cpp loads such files"),
        ("nonsense", "'nonsense', which vLLM 0.33.0 has no code for"),
    ],
)
def test_an_unknown_method_is_named_with_what_runs_it(method: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError) as error:
        scheme_from_config({"quant_method": method})
    assert said in str(error.value)
    (tmp_path / "config.json").write_text(
        json.dumps({**QWEN3, "quantization_config": {"quant_method": method}})
    )
    with pytest.raises(UnsupportedError) as error:
        planner.plan(str(tmp_path), "rtx-4090", engine="vllm")
    assert said in str(error.value)


def test_an_auto_round_folder_is_planned_in_four_bits(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**QWEN3, "quantization_config": AUTO_ROUND}))
    plan = planner.plan(str(tmp_path), "rtx-4090", engine="vllm")
    assert plan.quant == "GPTQ-Int4"
    assert 5.0 < plan.memory.devices[0].weights / 2**30 < 6.0
    assert "--quantization" not in plan.command


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, None),
        ({"quant_method": "fp8"}, None),
        ({"quant_method": "compressed-tensors", "kv_cache_scheme": None}, None),
        ({"quant_method": "compressed-tensors", "kv_cache_scheme": {"num_bits": 8, "type": "float"}}, "fp8"),
        ({"quant_method": "modelopt", "kv_cache_quant_algo": "FP8"}, "fp8_e4m3"),
        ({"quant_method": "modelopt", "quantization": {"kv_cache_quant_algo": "NVFP4"}}, "nvfp4"),
        (
            {
                "quant_method": "modelopt",
                "kv_cache_scheme": {"num_bits": 8, "type": "float", "dynamic": False},
            },
            "fp8_e4m3",
        ),
        ({"quant_method": "modelopt", "kv_cache_scheme": {"num_bits": 8, "type": "int"}}, None),
    ],
)
def test_the_caches_format_that_a_checkpoint_states(
    config: dict[str, Any] | None, expected: str | None
) -> None:
    assert cache_format(config) == expected


def test_a_stated_cache_format_holds_twice_the_tokens(tmp_path: Path) -> None:
    weights = {"num_bits": 8, "type": "float", "strategy": "channel"}
    quantised = {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": weights}}}
    scheme = {"num_bits": 8, "type": "float", "dynamic": False}
    held = []
    for extra in ({}, {"kv_cache_scheme": scheme}):
        config = {**QWEN3, "quantization_config": {**quantised, **extra}}
        (tmp_path / "config.json").write_text(json.dumps(config))
        settings = {"max_model_len": 16384, "enforce_eager": True}
        held.append(planner.plan(str(tmp_path), "rtx-4090", engine="vllm", settings=settings).max_concurrency)
    assert held[1] == pytest.approx(2 * held[0], rel=0.05)
