"""The Architecture of a GGUF header equals that of the same model's config.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import gguf_bytes as w
import pytest

from benchmarks.gguf_headers import write_header
from planner.errors import InputError, PlannerError, UnsupportedError
from planner.models.architecture import Architecture, LayerGroup
from planner.models.cache import FullAttention, LatentAttention, RecurrentState, SlidingWindow
from planner.models.catalogue.catalogue import load_catalogue
from planner.models.config.architecture import architecture_from_config
from planner.models.gguf.architecture import architecture_from_gguf, tensors_from_gguf
from planner.models.gguf.header import read_gguf
from planner.models.tensors import Role, TensorInfo

BASE: dict[str, Any] = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "max_position_embeddings": 4096,
    "num_attention_heads": 8,
    "num_hidden_layers": 8,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-6,
    "vocab_size": 1000,
    "tie_word_embeddings": False,
}
MLA = {
    "kv_lora_rank": 64,
    "qk_nope_head_dim": 32,
    "qk_rope_head_dim": 16,
    "v_head_dim": 32,
    "num_key_value_heads": 8,
    "first_k_dense_replace": 1,
    "moe_intermediate_size": 64,
    "n_routed_experts": 16,
    "n_shared_experts": 2,
    "num_experts_per_tok": 4,
    "moe_layer_freq": 1,
}
LINEAR = {
    "full_attention_interval": 4,
    "head_dim": 64,
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 16,
    "linear_num_key_heads": 4,
    "linear_num_value_heads": 8,
    "linear_value_head_dim": 16,
    "partial_rotary_factor": 0.25,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {**BASE, "model_type": "llama"},
    "llama tied": {**BASE, "model_type": "llama", "tie_word_embeddings": True},
    "qwen2": {**BASE, "model_type": "qwen2"},
    "mixtral": {**BASE, "model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2},
    "qwen3": {**BASE, "model_type": "qwen3", "head_dim": 64},
    "qwen3_moe": {
        **BASE,
        "model_type": "qwen3_moe",
        "head_dim": 64,
        "num_experts": 16,
        "num_experts_per_tok": 4,
        "moe_intermediate_size": 96,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    },
    "gpt_oss": {
        **BASE,
        "model_type": "gpt_oss",
        "head_dim": 64,
        "num_local_experts": 8,
        "num_experts_per_tok": 4,
        "sliding_window": 128,
        "layer_types": ["sliding_attention", "full_attention"] * 4,
    },
    "gemma2": {**BASE, "model_type": "gemma2", "head_dim": 64, "sliding_window": 512},
    "gemma3": {
        **BASE,
        "model_type": "gemma3_text",
        "head_dim": 64,
        "sliding_window": 512,
        "sliding_window_pattern": 6,
    },
    "deepseek_v2": {**BASE, **MLA, "model_type": "deepseek_v2", "q_lora_rank": None},
    "deepseek_v3": {**BASE, **MLA, "model_type": "deepseek_v3", "q_lora_rank": 96},
    "granitemoehybrid": {
        **BASE,
        "model_type": "granitemoehybrid",
        "layer_types": (["mamba"] * 3 + ["attention"]) * 2,
        "mamba_n_heads": 16,
        "mamba_d_head": 32,
        "mamba_n_groups": 1,
        "mamba_d_state": 16,
        "mamba_d_conv": 4,
        "mamba_expand": 2,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "shared_intermediate_size": 128,
        "position_embedding_type": "rope",
    },
    "qwen3_next": {
        **BASE,
        **LINEAR,
        "model_type": "qwen3_next",
        "num_experts": 16,
        "num_experts_per_tok": 4,
        "moe_intermediate_size": 96,
        "shared_expert_intermediate_size": 96,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    },
    "qwen3_5": {**BASE, **LINEAR, "model_type": "qwen3_5_text"},
    "glm4_moe": {
        **BASE,
        **{k: v for k, v in MLA.items() if "rank" not in k and "head" not in k},
        "model_type": "glm4_moe",
        "head_dim": 64,
        "num_nextn_predict_layers": 1,
        "attention_bias": True,
        "use_qk_norm": True,
        "partial_rotary_factor": 0.5,
    },
}


def _canonical(groups: Sequence[LayerGroup]) -> list[object]:
    """Groups as they are compared: a file holds its tensors in the converter's order."""
    return [
        (g.layers, g.caches, g.feed_forward, sorted(g.tensors, key=lambda t: t.name), g.mtp)
        for g in groups
        if g.in_gguf
    ]


def _read(path: Path, arch: Architecture) -> Architecture:
    write_header(path, arch)
    return architecture_from_gguf(read_gguf(path))


@pytest.mark.parametrize("name", CONFIGS)
def test_config_and_header_yield_the_same_architecture(tmp_path: Path, name: str) -> None:
    expected = architecture_from_config(CONFIGS[name])
    found = _read(tmp_path / "m.gguf", expected)
    assert _canonical(found.groups) == _canonical(expected.groups)
    assert sorted(found.tensors, key=lambda t: t.name) == sorted(expected.tensors, key=lambda t: t.name)
    for field in ("gguf_arch", "hidden_size", "vocab_size", "n_ctx_train", "tied_embeddings", "exact"):
        assert getattr(found, field) == getattr(expected, field)
    assert found.rope is not None
    assert expected.rope is not None
    assert found.rope.rotary_dim == expected.rope.rotary_dim
    assert found.active_parameters() == expected.active_parameters()


def test_every_model_of_the_catalogue_survives_its_header(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    different, seen = [], 0
    for entry in load_catalogue().all_entries():
        try:
            expected = entry.architecture()
        except PlannerError:
            continue  # a model without rules; the catalogue's own tests count those
        if expected.gguf_arch is None:
            continue
        seen += 1
        found = _read(path, expected)
        same = _canonical(found.groups) == _canonical(expected.groups)
        if not same or set(found.tensors) != set(expected.tensors):
            different.append((entry.id, expected.gguf_arch))
    assert different == []
    assert seen > 200


def test_tensors_keep_the_types_of_the_file(tmp_path: Path) -> None:
    arch = architecture_from_config(CONFIGS["llama"])

    def mixed(name: str, tensor: TensorInfo) -> gguf.GGMLQuantizationType:
        if len(tensor.shape) == 1:
            return gguf.GGMLQuantizationType.F32
        odd = name.startswith("blk.3.")
        return gguf.GGMLQuantizationType.Q6_K if odd else gguf.GGMLQuantizationType.Q4_K

    path = tmp_path / "m-Q4_K_M.gguf"
    write_header(path, arch, mixed)
    header = read_gguf(path)
    tensors = {t.name: t for t in tensors_from_gguf(header)}
    assert tensors["blk.3.attn_q.weight"] == TensorInfo(
        "blk.3.attn_q.weight", (256, 256), Role.ATTN_Q, "Q6_K"
    )
    assert tensors["blk.2.attn_q.weight"].type == "Q4_K"
    assert tensors["blk.2.attn_norm.weight"].type == "F32"
    assert len(tensors) == len(arch.tensors) + 8 * 9
    # A mix doesn't split the groups.
    assert [g.count for g in architecture_from_gguf(header).groups] == [8]


def _header(arch: str, keys: dict[str, int | list[int]], names: dict[str, tuple[int, ...]]) -> bytes:
    pairs = [w.pair("general.architecture", w.STRING, arch)]
    for key, value in keys.items():
        full = f"{arch}.{key}"
        pairs.append(w.array(full, w.U32, value) if isinstance(value, list) else w.pair(full, w.U32, value))
    infos, offset = [], 0
    for name, shape in names.items():
        infos.append(w.info(name, shape, 0, offset))
        size = 4
        for extent in shape:
            size *= extent
        offset += -(-size // 32) * 32
    return w.header(pairs, infos)


KEYS: dict[str, int | list[int]] = {
    "block_count": 8,
    "embedding_length": 64,
    "context_length": 1024,
    "attention.head_count": 4,
    "attention.head_count_kv": 2,
}


def _dense(n_layer: int = 8) -> dict[str, tuple[int, ...]]:
    names: dict[str, tuple[int, ...]] = {"token_embd.weight": (64, 100)}
    for il in range(n_layer):
        names[f"blk.{il}.attn_q.weight"] = (64, 64)
        names[f"blk.{il}.attn_k.weight"] = (64, 32)
        names[f"blk.{il}.attn_v.weight"] = (64, 32)
        names[f"blk.{il}.ffn_gate.weight"] = (64, 128)
        names[f"blk.{il}.ffn_up.weight"] = (64, 128)
        names[f"blk.{il}.ffn_down.weight"] = (128, 64)
    return names


@pytest.fixture
def build(tmp_path: Path) -> Any:
    def build(raw: bytes) -> Architecture:
        path = tmp_path / "m.gguf"
        path.write_bytes(raw)
        return architecture_from_gguf(read_gguf(path))

    return build


def _sliding(arch: Architecture) -> dict[int, int]:
    return {
        il: c.window for g in arch.groups for il in g.layers for c in g.caches if isinstance(c, SlidingWindow)
    }


@pytest.mark.parametrize(
    ("arch", "keys", "layers", "window"),
    [
        ("gpt-oss", {"attention.sliding_window": 128}, [0, 2, 4, 6], 128),
        ("gemma2", {}, [0, 2, 4, 6], 4096),
        ("gemma3", {"attention.sliding_window": 512}, [0, 1, 2, 3, 4, 6, 7], 512),
        ("gemma3", {}, [], 0),
        ("llama4", {}, [0, 1, 2, 4, 5, 6], 8192),
        ("llama4", {"attention.sliding_window": 0}, [], 0),
        ("cohere2", {"attention.sliding_window": 256}, [0, 1, 2, 4, 5, 6], 256),
        ("smallthinker", {"attention.sliding_window": 99}, [1, 2, 3, 5, 6, 7], 4096),
        ("exaone4", {"attention.sliding_window": 512}, [], 0),  # only the model of 64 layers slides
        ("phi3", {"attention.sliding_window": 512}, [], 0),  # disabled in this build
        ("llama", {"attention.sliding_window": 512}, [], 0),  # Mistral's window is not used
        (
            "gemma3",
            {"attention.sliding_window": 512, "attention.sliding_window_pattern": 2},
            [0, 2, 4, 6],
            512,
        ),
        (
            "mimo2",
            {"attention.sliding_window": 64, "attention.sliding_window_pattern": [0, 1, 1, 0, 0, 0, 0, 1]},
            [1, 2, 7],
            64,
        ),
    ],
)
def test_which_layers_slide(
    build: Any, arch: str, keys: dict[str, Any], layers: list[int], window: int
) -> None:
    found = _sliding(build(_header(arch, {**KEYS, **keys}, _dense())))
    assert found == dict.fromkeys(layers, window)


def test_prediction_layers_may_be_left_out(build: Any) -> None:
    keys = {**KEYS, "block_count": 9, "nextn_predict_layers": 1}
    without = build(_header("glm4moe", keys, _dense(8)))
    assert (without.n_layer, without.n_layer_mtp) == (8, 0)
    with_them = build(_header("glm4moe", keys, _dense(9)))
    assert (with_them.n_layer, with_them.n_layer_mtp) == (8, 1)


def test_an_architecture_of_the_future_is_an_estimate(build: Any) -> None:
    arch = build(_header("llama9", KEYS, _dense()))
    assert not arch.exact
    assert "doesn't know the architecture llama9" in arch.notes[0]
    assert build(_header("llama", KEYS, _dense())).exact


def test_llama4_slides_in_chunks_and_gemma4_shares(build: Any) -> None:
    arch = build(_header("llama4", KEYS, _dense()))
    assert {c.chunked for g in arch.groups for c in g.caches if isinstance(c, SlidingWindow)} == {True}
    pattern = {"attention.sliding_window_pattern": [1, 1, 1, 0] * 2, "attention.sliding_window": 32}
    keys = {"attention.shared_kv_layers": 3, "attention.key_length_swa": 8, "attention.value_length_swa": 8}
    arch = build(_header("gemma4", {**KEYS, **pattern, **keys}, _dense()))
    owns = {il: c.owns_cache for g in arch.groups for il in g.layers for c in g.caches}
    assert [owns[il] for il in range(8)] == [True] * 5 + [False] * 3
    dims = {(type(c), c.head_dim_k) for g in arch.groups for c in g.caches}
    assert dims == {(SlidingWindow, 8), (FullAttention, 16)}


def test_old_latent_files_cache_whole_heads(build: Any) -> None:
    """Without attn_k_b llama.cpp decompresses: it caches K and V of every head."""
    names = {"token_embd.weight": (64, 100)}
    names |= {"blk.0.attn_kv_a_mqa.weight": (64, 24), "blk.0.ffn_down.weight": (128, 64)}
    keys = {**KEYS, "block_count": 1, "attention.kv_lora_rank": 16, "rope.dimension_count": 8}
    keys |= {"attention.head_count_kv": 4, "attention.key_length": 24, "attention.value_length": 16}
    (group,) = build(_header("deepseek2", keys, names)).groups
    assert group.caches == (FullAttention(4, 4, 24, 16),)
    keys |= {"attention.key_length_mla": 24, "attention.value_length_mla": 16}
    (group,) = build(_header("deepseek2", keys, names)).groups
    assert group.caches == (LatentAttention(4, 16, 8, 16, 16),)


def test_two_caches_in_one_layer(build: Any) -> None:
    names = _dense(1) | {"blk.0.ssm_conv1d.weight": (4, 160)}
    ssm = {"inner_size": 128, "state_size": 16, "time_step_rank": 8, "group_count": 1, "conv_kernel": 4}
    keys = {**KEYS, "block_count": 1} | {f"ssm.{k}": v for k, v in ssm.items()}
    (group,) = build(_header("falcon-h1", keys, names)).groups
    assert group.caches[0] == FullAttention(4, 2, 16, 16)
    assert group.caches[1] == RecurrentState("mamba2", 4, 160, 2048, 8, 16, 16, 1, 128)


@pytest.mark.parametrize(
    ("arch", "keys", "drop", "words"),
    [
        ("llama", {"block_count": 0}, "", "block_count is 0"),
        ("llama", {"block_count": 1 << 30}, "", "block_count is 1073741824"),
        ("llama", {"block_count": 9}, "", "layer 8 has no tensors"),
        ("llama", {"block_count": 7}, "", r"'blk\.7\.attn_q\.weight' belongs to none of the 7 layers"),
        ("llama", {"embedding_length": 32}, "", "token_embd.weight is missing or not of 32"),
        ("llama", {}, "token_embd.weight", "token_embd.weight is missing"),
        ("llama", {"attention.head_count_kv": [1, 2]}, "", "must hold 8 whole numbers"),
        ("llama", {"nextn_predict_layers": 8}, "", "8 prediction layers of 8"),
        ("mimo2", {"attention.sliding_window": 9}, "", "sliding_window_pattern is missing"),
    ],
)
def test_headers_that_contradict_themselves(
    build: Any, arch: str, keys: dict[str, Any], drop: str, words: str
) -> None:
    names = {n: s for n, s in _dense().items() if n != drop}
    with pytest.raises(InputError, match=words):
        build(_header(arch, {**KEYS, **keys}, names))


def test_experts_that_contradict_themselves(build: Any) -> None:
    names = _dense(1) | {"blk.0.ffn_down_exps.weight": (32, 64, 4), "blk.0.ffn_up_exps.weight": (64, 32, 4)}
    for used in (0, 5):
        with pytest.raises(InputError, match=f"expert_used_count is {used} of 4"):
            build(_header("llama", {**KEYS, "block_count": 1, "expert_used_count": used}, names))
    with pytest.raises(UnsupportedError, match="one tensor an expert"):
        build(_header("llama", {**KEYS, "block_count": 1}, _dense(1) | {"blk.0.ffn_gate.0.weight": (64, 32)}))


@pytest.mark.parametrize("arch", ["clip", "rwkv7", "t5", "wavtokenizer-dec", "eagle3"])
def test_files_that_are_no_language_model(build: Any, arch: str) -> None:
    with pytest.raises(UnsupportedError, match=arch):
        build(_header(arch, KEYS, _dense()))
