"""Families against the catalogue's published element counts, and their layers' shapes.

A published count is that of a checkpoint's files; it holds the prediction layers ("mtp"), the vision tower
("vision") or both besides the text model, and none of the rope factors that a converter adds.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from planner.errors import InputError, UnsupportedError
from planner.models.architecture import Architecture, DenseFeedForward, MixtureOfExperts, NoFeedForward
from planner.models.cache import (
    CompressedAttention,
    FullAttention,
    LatentAttention,
    RecurrentState,
    SlidingWindow,
)
from planner.models.config.architecture import architecture_from_config
from planner.models.config.families import registry

SEEDS = Path(__file__).parents[2] / "seeds"
# One model of each family whose published count is met to the last element, and what the count holds.
EXACT = {
    "01-ai/Yi-1.5-34B-Chat": "plain",
    "allenai/OLMo-2-0325-32B-Instruct": "plain",
    "allenai/Olmo-3-7B-Instruct": "plain",
    "ai21labs/AI21-Jamba2-3B": "plain",
    "arcee-ai/AFM-4.5B": "plain",
    "arcee-ai/Trinity-Large-Thinking": "plain",
    "baidu/ERNIE-4.5-300B-A47B-PT": "plain",
    "bigcode/octocoder": "plain",
    "bigcode/starcoder2-3b": "plain",
    "bigscience/bloom": "plain",
    "ByteDance-Seed/Seed-OSS-36B-Instruct": "plain",
    "CohereLabs/aya-expanse-32b": "plain",
    "CohereLabs/c4ai-command-a-03-2025": "plain",
    "CohereLabs/North-Mini-Code-1.0": "plain",
    "deepseek-ai/DeepSeek-Coder-V2-Instruct": "plain",
    "deepseek-ai/DeepSeek-R1-0528-Qwen3-8B": "plain",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": "plain",
    "deepseek-ai/DeepSeek-R1": "mtp",
    "deepseek-ai/DeepSeek-V3.2": "mtp",
    "deepseek-ai/DeepSeek-V4-Flash": "mtp",
    "EssentialAI/rnj-1-instruct": "plain",
    "google/codegemma-1.1-7b-it": "plain",
    "google/gemma-2-27b-it": "plain",
    "google/gemma-4-26B-A4B-it": "vision",
    "HuggingFaceTB/SmolLM3-3B": "plain",
    "ibm-granite/granite-3.0-8b-instruct": "plain",
    "ibm-granite/granite-4.0-h-1b": "plain",
    "IFM/K2-Horizon-7B": "plain",
    "inclusionAI/Ling-3.0-flash": "mtp",
    "inclusionAI/Ring-1T": "plain",
    "internlm/Intern-S2-397B": "both",
    "internlm/internlm3-8b-instruct": "plain",
    "JetBrains/Mellum2-12B-A2.5B-Instruct": "plain",
    "LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct": "plain",
    "LGAI-EXAONE/EXAONE-4.0-32B": "plain",
    "LGAI-EXAONE/EXAONE-4.5-33B": "both",
    "LGAI-EXAONE/K-EXAONE-236B-A23B": "mtp",
    "LiquidAI/LFM2-1.2B": "plain",
    "LiquidAI/LFM2-24B-A2B": "plain",
    "meta-llama/Llama-3.2-11B-Vision-Instruct": "vision",
    "microsoft/Phi-3-medium-4k-instruct": "plain",
    "MiniMaxAI/MiniMax-M1-40k": "plain",
    "MiniMaxAI/MiniMax-M2.1": "plain",
    "mistralai/Codestral-22B-v0.1": "plain",
    "mistralai/Devstral-2-123B-Instruct-2512": "plain",
    "mistralai/Magistral-Small-2509": "vision",
    "mistralai/Mixtral-8x22B-Instruct-v0.1": "plain",
    "moonshotai/Kimi-K2.5": "vision",
    "moonshotai/Kimi-Linear-48B-A3B-Instruct": "plain",
    "nvidia/Llama-3_3-Nemotron-Super-49B-v1_5": "plain",
    "nvidia/Nemotron-H-8B-Base-8K": "plain",
    "openai/gpt-oss-120b": "plain",
    "openbmb/MiniCPM4.1-8B": "plain",
    "poolside/Laguna-S-2.1": "plain",
    "Qwen/Qwen3-235B-A22B-Instruct-2507": "plain",
    "Qwen/Qwen3-Coder-Next": "plain",
    "Qwen/Qwen3-VL-235B-A22B-Instruct": "vision",
    "Qwen/Qwen3-VL-2B-Instruct": "vision",
    "Qwen/Qwen3.5-0.8B": "both",
    "Snowflake/snowflake-arctic-instruct": "plain",
    "tencent/Hunyuan-1.8B-Instruct": "plain",
    "tencent/Hunyuan-A13B-Instruct": "plain",
    "tencent/Hy3": "mtp",
    "tiiuae/falcon-180B-chat": "plain",
    "tiiuae/Falcon-H1-3B-Instruct": "plain",
    "XiaomiMiMo/MiMo-7B-RL": "mtp",
    "XiaomiMiMo/MiMo-V2.5-Pro": "mtp",
    "zai-org/GLM-4-32B-0414": "plain",
    "zai-org/GLM-4.5-Air": "mtp",
    "zai-org/GLM-4.5V": "vision",
    "zai-org/GLM-4.6V-Flash": "vision",
    "zai-org/GLM-4.7-Flash": "mtp",
    "zai-org/GLM-5.1": "mtp",
}
# Known differences, in elements: our count of what is named, minus the published one.
DIFFERENT = {
    # published with the tensors' FP8 scales: one for 128 × 128 elements
    "deepseek-ai/DeepSeek-V3": ("mtp", -41540496),
    # rotary frequencies were stored: 64 for each of 32 layers
    "meta-llama/Llama-2-7b-chat-hf": ("plain", -32 * 64),
    # the embedding's last 64 rows stand for no token: not in a GGUF
    "google/gemma-3-27b-it": ("vision", -64 * 5376),
    # a causal mask of 1024 × 1024 was stored in each of 12 layers
    "openai-community/gpt2": ("plain", -12 * 1024 * 1024),
    # the head was stored although it is the embedding
    "Qwen/Qwen3-0.6B": ("plain", -151936 * 1024),
}


@cache
def _cards() -> dict[str, dict[str, Any]]:
    cards = (tomllib.loads(path.read_text(encoding="utf-8")) for path in SEEDS.glob("*/*.toml"))
    return {card["id"]: card for card in cards if "config" in card}


def _counted(a: Architecture, what: str) -> int:
    factors = sum(t.elements for t in a.tensors if t.name.startswith("rope_f"))
    count = a.parameters(mtp=what in ("mtp", "both")) - factors
    if what in ("vision", "both"):
        assert a.vision is not None
        count += a.vision.parameters
    return count


@pytest.mark.parametrize("name", EXACT)
def test_elements_are_those_that_are_published(name: str) -> None:
    card = _cards()[name]
    assert _counted(architecture_from_config(card["config"]), EXACT[name]) == card["parameters"]["total"]


@pytest.mark.parametrize("name", DIFFERENT)
def test_known_differences(name: str) -> None:
    card = _cards()[name]
    what, difference = DIFFERENT[name]
    counted = _counted(architecture_from_config(card["config"]), what)
    assert counted - card["parameters"]["total"] == difference


BASE: dict[str, Any] = {
    "hidden_size": 256,
    "num_hidden_layers": 8,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "intermediate_size": 512,
    "vocab_size": 1000,
    "max_position_embeddings": 4096,
}
MOE = {"num_experts": 16, "num_experts_per_tok": 4, "moe_intermediate_size": 128}
MLA = {
    "q_lora_rank": 96,
    "kv_lora_rank": 64,
    "qk_rope_head_dim": 32,
    "qk_nope_head_dim": 64,
    "v_head_dim": 64,
    "num_key_value_heads": 4,
}


def build(model_type: str, **keys: Any) -> Architecture:
    return architecture_from_config({**BASE, "model_type": model_type, **keys})


def tensor_shapes(a: Architecture, il: int) -> dict[str, tuple[int, ...]]:
    group = next(g for g in a.groups if il in g.layers)
    return {t.name: t.shape for t in group.tensors}


def cache_of(a: Architecture, il: int) -> object:
    return next(g for g in a.groups if il in g.layers).caches[0]


def test_llama4_attends_in_chunks_and_has_experts_in_every_second_layer() -> None:
    a = build(
        "llama4_text",
        num_local_experts=16,
        num_experts_per_tok=1,
        interleave_moe_layer_step=2,
        intermediate_size_mlp=1024,
        attention_chunk_size=512,
    )
    assert [isinstance(cache_of(a, il), SlidingWindow) for il in range(4)] == [True, True, True, False]
    assert tensor_shapes(a, 0)["ffn_up.weight"] == (256, 1024)
    assert tensor_shapes(a, 1)["ffn_up_exps.weight"] == (256, 512, 16)
    assert tensor_shapes(a, 1)["ffn_up_shexp.weight"] == (256, 512)


def test_gemma4_shares_caches_and_lengthens_full_heads() -> None:
    a = build(
        "gemma4_text",
        sliding_window=512,
        layer_types=["sliding_attention", "full_attention"] * 4,
        global_head_dim=128,
        num_global_key_value_heads=1,
        attention_k_eq_v=True,
        num_kv_shared_layers=4,
        use_double_wide_mlp=True,
        hidden_size_per_layer_input=32,
    )
    assert cache_of(a, 0) == SlidingWindow(4, 2, 64, 64, 512)
    assert cache_of(a, 1) == FullAttention(4, 1, 128, 128, v_from_k=True)
    assert cache_of(a, 5) == FullAttention(4, 1, 128, 128, owns_cache=False, v_from_k=True)
    assert "attn_v.weight" not in tensor_shapes(a, 1)
    assert tensor_shapes(a, 4)["ffn_up.weight"] == (256, 1024)
    assert {t.name: t.shape for t in a.tensors}["per_layer_token_embd.weight"] == (32 * 8, 1000)


def test_nemotron_h_has_one_block_a_layer() -> None:
    a = build(
        "nemotron_h",
        hybrid_override_pattern="M*E-MEM*",
        mamba_num_heads=8,
        mamba_head_dim=64,
        ssm_state_size=32,
        n_groups=2,
        n_routed_experts=8,
        num_experts_per_tok=2,
        moe_intermediate_size=64,
        moe_shared_expert_intermediate_size=96,
        moe_latent_size=128,
        num_nextn_predict_layers=1,
    )
    assert a.gguf_arch == "nemotron_h_moe"
    kinds = {il: g for g in a.groups for il in g.layers}
    assert isinstance(kinds[0].caches[0], RecurrentState)
    assert isinstance(kinds[1].caches[0], FullAttention)
    assert isinstance(kinds[1].feed_forward, NoFeedForward)
    assert kinds[2].caches == ()
    assert isinstance(kinds[3].feed_forward, DenseFeedForward)
    assert tensor_shapes(a, 2)["ffn_up_exps.weight"] == (128, 64, 8)
    assert tensor_shapes(a, 2)["ffn_latent_down.weight"] == (256, 128)
    assert kinds[8].mtp
    with pytest.raises(InputError, match="hybrid_override_pattern"):
        build("nemotron_h", hybrid_override_pattern="M*X", mamba_num_heads=8, ssm_state_size=32)


def test_kimi_linear_counts_its_layers_from_one() -> None:
    a = build(
        "kimi_linear",
        **{**MOE, **MLA, "q_lora_rank": None, "num_shared_experts": 1, "first_k_dense_replace": 1},
        linear_attn_config={"head_dim": 32, "short_conv_kernel_size": 4, "full_attn_layers": [4, 8]},
    )
    assert isinstance(cache_of(a, 3), LatentAttention)
    state = cache_of(a, 2)
    assert isinstance(state, RecurrentState)
    assert (state.conv_channels, state.state_elements) == (3 * 4 * 32, 4 * 32 * 32)
    assert "ffn_up.weight" in tensor_shapes(a, 0)
    assert "ffn_up_exps.weight" in tensor_shapes(a, 1)


def test_deepseek4_keeps_entries_by_ratio() -> None:
    a = build(
        "deepseek_v4",
        **{**MOE, "num_key_value_heads": 1},
        n_shared_experts=1,
        q_lora_rank=96,
        o_groups=2,
        o_lora_rank=32,
        index_n_heads=4,
        index_head_dim=32,
        index_topk=64,
        sliding_window=128,
        num_hash_layers=2,
        compress_ratios=[0, 4, 128, 4, 128, 4, 128, 4],
    )
    ratios = [cache_of(a, il) for il in range(8)]
    assert [c.ratio for c in ratios if isinstance(c, CompressedAttention)] == [0, 4, 128, 4, 128, 4, 128, 4]
    assert "ffn_gate_tid2eid.weight" in tensor_shapes(a, 1)
    assert "exp_probs_b.bias" in tensor_shapes(a, 2)
    assert tensor_shapes(a, 2)["attn_compressor_kv.weight"] == (256, 64)
    assert tensor_shapes(a, 3)["attn_compressor_kv.weight"] == (256, 128)


def test_shared_indexers_hold_no_keys() -> None:
    keys = {**MOE, **MLA, "index_n_heads": 4, "index_head_dim": 32, "index_topk": 64}
    a = build("glm_moe_dsa", **keys, indexer_types=["full", "shared"] * 4, num_nextn_predict_layers=1)
    kept = [cache_of(a, il) for il in range(8)]
    assert [isinstance(c, LatentAttention) and c.indexer is not None for c in kept] == [True, False] * 4
    assert "indexer.proj.weight" in tensor_shapes(a, 0)
    assert "indexer.proj.weight" not in tensor_shapes(a, 1)
    assert a.n_layer_mtp == 1


def test_heads_may_differ_by_layer() -> None:
    laguna = build(
        "laguna", **MOE, sliding_window=64, num_attention_heads_per_layer=[4, 8] * 4,
        layer_types=["full_attention", "sliding_attention"] * 4,
    )  # fmt: skip
    assert tensor_shapes(laguna, 0)["attn_q.weight"] == (256, 4 * 64)
    assert tensor_shapes(laguna, 1)["attn_q.weight"] == (256, 8 * 64)
    mimo = build(
        "mimo_v2_flash", **{**MOE, "n_routed_experts": 16}, v_head_dim=32, swa_num_key_value_heads=4,
        sliding_window=128, hybrid_layer_pattern=[0, 1] * 4, moe_layer_freq=[0] + [1] * 7,
    )  # fmt: skip
    assert cache_of(mimo, 0) == FullAttention(4, 2, 64, 32)
    assert cache_of(mimo, 1) == SlidingWindow(4, 4, 64, 32, 128)
    assert "attn_sinks.weight" in tensor_shapes(mimo, 1)
    assert "attn_sinks.weight" not in tensor_shapes(mimo, 0)
    assert mimo.n_layer_mtp == 3


def test_pruned_layers_may_lack_attention_or_feed_forward() -> None:
    kept: dict[str, Any] = {"attention": {"n_heads_in_group": 2}, "ffn": {"ffn_mult": 2.0}}
    blocks = [kept] * 6 + [
        {"attention": {"n_heads_in_group": None, "no_op": True}, "ffn": {"ffn_mult": 1.0}},
        {"attention": {"n_heads_in_group": 4}, "ffn": {"ffn_mult": None, "no_op": True}},
    ]
    a = build("nemotron-nas", block_configs=blocks)
    assert [g.count for g in a.groups] == [6, 1, 1]
    assert a.groups[1].caches == ()
    assert isinstance(a.groups[2].feed_forward, NoFeedForward)
    assert a.groups[0].feed_forward == DenseFeedForward(512)
    with pytest.raises(InputError, match="block_configs"):
        build("nemotron-nas", block_configs=blocks[:3])


def test_short_convolutions_and_their_feed_forward_size() -> None:
    a = build("lfm2", layer_types=["conv", "full_attention"] * 4, block_ff_dim=1536, block_multiple_of=256)
    state = cache_of(a, 0)
    assert isinstance(state, RecurrentState)
    assert (state.kind, state.conv_elements, state.state_elements) == ("short_conv", 2 * 256, 0)
    assert a.groups[0].feed_forward == DenseFeedForward(1024)


def test_experts_start_and_step_as_ernie_states() -> None:
    a = build(
        "ernie4_5_moe",
        moe_num_experts=8,
        moe_k=2,
        moe_intermediate_size=64,
        moe_num_shared_experts=2,
        moe_layer_start_index=1,
        moe_layer_end_index=-1,
        moe_layer_interval=1,
    )
    assert [g.layers for g in a.groups] == [(0,), tuple(range(1, 8))]
    moe = a.groups[1].feed_forward
    assert isinstance(moe, MixtureOfExperts)
    assert (moe.n_shared, moe.shared_intermediate) == (2, 128)


def test_prediction_layers_that_no_gguf_holds_are_marked() -> None:
    a = build("deepseek_v3", **MOE, **MLA, n_shared_experts=1, first_k_dense_replace=1,
              num_nextn_predict_layers=1)  # fmt: skip
    assert [g.in_gguf for g in a.groups if g.mtp] == [False]
    assert "exp_probs_b.bias" in tensor_shapes(a, 1)


def test_rope_tables_follow_the_scaling() -> None:
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024}
    rope = build("qwen3", rope_scaling=yarn).rope
    assert rope is not None
    assert (rope.rotary_dim, rope.max_position) == (64, 4096)
    long = {"type": "longrope", "long_factor": [1.0], "short_factor": [1.0]}
    a = build("phi3", rope_scaling=long, original_max_position_embeddings=2048, partial_rotary_factor=0.75)
    assert a.rope is not None
    assert (a.rope.rotary_dim, a.rope.max_position) == (48, 2048 + 4096)
    assert {t.name: t.shape for t in a.tensors}["rope_factors_long.weight"] == (24,)
    both = build(
        "gemma4_text",
        sliding_window=512,
        global_head_dim=128,
        rope_parameters={
            "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25},
            "sliding_attention": {"rope_type": "default"},
        },
    ).rope
    assert both is not None
    assert both.table_elements == 4096 * (128 + 64)


def test_what_has_no_rules_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="experts of values"):
        build("k2_horizon", num_experts=8, mova_num_experts=4)


def test_a_window_that_llama_cpp_ignores_is_kept_beside() -> None:
    a = build("mistral", sliding_window=1024)
    full = cache_of(a, 0)
    assert isinstance(full, FullAttention)
    assert full.window == 1024
    assert full == FullAttention(4, 2, 64, 64)  # as a GGUF header says it
    assert "1024" in a.notes[0]
    assert build("qwen2", sliding_window=1024, use_sliding_window=False).notes == ()


def test_the_registry_names_what_each_file_builds() -> None:
    for module, types in registry.MODEL_TYPES.items():
        families = import_module(f"{registry.__package__}.{module}").FAMILIES
        assert set(types) == set(families), module
    folder = Path(registry.__file__).parent
    with_families = {p.stem for p in folder.glob("*.py") if "\nFAMILIES:" in p.read_text(encoding="utf-8")}
    assert with_families == {*registry.MODEL_TYPES, registry.DECODERS}


def test_no_model_type_has_two_builders() -> None:
    decoders = import_module(f"{registry.__package__}.{registry.DECODERS}").FAMILIES
    named = [kind for types in registry.MODEL_TYPES.values() for kind in types] + list(decoders)
    assert len(named) == len(set(named))
