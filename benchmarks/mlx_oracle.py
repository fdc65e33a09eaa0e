"""What mlx-lm itself makes of a model: bytes of weights and caches from its own classes, nothing allocated.

    python -m benchmarks.mlx_oracle --cases > cases.jsonl                # with the planner's Python
    VENV/bin/python benchmarks/mlx_oracle.py < cases.jsonl > benchmarks/data/mlx_oracle.jsonl

The second runs in a virtual environment of its own: pip install mlx==0.32.4 mlx-cpu==0.32.4 mlx-lm==0.32.2 (a CPU
will do). MLX's arrays are lazy: a model that was built from a configuration has shapes and types, and so bytes,
before anything is computed, and so has a cache after the model ran over a prompt that nobody evaluates.

Not covered, as no CPU shows it: activations at their peak, the allocator's cache of freed buffers, the wired limit.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

MLX_LM: Final = "0.32.2"
_SOURCE: Final = f"mlx-lm {MLX_LM} on mlx 0.32.4 (CPU), benchmarks/mlx_oracle.py"
# What a case is made with: bits, group and mode of mlx_lm.convert, a recipe, or the experts as they are published.
_FORMATS: Final[Mapping[str, Mapping[str, Any]]] = {
    "BF16": {},
    "8bit": {"bits": 8},
    "6bit": {"bits": 6},
    "5bit": {"bits": 5},
    "4bit": {"bits": 4},
    "3bit": {"bits": 3},
    "4bit-g32": {"bits": 4, "group_size": 32},
    "5bit-g32": {"bits": 5, "group_size": 32},
    "8bit-g128": {"bits": 8, "group_size": 128},
    "mxfp4": {"bits": 4, "group_size": 32, "mode": "mxfp4"},
    "mxfp8": {"bits": 8, "group_size": 32, "mode": "mxfp8"},
    "nvfp4": {"bits": 4, "group_size": 16, "mode": "nvfp4"},
    "mixed_2_6": {"recipe": "mixed_2_6"},
    "mixed_3_4": {"recipe": "mixed_3_4"},
    "mixed_3_6": {"recipe": "mixed_3_6"},
    "mixed_4_6": {"recipe": "mixed_4_6"},
    "MXFP4": {"experts": "mxfp4"},
    "MXFP4-Q8": {"bits": 8, "experts": "mxfp4"},
    "MXFP4-Q4": {"bits": 4, "experts": "mxfp4"},
}
_ROTA: Final = (
    ("4bit", "BF16"), ("8bit", "mixed_4_6"), ("6bit", "mxfp4"), ("5bit", "4bit-g32"), ("4bit", "nvfp4"),
    ("3bit", "mixed_3_6"), ("8bit-g128", "mixed_2_6"), ("mxfp8", "5bit-g32"), ("4bit", "mixed_3_4"),
)  # fmt: skip
_LENGTHS: Final = ((129, 2177), (700, 4500), (257, 6145), (2050, 5000))
_KEPT: Final = (None, None, {"kv_bits": 8}, {"prefill_step_size": 512}, {"max_kv_size": 1024}, {"kv_bits": 4})
# Keys of the published file that the card leaves out, where a class's own default is something else.
_STATED: Final[Mapping[str, Mapping[str, Any]]] = {
    "deepseek_v2": {"q_lora_rank": None},
    "bailing_hybrid": {"q_lora_rank": None},
    "glm_moe_dsa": {"topk_method": "noaux_tc"},
    **{key: {"topk_method": "noaux_tc", "n_shared_experts": None} for key in ("mimo_v2_flash", "mimo_v2")},
    "gemma3n_text": {
        "rope_local_base_freq": 10000.0,
        "final_logit_softcapping": 30.0,
        "activation_sparsity_pattern": [0.0] * 64,
        "altup_coef_clip": 120.0,
        "altup_correct_scale": True,
        "altup_active_idx": 0,
        "max_position_embeddings": 32768,
    },
    "BailingMoeV2ForCausalLM": {"moe_router_enable_expert_bias": True},
}
# Keys that move no byte, which classes need nevertheless.
_ROPE: Final = {"rope_theta": 10000.0, "rope_type": "default"}
_SCALED: Final = {**_ROPE, "llama_4_scaling_beta": 0.1, "original_max_position_embeddings": 8192}
_UNMOVED: Final[Mapping[str, Any]] = {
    "rope_theta": 10000.0,
    "rms_norm_eps": 1e-6,
    "routed_scaling_factor": 1.0,
    "norm_topk_prob": True,
    "n_group": 1,
    "topk_group": 1,
    "rope_scaling": None,
    "mla_scale_q_lora": True,
    "mla_scale_kv_lora": True,
    "block_auto_adjust_ff_dim": False,
}
_ROPES: Final[Mapping[str, Any]] = {
    "ministral3": _SCALED,
    "mistral4": _SCALED,
    "mellum": {"sliding_attention": _ROPE, "full_attention": _ROPE},
}
# Models that a class is built for, but not for the tensors of their published files: loading them fails.
_NOT_LOADED: Final[Mapping[str, str]] = {
    "poolside/Laguna-M.1": "gates attention a head, the file every element",
    "mistralai/Mistral-Large-3-675B-Instruct-2512": "has no latent attention in mistral3",
    **dict.fromkeys(
        ("zai-org/GLM-5.2", "zai-org/GLM-5.3"), "has an indexer in every layer, the file in some"
    ),
}
_PATIENCE: Final = 60  # seconds a case


def cases() -> Iterator[dict[str, Any]]:
    """Yield what to ask of every model of the catalogue, formats, lengths and cache settings in turn."""
    from planner.models.catalogue.catalogue import load_catalogue

    for number, entry in enumerate(e for e in load_catalogue().all_entries() if e.config):
        kind = (entry.config.get("quantization_config") or {}).get("quant_method")
        formats = ("MXFP4-Q8", "MXFP4", "MXFP4-Q4") if kind == "mxfp4" else _ROTA[number % len(_ROTA)]
        for at, quant in enumerate(formats):
            yield {
                "model": entry.id,
                "quant": quant,
                "tokens": _LENGTHS[(number + at) % len(_LENGTHS)],
                "settings": _KEPT[(number + at) % len(_KEPT)] or {},
                "config": dict(entry.config),
            }


def answer(case: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield one row a length: what mlx-lm's own classes take for this case, or why they refuse it."""
    row = {
        "id": f"{case['model']}:{case['quant']}",
        "source": {"kind": "engine-planning", "what": _SOURCE},
        "engine": "mlx",
        "model": case["model"],
        "quant": case["quant"],
    }
    if case["model"] in _NOT_LOADED:
        yield {**row, "settings": {}, "refused": f"mlx-lm's class {_NOT_LOADED[case['model']]}"}
        return
    try:
        model = _quantised(_built(case["config"]), _FORMATS[case["quant"]])
    except ValueError as error:
        if "not supported" not in str(error):
            raise
        yield {**row, "settings": {}, "refused": str(error)}
        return
    weights = _weight_bytes(model)
    for tokens in case["tokens"]:
        settings = {"context": tokens, **case["settings"]}
        ident = f"{row['id']}:{tokens}" + "".join(f":{k}={v}" for k, v in case["settings"].items())
        try:
            kept = _cache_bytes(model, tokens, case["settings"])
        except NotImplementedError as error:
            yield {**row, "id": ident, "settings": settings, "refused": _first_line(error)}
            continue
        yield {**row, "id": ident, "settings": settings, "measured": {"weights": weights, **kept}}


def _built(given: Mapping[str, Any]) -> Any:
    """Return mlx-lm's model of a configuration, in 16 bits, its head left out where it is tied."""
    import mlx.core as mx
    from mlx.utils import tree_flatten
    from mlx_lm.utils import _get_classes

    config = json.loads(json.dumps(given))
    for part in (config, config.get("text_config") or {}):
        for name in (part.get("model_type"), *(given.get("architectures") or ())):
            for key, value in _STATED.get(str(name), {}).items():
                part.setdefault(key, value)
        if str(part.get("model_type")).startswith("qwen3_vl"):
            part.setdefault("tie_word_embeddings", config.get("tie_word_embeddings", False))
        if part.get("model_type") in _ROPES:
            part.setdefault("rope_parameters", _ROPES[part["model_type"]])
        if "attn_config" in part:
            part["attn_config"].setdefault("rope_theta", 10000.0)
        for key, value in (*_UNMOVED.items(), ("block_dim", part.get("hidden_size"))):
            part.setdefault(key, value)
    model_class, args_class = _get_classes(config)
    model = model_class(_filled(args_class, config))
    model.set_dtype(mx.bfloat16)
    # Gemma 3 builds a head and drops it while loading, where the checkpoint has none.
    for inner in (model, getattr(model, "language_model", model)):
        if str(given.get("model_type")).startswith("gemma3") and hasattr(inner, "lm_head"):
            left = {k: v for k, v in tree_flatten(inner.parameters()) if not k.startswith("lm_head")}
            inner.sanitize(left)
    return model


def _filled(args_class: Any, config: dict[str, Any]) -> Any:
    """Return the class's arguments; a key that the card leaves out moves no byte and gets a value of its type."""
    kinds: dict[str, str] = {}
    if dataclasses.is_dataclass(args_class):
        kinds = {f.name: str(f.type) for f in dataclasses.fields(args_class)}
    for _ in range(8):
        try:
            return args_class.from_dict(config)
        except TypeError as error:
            missing = re.findall(r"'(\w+)'", str(error))
            if "missing" not in str(error):
                raise
            for name in missing:
                for part in (config, config.get("text_config") or {}):
                    part.setdefault(name, _any_value(name, kinds.get(name, "")))
    return args_class.from_dict(config)


def _any_value(name: str, kind: str) -> Any:
    if "Dict" in kind or "dict" in kind:
        return {}
    if "eps" in name or "epsilon" in name:
        return 1e-6
    if "bool" in kind or name.endswith("bias"):
        return False
    if "float" in kind or "theta" in name or "freq" in name:
        return 1.0
    return 1 if "int" in kind else None if kind else 1.0


def _quantised(model: Any, wanted: Mapping[str, Any]) -> Any:
    """Quantise as mlx_lm.convert does: the class's own predicate, or the recipe's (utils.py quantize_model)."""
    import mlx.nn as nn
    from mlx_lm.convert import mixed_quant_predicate_builder

    recipe, experts = wanted.get("recipe"), wanted.get("experts")
    bits, group, mode = wanted.get("bits", 0), wanted.get("group_size", 64), wanted.get("mode", "affine")
    if not (bits or recipe or experts):
        return model
    own = getattr(model, "quant_predicate", None)
    if recipe:
        own, bits = mixed_quant_predicate_builder(recipe, model, group), 4

    def decide(path: str, module: Any) -> Any:
        if not hasattr(module, "to_quantized"):
            return False
        if experts and re.search(r"experts\.(gate|up|down)_proj$", path):
            return {"group_size": 32, "bits": 4, "mode": experts}
        if not bits or module.weight.shape[-1] % group:
            return False
        return own(path, module) if own else True

    nn.quantize(model, group, bits or 4, mode=mode, class_predicate=decide)
    return model


def _weight_bytes(model: Any) -> int:
    from mlx.utils import tree_flatten

    return sum(int(array.nbytes) for _, array in tree_flatten(model.parameters()))


def _cache_bytes(model: Any, tokens: int, settings: Mapping[str, Any]) -> dict[str, int]:
    """Bytes of keys and values, and of states, after a prompt of all but one token, and that one.

    The chunks, and when keys and values are quantised, as in generate.py generate_step.
    """
    from mlx_lm.models import cache as kinds

    caches = kinds.make_prompt_cache(model, settings.get("max_kv_size"))
    step, bits = settings.get("prefill_step_size", 2048), settings.get("kv_bits")
    left = tokens - 1
    while left > 0 or tokens:
        taken = min(step, left) or 1
        _run(model, taken, caches)
        for at, each in enumerate(caches):
            if (
                bits
                and hasattr(each, "to_quantized")
                and each.offset >= settings.get("quantized_kv_start", 5000)
            ):
                caches[at] = each.to_quantized(group_size=64, bits=bits)
        if left == 0:
            break
        left -= taken
    held = [(type(c).__name__, _held(c)) for c in _leaves(caches)]
    _run(model, 1, list(caches))  # whether the class reads what was quantised
    state = sum(size for kind, size in held if kind == "ArraysCache")
    return {"kv_cache": sum(size for _, size in held) - state, "state": state}


def _run(model: Any, tokens: int, caches: Any) -> None:
    """Let the model read so many tokens, as a graph that nobody evaluates."""
    import mlx.core as mx

    try:
        model(mx.zeros((1, tokens), mx.int32), cache=caches)
    except (AttributeError, TypeError, ValueError) as error:
        if any(type(c).__name__ == "QuantizedKVCache" for c in _leaves(caches)):
            raise NotImplementedError(f"cannot read a quantised cache: {error}") from None
        raise


def _held(cache: Any) -> int:
    try:
        return int(cache.nbytes)
    except NotImplementedError:  # classes with a cache of their own count what lies in their state
        from mlx.utils import tree_flatten

        return sum(int(a.nbytes) for _, a in tree_flatten(cache.state) if hasattr(a, "nbytes"))


def _leaves(caches: Any) -> Iterator[Any]:
    for each in caches:
        inner = getattr(each, "caches", None)
        if inner is None:
            yield each
        else:
            yield from _leaves(inner)


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0][:120]


def _give_up(*_: object) -> None:
    raise TimeoutError(f"no answer in {_PATIENCE} s")


def main() -> int:
    """Print cases, or answer those on stdin; what fails is named on stderr and left out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", action="store_true", help="print what to ask, for the catalogue's models")
    if parser.parse_args().cases:
        for case in cases():
            print(json.dumps(case))
        return 0
    signal.signal(signal.SIGALRM, _give_up)
    for line in sys.stdin:
        case = json.loads(line)
        try:
            signal.alarm(_PATIENCE)  # some classes compute while they are built or run
            for row in answer(case):
                print(json.dumps(row, separators=(",", ":")), flush=True)
        except Exception as error:
            print(f"{case['model']} {case['quant']}: {type(error).__name__}: {error}"[:200], file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
