"""Which layers slide, and configurations whose odd keys get their usual names.

Each `*_keys` function returns what replaces or completes a configuration's keys, so that the common code
reads them; the sources are the class of the same family in transformers 5.24.0 and llama.cpp b11434's
conversion/*.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from planner.errors import InputError
from planner.fast_dataclass import replace
from planner.models.config.dims import Dims
from planner.models.config.reader import MAX_LAYERS, Reader

Windows = Callable[[Reader, int], tuple[int, list[bool]]]


def windows_listed(
    c: Reader, n_layer: int, *, period: int = 1, full_first: bool = False
) -> tuple[int, list[bool]]:
    """Return the window and which layers slide: as layer_types lists them, else one full layer of every
    `period` (sliding_window_pattern)."""
    window = c.integer("sliding_window", "sliding_window_size", default=0, low=0, high=1 << 31)
    if kinds := c.texts("layer_types"):
        c.per_layer("layer_types", n_layer, kinds)
        return window, [window > 0 and ("sliding" in k or "chunked" in k) for k in kinds[:n_layer]]
    pattern = c.data.get("sliding_window_pattern")
    if isinstance(pattern, str):  # EXAONE 4: "LLLG"
        period = max(len(pattern), 1)
    elif pattern is not None:
        period = c.integer("sliding_window_pattern", low=1, high=1024)
    if window <= 0:
        return 0, [False] * n_layer
    return window, [(il % period != 0) if full_first else (il % period < period - 1) for il in range(n_layer)]


def windows(period: int, *, full_first: bool = False) -> Windows:
    """Return a rule of one full layer in every `period` where the file lists none."""
    return lambda c, n: windows_listed(c, n, period=period, full_first=full_first)


def exaone4_windows(c: Reader, n_layer: int) -> tuple[int, list[bool]]:
    """EXAONE 4: llama.cpp's graph slides only in the model of 64 layers (src/models/exaone4.cpp)."""
    return windows_listed(c, n_layer, period=4) if n_layer == 64 else (0, [False] * n_layer)


def n_layers(c: Reader) -> int:
    """Return the number of layers."""
    return c.integer("num_hidden_layers", high=MAX_LAYERS)


def llama4_keys(c: Reader) -> Mapping[str, Any]:
    """Llama 4: every step-th layer has experts and one shared expert; three of four attend in chunks."""
    n = n_layers(c)
    listed = c.integers("moe_layers", high=MAX_LAYERS)
    step = c.integer("interleave_moe_layer_step", default=1, high=MAX_LAYERS)
    sparse = set(listed) if listed is not None else set(range(step - 1, n, step))
    size = c.integer("intermediate_size")
    return {
        "mlp_layer_types": ["sparse" if il in sparse else "dense" for il in range(n)],
        "moe_intermediate_size": size,
        "shared_intermediate_size": size,
        "intermediate_size": c.integer("intermediate_size_mlp", default=size),
        "sliding_window": c.integer("attention_chunk_size", default=8192, high=1 << 31),
        "num_attention_heads": c.integer("num_attention_heads", default=40),
        "num_key_value_heads": c.integer("num_key_value_heads", default=8),
        "head_dim": c.integer("head_dim", default=128),
        "vocab_size": c.integer("vocab_size", default=202048),
    }


def hunyuan_keys(c: Reader) -> Mapping[str, Any]:
    """Hunyuan A13B states per-layer lists of what is the same in every layer."""
    found: dict[str, Any] = {}
    for key in ("moe_intermediate_size", "moe_topk", "num_shared_expert", "num_experts"):
        if isinstance(c.data.get(key), list):
            values = c.integers(key) or [0]
            if len(set(values)) != 1:
                raise InputError(f"{c.where}: {key} differs by layer: there are no rules for that")
            found[key] = values[0]
    return found


def minimax_m3_keys(c: Reader) -> Mapping[str, Any]:
    """MiniMax-M3: intermediate_size is an expert's."""
    size = c.integer("moe_intermediate_size", "intermediate_size")
    return {
        "moe_intermediate_size": size,
        "intermediate_size": c.integer("dense_intermediate_size", default=size),
    }


def laguna_keys(c: Reader) -> Mapping[str, Any]:
    """Laguna: the first layer is dense where mlp_layer_types is absent."""
    if c.has("mlp_layer_types"):
        return {}
    return {"mlp_layer_types": ["dense"] + ["sparse"] * (n_layers(c) - 1)}


def first_dense_keys(c: Reader) -> Mapping[str, Any]:
    """The first layer is dense where no key says otherwise (Hy3, GLM-4.7-Flash, Solar Open: none)."""
    if c.has("mlp_layer_types") or c.has("first_k_dense_replace") or c.has("moe_layer_freq"):
        return {}
    return {"mlp_layer_types": ["dense"] + ["sparse"] * (n_layers(c) - 1)}


def cohere_moe_keys(c: Reader) -> Mapping[str, Any]:
    """Command A+ and North: intermediate_size is an expert's, the dense layers in front have their own."""
    size = c.integer("intermediate_size")
    return {
        "moe_intermediate_size": size,
        "intermediate_size": c.integer("prefix_dense_intermediate_size", default=size),
        "head_dim": c.integer("head_dim", default=128),
    }


def mimo2_keys(c: Reader) -> Mapping[str, Any]:
    """MiMo V2: hybrid_layer_pattern has a 1 for each sliding layer."""
    n = n_layers(c)
    if c.has("layer_types"):
        return {}
    listed = c.integers("hybrid_layer_pattern", high=1)
    slides = listed if listed else [0 if il == 0 or (il + 1) % 6 == 0 else 1 for il in range(n)]
    return {"layer_types": ["sliding_attention" if v else "full_attention" for v in slides]}


def mimo2_shapes(c: Reader, d: Dims, slides: list[bool]) -> list[Dims]:
    """MiMo V2: sliding layers have heads of their own, and V heads are shorter than K heads."""
    full = replace(d, v_dim=c.integer("v_head_dim", default=d.head_dim))
    sliding = replace(
        full,
        heads=c.integer("swa_num_attention_heads", default=d.heads),
        kv_heads=c.integer("swa_num_key_value_heads", default=d.kv_heads),
        head_dim=c.integer("swa_head_dim", default=d.head_dim),
        v_dim=c.integer("swa_v_head_dim", default=full.v_dim),
    )
    return [sliding if slide else full for slide in slides]


def step35_keys(c: Reader) -> Mapping[str, Any]:
    """Step 3.5 names its experts and the layers that have them in its own way."""
    n = n_layers(c)
    found: dict[str, Any] = {}
    listed = c.data.get("moe_layers_enum")
    if isinstance(listed, str) and not c.has("mlp_layer_types"):
        try:
            sparse = {int(part) for part in listed.split(",")}
        except ValueError:
            raise c.wrong("moe_layers_enum", "layer numbers between commas") from None
        found["mlp_layer_types"] = ["sparse" if il in sparse else "dense" for il in range(n)]
    if kinds := c.texts("layer_types"):
        found["layer_types"] = kinds[:n] if len(kinds) >= n else kinds
    return found


def step35_shapes(c: Reader, d: Dims, slides: list[bool]) -> list[Dims]:
    """Step 3.5: sliding layers may have more heads (attention_other_setting)."""
    other = c.section("attention_other_setting") or c
    sliding = replace(
        d,
        heads=other.integer("num_attention_heads", default=d.heads)
        if other is not c
        else c.integer("num_sliding_attention_heads", default=d.heads),
        kv_heads=other.integer("num_attention_groups", default=d.kv_heads) if other is not c else d.kv_heads,
    )
    return [sliding if slide else d for slide in slides]


def laguna_shapes(c: Reader, d: Dims, slides: list[bool]) -> list[Dims]:
    """Laguna: the number of heads differs by layer."""
    listed = c.integers("num_attention_heads_per_layer", low=1, high=1 << 14)
    if not listed:
        return [d] * len(slides)
    c.per_layer("num_attention_heads_per_layer", d.layers, listed)
    return [replace(d, heads=heads) for heads in listed[: d.layers]]


def granite_keys(c: Reader) -> Mapping[str, Any]:
    """Granite: the converter ignores head_dim (conversion/granite.py)."""
    return {"head_dim": None}


def ernie_keys(c: Reader) -> Mapping[str, Any]:
    """ERNIE 4.5 states its experts as lists in the multimodal models: text first."""
    return {
        key: values[0]
        for key in ("moe_num_experts", "moe_intermediate_size")
        if isinstance(c.data.get(key), list) and (values := c.integers(key))
    }


def chatglm_keys(c: Reader) -> Mapping[str, Any]:
    """ChatGLM and GLM-4-9B-Chat: GPT-style names."""
    groups = c.integer("multi_query_group_num", default=0, low=0, high=1 << 14)
    grouped = {"num_key_value_heads": groups} if groups else {}
    return {
        **grouped,
        "intermediate_size": c.integer("ffn_hidden_size", "intermediate_size"),
        "vocab_size": c.integer("padded_vocab_size", "vocab_size"),
    }


def stablelm_keys(c: Reader) -> Mapping[str, Any]:
    """StableLM 2 names its biases in its own way."""
    return {"attention_bias": c.flag("use_qkv_bias", default=False)}
