"""QuantScheme: how vLLM stores a linear layer's weights, from a checkpoint's config or from a name.

Layouts read in vLLM 0.33.0, vllm/model_executor/layers/quantization (fp8.py, auto_awq.py, auto_gptq.py,
compressed_tensors/, modelopt.py, mxfp4.py).
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import field
from functools import lru_cache
from typing import Any, Final

from planner.errors import InputError, UnsupportedError
from planner.fast_dataclass import dataclass, replace
from planner.models.architecture import Architecture
from planner.models.tensors import EXPERT_ROLES, Role
from planner.quant.quantisations import Quantisation, Storage, checkpoints, find_quantisation


@dataclass(frozen=True, slots=True)
class QuantScheme:
    """Weights' storage for the linear layers; what is never quantised stays in the model's dtype."""

    name: str
    storage_kind: Storage  # of linear layers
    method: str | None = None  # vLLM's --quantization value; None: the checkpoint's own
    group: int = 128
    zero_points: bool = False
    experts: Storage | None = None  # where experts differ from other layers
    dense: bool = True  # False: only experts are quantised (gpt-oss)
    head: bool = False  # the output head is quantised too
    ignored: tuple[str, ...] = field(default=(), repr=False)  # module names, "re:" patterns or wildcards
    online: bool = False  # quantised by vLLM while loading a 16-bit checkpoint
    assumed: str = ""  # the repository whose layout isn't known
    excess: float = 0.0  # share by which the checkpoint may be larger, where only the format's name is known

    def storage(self, role: Role, name: str) -> Storage:
        """Return how a tensor is stored where no ignore list names its layer."""
        if self.storage_kind is Storage.PLAIN or role in _NEVER or not name.endswith(".weight"):
            return Storage.PLAIN
        if role is Role.OUTPUT and not self.head:
            return Storage.PLAIN
        if role in EXPERT_ROLES:
            return self.experts or self.storage_kind
        if not self.dense:
            return Storage.PLAIN
        if role is Role.INDEXER and not name.startswith("indexer.attn_q"):
            return Storage.PLAIN  # deepseek_v2.py: wk and weights_proj are one unquantised matrix
        return self.storage_kind

    def ignored_roles(self, roles: frozenset[Role], layer: int) -> frozenset[Role]:
        """Return those of `roles` that the checkpoint leaves unquantised in a layer."""
        if not self.ignored:
            return frozenset()
        exact, patterns = _ignore_list(self.ignored)
        return frozenset(r for r in roles if _is_ignored(r, layer, exact, patterns))


def _is_ignored(role: Role, layer: int, exact: frozenset[str], patterns: tuple[re.Pattern[str], ...]) -> bool:
    for module in _MODULES.get(role, ()):
        full = f"layers.{layer}.{module}"
        if full in exact or module in exact or module.rsplit(".", 1)[-1] in exact:
            return True
        if full.rsplit(".", 1)[0] in exact:
            return True
        if any(p.search(f"model.{full}") for p in patterns):
            return True
    return False


# Never quantised by any of the formats (embedding, norms, routers, convolutions, scalars).
_NEVER: Final = frozenset(
    {
        Role.TOKEN_EMBD,
        Role.POS_EMBD,
        Role.NORM,
        Role.BIAS,
        Role.ATTN_SINKS,
        Role.ROUTER,
        Role.SHARED_ROUTER,
        Role.EXPERT_BIAS,
        Role.SSM_CONV,
        Role.SSM_OTHER,
        Role.PER_LAYER_EMBD,
        Role.OTHER,
    }
)
# The Hugging Face module(s) of a role: what the ignore lists of checkpoints name.
_MODULES: Final[Mapping[Role, tuple[str, ...]]] = {
    Role.ATTN_Q: ("self_attn.q_proj",),
    Role.ATTN_K: ("self_attn.k_proj",),
    Role.ATTN_V: ("self_attn.v_proj",),
    Role.ATTN_QKV: ("self_attn.qkv_proj", "linear_attn.in_proj_qkvz", "linear_attn.in_proj_qkv"),
    Role.ATTN_OUT: ("self_attn.o_proj",),
    Role.ATTN_GATE: ("linear_attn.in_proj_z", "linear_attn.in_proj_qkvz"),
    Role.MLA_Q_A: ("self_attn.q_a_proj",),
    Role.MLA_Q_B: ("self_attn.q_b_proj",),
    Role.MLA_KV_A: ("self_attn.kv_a_proj_with_mqa",),
    Role.MLA_KV_B: ("self_attn.kv_b_proj",),
    Role.FFN_GATE: ("mlp.gate_proj",),
    Role.FFN_UP: ("mlp.up_proj",),
    Role.FFN_DOWN: ("mlp.down_proj",),
    Role.SHARED_GATE: ("mlp.shared_expert.gate_proj", "mlp.shared_experts.gate_proj"),
    Role.SHARED_UP: ("mlp.shared_expert.up_proj", "mlp.shared_experts.up_proj"),
    Role.SHARED_DOWN: ("mlp.shared_expert.down_proj", "mlp.shared_experts.down_proj"),
    Role.SSM_IN: ("linear_attn.in_proj_qkvz", "mixer.in_proj"),
    Role.SSM_OUT: ("linear_attn.out_proj", "mixer.out_proj"),
}
_PREFIX: Final = re.compile(r"^(?:model\.)?(?:language_model\.)?(?:model\.)?")
_MAX_PATTERN: Final = 200


def _ignore_list(ignored: tuple[str, ...]) -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    cached = _IGNORE_CACHE.get(ignored)
    if cached is None:
        exact: set[str] = set()
        patterns: list[re.Pattern[str]] = []
        for entry in ignored:
            if entry.startswith("re:"):
                patterns.append(_regex(entry[3:]))
            elif "*" in entry:
                patterns.append(_regex(fnmatch.translate(_PREFIX.sub("*", entry))))
            else:
                exact.add(_PREFIX.sub("", entry))
        cached = frozenset(exact), tuple(patterns)
        if len(_IGNORE_CACHE) > 64:
            _IGNORE_CACHE.clear()
        _IGNORE_CACHE[ignored] = cached
    return cached


_IGNORE_CACHE: dict[tuple[str, ...], tuple[frozenset[str], tuple[re.Pattern[str], ...]]] = {}


def _regex(text: str) -> re.Pattern[str]:
    # A pattern from a stranger's file may be built to run for ever: nested repetition is refused.
    if len(text) > _MAX_PATTERN or re.search(r"[+*}]\)[+*{]", text):
        raise InputError(f"quantization_config ignores {text[:40]!r}: the pattern is too complex to trust")
    try:
        return re.compile(text)
    except re.error as error:
        raise InputError(f"quantization_config ignores {text[:40]!r}: not a regular expression") from error


@lru_cache(maxsize=64)
def _by_name(row: Quantisation) -> QuantScheme:
    """The scheme of a format; one without a public ignore list quantises every linear layer."""
    assert row.storage is not None
    return QuantScheme(
        row.name,
        row.storage,
        method=row.online or None,
        zero_points=row.zero_points,
        dense=row.dense,
        online=bool(row.online),
    )


def _named(quant: str) -> QuantScheme | None:
    """The scheme that a name says; None for the checkpoint's own.

    Raises UnsupportedError for a name that says none.
    """
    row, text = find_quantisation(quant), quant.strip().lower().replace("_", "-")
    if text in ("", "native", "original", "none"):
        return None
    if row is not None and row.storage is not None:
        return _by_name(row)
    for each in checkpoints():
        if any(name in text for name in each.within):
            return _by_name(each)
    names = ", ".join(q.name for q in checkpoints())
    raise UnsupportedError(f"vLLM quantisation '{quant}' is not known; the planner has rules for {names}")


# What is known of a publisher's checkpoints where their config.json isn't at hand: (repository, storage, what
# differs). NVIDIA quantises only the feed-forward of dense Gemma 4 (cards of nvidia/Gemma-4-31B-IT-NVFP4 and of
# those derived from it, read 2026-11-24); cyankiwi's AWQ-4bit have groups of 32
# (the kernel's log of Qwen3-Omni-30B-A3B-Instruct-AWQ-4bit), that of Kimi Linear beside attention in 16 bits: its
# files are 28.44 GiB, which is that and nothing else. Of Qwen3-Next they quantise the experts alone (its recipe.yaml,
# as those who repeat it describe it; cpatonn is the publisher's former name).
_KNOWN: Final[tuple[tuple[re.Pattern[str], Storage, Mapping[str, Any]], ...]] = (
    (
        re.compile(r"^nvidia/gemma-4-\d+b-it-nvfp4$", re.IGNORECASE),
        Storage.NVFP4,
        {"ignored": ("re:self_attn",)},
    ),
    (
        re.compile(r"^cyankiwi/kimi-linear-.+-awq-4bit$", re.IGNORECASE),
        Storage.INT4,
        {"group": 32, "zero_points": False, "ignored": ("re:self_attn", "re:mixer")},
    ),
    (
        re.compile(r"^(cyankiwi|cpatonn)/qwen3-next-.+-awq-4bit$", re.IGNORECASE),
        Storage.INT4,
        {"group": 32, "zero_points": False, "ignored": ("re:_attn", "re:shared_expert")},
    ),
    (
        re.compile(r"^cyankiwi/.+-awq-4bit$", re.IGNORECASE),
        Storage.INT4,
        {"group": 32, "zero_points": False},
    ),
)


# By how much a checkpoint of which only "NVFP4" is known may exceed one that has all matrices in it: of Qwen3.8-27B,
# 18.5 GiB by the rule, three publishers' hold 18.5 to 24.0 (vLLM's recipes), NVIDIA's of Qwen3.6-27B 20.57 for 18.81:
# they leave attention, first and last layers or shared experts in 8 or 16 bits, and prediction layers in 16.
_NVFP4_EXCESS: Final = 0.30


def scheme_for(arch: Architecture, quant: str, repository: str = "", *, online: bool = False) -> QuantScheme:
    """Return the scheme of this architecture under a quantisation's name, as `repository` publishes it.

    The checkpoint's own quantization_config decides where the name says the same format, then the vendor's
    checkpoint in that format, unless it is to be quantised while loading (`online`); else the name.
    Raises UnsupportedError for a name or a config that vLLM 0.33.0 doesn't load.
    """
    named = _named(quant)
    own = scheme_from_config(arch.quantization) if arch.quantization else None
    if named is None:
        return own or QuantScheme("BF16", Storage.PLAIN)
    if own is not None and _same_format(own, named):
        return own
    published = (arch.published or {}).get(named.name)
    if published is not None and (not online or repository.lower() == published.repository.lower()):
        if published.config is not None:
            return scheme_from_config(published.config)
        return replace(named, method=None, online=False, assumed=published.repository)
    for known, storage, differs in _KNOWN:
        if named.storage_kind is storage and known.match(repository):
            return replace(named, **differs)
    if named.storage_kind is Storage.NVFP4 and named.experts is None and not online:
        return replace(named, excess=min(_NVFP4_EXCESS, _beside_experts(arch) * (16 / 4.5 - 1)))
    return named


def _beside_experts(arch: Architecture) -> float:
    """The share of a model that isn't in routed experts: what publishers may leave in more bits."""
    experts = sum(g.count * t.elements for g in arch.groups for t in g.tensors if t.is_expert)
    return 1 - experts / max(arch.parameters(mtp=True), 1)


def _same_format(own: QuantScheme, named: QuantScheme) -> bool:
    eights = {Storage.FP8_BLOCK, Storage.FP8_TENSOR, Storage.FP8_CHANNEL}
    if own.storage_kind in eights and named.storage_kind in eights:
        return True
    return own.storage_kind is named.storage_kind or own.experts is named.storage_kind


def scheme_from_config(config: Mapping[str, Any]) -> QuantScheme:
    """Return the scheme of a config.json's quantization_config.

    Raises UnsupportedError for a method that vLLM 0.33.0 has no code for (gguf and bitsandbytes moved to
    plugins), InputError where the config is not one.
    """
    method = str(config.get("quant_method", config.get("quant_algo", ""))).lower()
    ignored = _names(config.get("modules_to_not_convert")) + _names(config.get("ignored_layers"))
    if method == "fp8":
        block = config.get("weight_block_size")
        storage = Storage.FP8_BLOCK if block else Storage.FP8_TENSOR
        experts = Storage.MXFP4 if config.get("expert_dtype") == "fp4" else None
        return QuantScheme("FP8", storage, ignored=ignored, experts=experts)
    if method in ("mxfp4", "gpt_oss_mxfp4"):
        return QuantScheme("MXFP4", Storage.MXFP4, dense=False)
    if method in ("awq", "auto_awq", "gptq", "auto_gptq"):
        return _integer(config, method, ignored)
    if method == "compressed-tensors":
        return _compressed(config)
    if method.startswith("modelopt") or method in ("nvfp4", "fp8_pb_wo"):
        algo = str(config.get("quant_algo", _first_group(config).get("format", "")) or "NVFP4").upper()
        skip = ignored + _names(config.get("ignore")) + _names(config.get("exclude_modules"))
        if "NVFP4" in algo or "FP4" in algo:
            return QuantScheme("NVFP4", Storage.NVFP4, group=16, ignored=skip)
        return QuantScheme("FP8", Storage.FP8_TENSOR, ignored=skip)
    if method in ("auto-round", "auto_round", "inc"):
        return _auto_round(config, ignored)
    if method == "fbgemm_fp8":  # fbgemm_fp8.py: one scale an output row
        return QuantScheme("FP8", Storage.FP8_CHANNEL, ignored=ignored)
    elsewhere = _ELSEWHERE.get(method)
    raise UnsupportedError(
        f"quantization_config says '{method or 'nothing'}', which vLLM 0.33.0 has no code for"
        + (f"; {elsewhere}" if elsewhere else "")
    )


# Methods that vLLM's core has no code for -> what runs them.
_ELSEWHERE: Final[Mapping[str, str]] = {
    "bitsandbytes": "its plugin has: pip install 'vllm[extra-quant]'",
    "gguf": "llama.cpp loads such files, and vLLM with the plugin vllm-gguf-plugin",
    "exl2": "ExLlamaV2 loads it",
    "exl3": "ExLlamaV3 (TabbyAPI) loads it",
    "mlx": "mlx-lm loads it",
}


def _auto_round(config: Mapping[str, Any], ignored: tuple[str, ...]) -> QuantScheme:
    """AutoRound's checkpoints, which vLLM loads by its GPTQ or AWQ kernels (quantization/inc/inc.py, 0.33.0).

    `extra_config` names layers with other bits; those of 16 stay as they are.
    """
    bits, group, kind = config.get("bits"), config.get("group_size", 128), str(config.get("data_type", "int"))
    extra = config.get("extra_config")
    if isinstance(extra, Mapping):
        whole = (
            name
            for name, said in extra.items()
            if isinstance(name, str) and isinstance(said, Mapping) and _bits_of(said) >= 16
        )
        ignored += tuple(f"re:.*(?:{name})" if _SPECIAL.search(name) else name for name in whole)
    if "mx_fp" in kind and bits in (4, 8):
        storage = Storage.MXFP4 if bits == 4 else Storage.MXFP8
        return QuantScheme(storage.value.upper(), storage, group=32, ignored=ignored)
    if kind in ("fp", "fp8") and bits == 8:
        return QuantScheme("FP8", Storage.FP8_BLOCK, ignored=ignored)
    if kind != "int" or bits not in (4, 8) or not isinstance(group, int):
        raise UnsupportedError(f"auto-round weights of {bits} bits ({kind}) have no rule")
    packed = f"{config.get('packing_format', '')} {config.get('backend', '')}"
    plain = {"bits": bits, "group_size": group, "sym": config.get("sym", True)}
    return _integer(plain, "awq" if "awq" in packed else "gptq", ignored)


_SPECIAL: Final = re.compile(r"[*+?^$()\[\]{}|\\]")  # what makes a name of extra_config a pattern


def _bits_of(said: Mapping[str, Any]) -> int:
    bits = said.get("bits")
    return bits if isinstance(bits, int) else 0


def cache_format(config: Mapping[str, Any] | None) -> str | None:
    """Return the KV cache's format that a checkpoint's config decides where nobody else does; None for none.

    vllm/utils/torch_utils.py get_kv_cache_quant_algo_string (modelopt) and attention.py (compressed-tensors), 0.33.0.
    """
    if not config:
        return None
    method = str(config.get("quant_method", "")).lower()
    scheme = config.get("kv_cache_scheme")
    if method == "compressed-tensors":
        return "fp8" if isinstance(scheme, Mapping) else None
    if not method.startswith("modelopt"):
        return None
    inner = config.get("quantization")
    inner = inner if isinstance(inner, Mapping) else config
    said = inner.get("kv_cache_scheme") or scheme or inner.get("kv_cache_quant_algo")
    if isinstance(said, Mapping):
        eight = said.get("num_bits") == 8 and said.get("type") == "float" and said.get("dynamic") is False
        four = said.get("num_bits") == 4 and said.get("type") == "float"
        return "fp8_e4m3" if eight else "nvfp4" if four else None
    return {"fp8": "fp8_e4m3", "nvfp4": "nvfp4"}.get(str(said).lower())


def _integer(config: Mapping[str, Any], method: str, ignored: tuple[str, ...]) -> QuantScheme:
    bits = config.get("bits", config.get("w_bit", 4))
    group = config.get("group_size", config.get("q_group_size", 128))
    if bits not in (4, 8) or not isinstance(group, int):
        raise UnsupportedError(f"vLLM has no kernel for {method} with {bits} bits")
    name = "AWQ" if "awq" in method else "GPTQ-Int4" if bits == 4 else "GPTQ-Int8"
    zero = bool(config.get("zero_point", "awq" in method)) if "awq" in method else not config.get("sym", True)
    storage = Storage.INT4 if bits == 4 else Storage.INT8
    return QuantScheme(name, storage, group=group, zero_points=zero, ignored=ignored)


def _first_group(config: Mapping[str, Any]) -> Mapping[str, Any]:
    groups = config.get("config_groups")
    if isinstance(groups, Mapping) and groups:
        first = next(iter(groups.values()))
        if isinstance(first, Mapping):
            return first
    return {}


def _compressed(config: Mapping[str, Any]) -> QuantScheme:
    group = _first_group(config)
    weights = group.get("weights")
    if not isinstance(weights, Mapping):
        raise InputError("quantization_config of compressed-tensors has no config_groups with weights")
    bits, kind = weights.get("num_bits"), weights.get("type")
    ignored = _names(config.get("ignore"))
    size = weights.get("group_size")
    group_size = size if isinstance(size, int) and size > 0 else 0
    if kind == "float" and bits == 8:
        strategy = weights.get("strategy")
        storage = {"block": Storage.FP8_BLOCK, "channel": Storage.FP8_CHANNEL}.get(
            str(strategy), Storage.FP8_TENSOR
        )
        return QuantScheme("FP8", storage, ignored=ignored)
    if kind == "float" and bits == 4:
        storage = Storage.MXFP4 if group_size == 32 else Storage.NVFP4
        return QuantScheme(storage.value.upper(), storage, group=group_size or 16, ignored=ignored)
    if kind == "int" and bits in (4, 8):
        zero = not weights.get("symmetric", True)
        name = "W4A16" if bits == 4 else "W8A8"
        storage = Storage.INT4 if bits == 4 else Storage.INT8
        return QuantScheme(name, storage, group=group_size, zero_points=zero, ignored=ignored)
    raise UnsupportedError(f"compressed-tensors weights of {bits} bits ({kind}) have no rule")


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        return ()
    return tuple(v for v in value if isinstance(v, str))
