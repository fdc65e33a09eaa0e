"""Architectures from config.json: parameter counts that llama.cpp states, shapes, hostile input."""

from __future__ import annotations

from typing import Any

import pytest

from planner.errors import InputError, PlannerError, UnsupportedError
from planner.models.architecture import Architecture, MixtureOfExperts
from planner.models.cache import FullAttention, LatentAttention, RecurrentState, SlidingWindow
from planner.models.config.architecture import architecture_from_config

LLAMA_8B: dict[str, Any] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "rope_scaling": {"factor": 8.0, "rope_type": "llama3", "original_max_position_embeddings": 8192},
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
QWEN3_8B: dict[str, Any] = {
    "model_type": "qwen3",
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_attention_heads": 32,
    "num_hidden_layers": 36,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": False,
}
GPT_OSS_20B: dict[str, Any] = {
    "model_type": "gpt_oss",
    "attention_bias": True,
    "head_dim": 64,
    "hidden_size": 2880,
    "intermediate_size": 2880,
    "layer_types": ["sliding_attention", "full_attention"] * 12,
    "max_position_embeddings": 131072,
    "num_attention_heads": 64,
    "num_experts_per_tok": 4,
    "num_hidden_layers": 24,
    "num_key_value_heads": 8,
    "num_local_experts": 32,
    "rope_scaling": {"factor": 32.0, "original_max_position_embeddings": 4096, "rope_type": "yarn"},
    "sliding_window": 128,
    "vocab_size": 201088,
    "quantization_config": {"quant_method": "mxfp4"},
}
GEMMA3_27B: dict[str, Any] = {
    "model_type": "gemma3",
    "architectures": ["Gemma3ForConditionalGeneration"],
    "text_config": {
        "model_type": "gemma3_text",
        "head_dim": 128,
        "hidden_size": 5376,
        "intermediate_size": 21504,
        "num_attention_heads": 32,
        "num_hidden_layers": 62,
        "num_key_value_heads": 16,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
    },
    "vision_config": {
        "hidden_size": 1152,
        "image_size": 896,
        "intermediate_size": 4304,
        "model_type": "siglip_vision_model",
        "num_attention_heads": 16,
        "num_hidden_layers": 27,
        "patch_size": 14,
    },
}
DEEPSEEK_V2_LITE: dict[str, Any] = {
    "model_type": "deepseek_v2",
    "hidden_size": 2048,
    "intermediate_size": 10944,
    "moe_intermediate_size": 1408,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "n_shared_experts": 2,
    "n_routed_experts": 64,
    "num_experts_per_tok": 6,
    "first_k_dense_replace": 1,
    "moe_layer_freq": 1,
    "q_lora_rank": None,
    "kv_lora_rank": 512,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
    "topk_method": "greedy",
    "vocab_size": 102400,
    "max_position_embeddings": 163840,
}
GLM_45_AIR: dict[str, Any] = {
    "model_type": "glm4_moe",
    "attention_bias": True,
    "head_dim": 128,
    "hidden_size": 4096,
    "intermediate_size": 10944,
    "first_k_dense_replace": 1,
    "max_position_embeddings": 131072,
    "moe_intermediate_size": 1408,
    "n_routed_experts": 128,
    "n_shared_experts": 1,
    "num_attention_heads": 96,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 46,
    "num_key_value_heads": 8,
    "num_nextn_predict_layers": 1,
    "partial_rotary_factor": 0.5,
    "use_qk_norm": False,
    "vocab_size": 151552,
}
GRANITE_TINY: dict[str, Any] = {
    "model_type": "granitemoehybrid",
    "hidden_size": 1536,
    "intermediate_size": 512,
    "shared_intermediate_size": 1024,
    "num_hidden_layers": 40,
    "num_attention_heads": 12,
    "num_key_value_heads": 4,
    "num_local_experts": 64,
    "num_experts_per_tok": 6,
    "vocab_size": 100352,
    "mamba_d_conv": 4,
    "mamba_d_head": 64,
    "mamba_d_state": 128,
    "mamba_expand": 2,
    "mamba_n_groups": 1,
    "mamba_n_heads": 48,
    "layer_types": ["attention" if i in (5, 15, 25, 35) else "mamba" for i in range(40)],
    "max_position_embeddings": 131072,
    "position_embedding_type": "nope",
    "tie_word_embeddings": True,
}
QWEN35_27B: dict[str, Any] = {
    "model_type": "qwen3_5",
    "tie_word_embeddings": False,
    "text_config": {
        "model_type": "qwen3_5_text",
        "full_attention_interval": 4,
        "head_dim": 256,
        "hidden_size": 5120,
        "intermediate_size": 17408,
        "linear_conv_kernel_dim": 4,
        "linear_key_head_dim": 128,
        "linear_num_key_heads": 16,
        "linear_num_value_heads": 48,
        "linear_value_head_dim": 128,
        "max_position_embeddings": 262144,
        "mtp_num_hidden_layers": 1,
        "num_attention_heads": 24,
        "num_hidden_layers": 64,
        "num_key_value_heads": 4,
        "vocab_size": 248320,
        "rope_parameters": {
            "mrope_section": [11, 11, 10],
            "rope_type": "default",
            "rope_theta": 10000000,
            "partial_rotary_factor": 0.25,
        },
    },
}
# n_params that llama.cpp b11434 prints for a GGUF of the model; prediction layers where the file had them
STATED = [
    (LLAMA_8B, 8030261312, False),
    (
        LLAMA_8B
        | {
            "hidden_size": 2048,
            "num_hidden_layers": 16,
            "intermediate_size": 8192,
            "head_dim": 64,
            "tie_word_embeddings": True,
        },
        1235814432,
        False,
    ),
    (
        {
            "model_type": "mistral",
            "hidden_size": 5120,
            "head_dim": 128,
            "intermediate_size": 32768,
            "num_attention_heads": 32,
            "num_hidden_layers": 40,
            "num_key_value_heads": 8,
            "vocab_size": 131072,
            "max_position_embeddings": 32768,
        },
        23572403200,
        False,
    ),
    (QWEN3_8B, 8190735360, False),
    (
        QWEN3_8B
        | {
            "hidden_size": 5120,
            "num_hidden_layers": 40,
            "num_attention_heads": 40,
            "intermediate_size": 17408,
        },
        14768307200,
        False,
    ),
    (
        QWEN3_8B
        | {
            "model_type": "qwen3_moe",
            "hidden_size": 2048,
            "num_hidden_layers": 48,
            "num_key_value_heads": 4,
            "num_experts": 128,
            "num_experts_per_tok": 8,
            "moe_intermediate_size": 768,
            "decoder_sparse_step": 1,
            "mlp_only_layers": [],
        },
        30532122624,
        False,
    ),
    (GPT_OSS_20B, 20914757184, False),
    (GEMMA3_27B, 27009002240, False),
    (DEEPSEEK_V2_LITE, 15706484224, False),
    (GLM_45_AIR, 110468824832, True),
    (GRANITE_TINY, 6939037248, False),
    (QWEN35_27B, 26895998464, False),
]


@pytest.mark.parametrize(("config", "stated", "mtp"), STATED)
def test_parameters_are_those_that_llama_cpp_states(config: dict[str, Any], stated: int, mtp: bool) -> None:
    assert architecture_from_config(config).parameters(mtp=mtp) == stated


def shapes(a: Architecture, group: int = 0) -> dict[str, tuple[int, ...]]:
    return {t.name: t.shape for t in a.groups[group].tensors}


def test_every_layer_is_in_one_group_and_named_once() -> None:
    for config, _, _ in STATED:
        a = architecture_from_config(config)
        layers = sorted(il for g in a.groups for il in g.layers)
        assert layers == list(range(a.n_layer + a.n_layer_mtp))
        for g in a.groups:
            assert len({t.name for t in g.tensors}) == len(g.tensors)


def test_gpt_oss() -> None:
    a = architecture_from_config(GPT_OSS_20B)
    sliding, full = a.groups
    assert sliding.layers[:3] == (0, 2, 4)
    assert sliding.caches == (SlidingWindow(64, 8, 64, 64, 128),)
    assert full.caches == (FullAttention(64, 8, 64, 64),)
    assert isinstance(full.feed_forward, MixtureOfExperts)
    assert shapes(a)["ffn_down_exps.bias"] == (2880, 32)
    assert shapes(a)["attn_sinks.weight"] == (64,)
    assert 3.5e9 < a.active_parameters() < 3.7e9
    assert a.rope is not None
    assert (a.rope.max_position, a.rope.float32) == (131072, True)
    assert a.quantization == {"quant_method": "mxfp4"}


def test_gemma3_keeps_five_windows_to_one_full_layer() -> None:
    a = architecture_from_config(GEMMA3_27B)
    assert [g.count for g in a.groups] == [52, 10]
    assert a.groups[1].layers[0] == 5
    assert a.tied_embeddings
    assert a.hf_class == "Gemma3ForConditionalGeneration"
    assert a.n_ctx_train == 131072


def test_latent_attention_caches_576_elements() -> None:
    a = architecture_from_config(DEEPSEEK_V2_LITE)
    cache = a.groups[0].caches[0]
    assert isinstance(cache, LatentAttention)
    assert cache.k_elements == 576
    assert [g.layers[0] for g in a.groups] == [0, 1]
    assert shapes(a)["attn_k_b.weight"] == (128, 512, 16)


def test_hybrids_keep_a_state() -> None:
    a = architecture_from_config(QWEN35_27B)
    state = a.groups[0].caches[0]
    assert isinstance(state, RecurrentState)
    assert (state.conv_channels, state.state_elements) == (2 * 16 * 128 + 48 * 128, 48 * 128 * 128)
    assert a.groups[1].layers[:2] == (3, 7)
    assert shapes(a, 1)["attn_q.weight"] == (5120, 2 * 24 * 256)
    assert a.n_layer_mtp == 1
    assert a.rope is not None
    assert (a.rope.rotary_dim, a.rope.max_position) == (64, 4 * 262144)


def test_a_missing_key_is_named() -> None:
    config = {k: v for k, v in LLAMA_8B.items() if k != "intermediate_size"}
    with pytest.raises(InputError, match="intermediate_size is missing"):
        architecture_from_config(config, name="mine/config.json")


@pytest.mark.parametrize("value", [-1, 0, 1 << 40, "4096", 1.5, True, [4096], {"a": 1}, float("nan")])
@pytest.mark.parametrize("key", ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"])
def test_hostile_values_are_one_line(key: str, value: object) -> None:
    with pytest.raises(PlannerError) as caught:
        architecture_from_config(LLAMA_8B | {key: value})
    assert key in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("config", [[], "x", None, 3, {}, {"model_type": 3}, {"text_config": []}])
def test_not_a_configuration(config: Any) -> None:
    with pytest.raises(InputError):
        architecture_from_config(config)


@pytest.mark.parametrize("key", [*GEMMA3_27B["vision_config"], "spatial_merge_size"])
@pytest.mark.parametrize("value", [None, 0, -1, 10**30, "x", [], {}, 1.5])
def test_any_key_of_a_vision_tower_may_be_anything(key: str, value: object) -> None:
    try:
        architecture_from_config(GEMMA3_27B | {"vision_config": GEMMA3_27B["vision_config"] | {key: value}})
    except PlannerError as error:
        assert "vision_config" in str(error)


@pytest.mark.parametrize("base", [c for c, _, _ in STATED])
def test_any_key_may_be_anything(base: dict[str, Any]) -> None:
    """Every key of every configuration, replaced by each kind of JSON value: an answer or one clear line."""
    nested = base.get("text_config")
    value: object
    for key in list(nested or base):
        for value in (None, True, -5, 0, 10**30, 1.5, float("inf"), "x", [], ["x"], [1], {}, {"a": []}):
            inner = dict(nested or base) | {key: value}
            config = base | {"text_config": inner} if nested else inner
            try:
                architecture_from_config(config)
            except PlannerError as error:
                assert "\n" not in str(error)


def test_an_unknown_plain_decoder_is_a_stated_guess() -> None:
    a = architecture_from_config(LLAMA_8B | {"model_type": "brand_new"})
    assert not a.exact
    assert "brand_new" in a.notes[0]
    assert a.gguf_arch is None


def test_an_unknown_type_with_keys_of_its_own_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="brand_new"):
        architecture_from_config(LLAMA_8B | {"model_type": "brand_new", "num_local_experts": 8})
