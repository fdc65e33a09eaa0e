"""llama.cpp's mixes: which type each tensor gets under a named quantisation.

The rules (planner.quant.mix_rules) are evaluated once per layer group; only the tensors whose type depends
on the layer are looked at layer by layer. Which mixes there are stands in planner.quant.quantisations.
"""

from __future__ import annotations

from planner.errors import UnsupportedError
from planner.fast_dataclass import dataclass, replace
from planner.models.architecture import Architecture, LayerGroup, MixtureOfExperts
from planner.models.cache import CompressedAttention, LatentAttention, RecurrentState
from planner.quant.architectures import MixTraits, mix_traits
from planner.quant.mix_rules import V_LIKE, Category, MixRules, category_of
from planner.quant.quantisations import Quantisation, find_quantisation


def find_mix(name: str) -> Quantisation | None:
    """Return the mix of this name ("Q4_K_M", "q4_k_m", "MXFP4"); None where no public rule defines it."""
    row = find_quantisation(name)
    if row is not None and row.mix:
        row = find_quantisation(row.mix)
    return row if row is not None and row.base else None


def nearest_mix(name: str) -> tuple[Quantisation, bool]:
    """Return the mix of this name and True, or the public one closest to a private name and False.

    Unsloth's dynamic mixes ("UD-Q4_K_XL") are no public rule: the nearest one gives the tensors' order of
    size, and the published file's size the scale. Raises UnsupportedError for a name that isn't GGUF's.
    """
    found = find_mix(name)
    if found is not None:
        return found, True
    key = name.strip().upper().replace("-", "_").removeprefix("UD_").removeprefix("I1_")
    for suffix, instead in (
        *(("", ""), ("_XL", "_M"), ("_L", "_M"), ("_XL", ""), ("_XS", "_S")),
        *(("_K_XL", "_0"), ("_K_S", "_K")),
    ):
        if key.endswith(suffix):
            found = find_mix(key.removesuffix(suffix) + instead)
            if found is not None:
                return found, False
    raise UnsupportedError(
        f"quantisation '{name}' is not one of llama.cpp's; choose for example Q4_K_M, Q8_0 or MXFP4"
    )


def is_mix(name: str) -> bool:
    """True for a name of GGUF files whose tensors' types are known, or near those of a public mix."""
    try:
        nearest_mix(name)
    except UnsupportedError:
        return False
    return True


GroupTypes = tuple[str | tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class MixTypes:
    """The type of every tensor: per group and tensor one type, or one for each of the group's layers."""

    outside: tuple[str, ...]  # in the order of Architecture.tensors
    groups: tuple[GroupTypes, ...]  # in the order of Architecture.groups and their tensors


def mix_types(
    arch: Architecture, mix: Quantisation, *, imatrix: bool | None = None, published: bool = False
) -> MixTypes:
    """Return the type of every tensor of `arch` under `mix`.

    `imatrix`: whether the file was made with an importance matrix; None: as published files of this mix are.
    `published`: of a file as publishers make it from the model's own checkpoint. What is in MXFP4 there stays so:
    llama-quantize doesn't requantise it unless it is told to (--allow-requantize), and published files of gpt-oss
    hold their experts in MXFP4 under every name.
    """
    rules = _rules(arch, mix, mix.imatrix if imatrix is None else imatrix)
    dequantised = mix.name in ("BF16", "F32")  # made from the checkpoint that was brought back to 16 bits
    if published and not dequantised and (arch.quantization or {}).get("quant_method") == "mxfp4":
        rules = replace(rules, native_experts=True)
    before_wv, before_down = _running_counts(arch)
    return MixTypes(
        tuple(rules.outside_type(t.name, t.shape) for t in arch.tensors),
        tuple(_group_types(rules, g, before_wv, before_down) for g in arch.groups),
    )


def _group_types(
    rules: MixRules, group: LayerGroup, before_wv: list[int], before_down: list[int]
) -> GroupTypes:
    first = group.layers[0]
    types: dict[str, str | tuple[str, ...]] = {}
    n_wv = n_down = 0  # tensors of these kinds passed within the layer: the quantiser goes by name
    for tensor in sorted(group.tensors, key=lambda t: t.name):
        name, shape = tensor.name, tensor.shape
        category = category_of(name)
        if rules.moves(category) and rules.fixed(name, shape) is None:
            # gate and up have counters of their own, which are as far as ffn_down's was before this layer
            passed = n_down if category is Category.FFN_DOWN else 0
            each = tuple(
                rules.inside_type(name, shape, i, before_wv[i] + n_wv, before_down[i] + passed)
                for i in group.layers
            )
            types[name] = each if len(set(each)) > 1 else each[0]
        else:
            types[name] = rules.inside_type(name, shape, first, before_wv[first], before_down[first])
        n_wv += category in V_LIKE
        n_down += category is Category.FFN_DOWN and name.endswith("weight")
    return tuple(types[t.name] for t in group.tensors)


def _running_counts(arch: Architecture) -> tuple[list[int], list[int]]:
    """For each layer, how many tensors like attn_v and ffn_down the layers before it hold."""
    n = sum(g.count for g in arch.groups)
    wv, down = [0] * (n + 1), [0] * (n + 1)
    for group in arch.groups:
        has_v = sum(category_of(t.name) in V_LIKE for t in group.tensors)
        has_down = sum(
            category_of(t.name) is Category.FFN_DOWN and t.name.endswith("weight") for t in group.tensors
        )
        for i in group.layers:
            wv[i + 1], down[i + 1] = has_v, has_down
    for i in range(n):
        wv[i + 1] += wv[i]
        down[i + 1] += down[i]
    return wv, down


def _rules(arch: Architecture, mix: Quantisation, imatrix: bool) -> MixRules:
    n_layer = sum(g.count for g in arch.groups if g.in_gguf)
    experts = (g.feed_forward for g in arch.groups if isinstance(g.feed_forward, MixtureOfExperts))
    n_expert = max((e.n_expert for e in experts), default=0)
    traits = mix_traits(arch.gguf_arch)
    grouping = _grouping(arch, traits)
    return MixRules(
        traits=traits,
        mix=mix.rules or mix.name,
        base=mix.base,
        imatrix=imatrix,
        embedding=mix.embedding,
        rest=mix.rest,
        tied=arch.tied_embeddings,
        n_expert=n_expert,
        n_gqa=grouping,
        n_layer=n_layer,
        n_wv=sum(
            g.count for g in arch.groups if g.in_gguf for t in g.tensors if category_of(t.name) in V_LIKE
        ),
        is_70b=n_layer == traits.large and (grouping > 1 or not traits.large_if_grouped),
    )


def _grouping(arch: Architecture, traits: MixTraits) -> int:
    """hparams.n_gqa(): query heads a KV head in the first layer; 0 where that has no KV heads."""
    first = next((g for g in arch.groups if 0 in g.layers), None)
    caches = first.caches if first else ()
    if all(isinstance(c, RecurrentState) for c in caches) and traits.kv_heads_everywhere:
        caches = next(
            (g.caches for g in arch.groups if any(not isinstance(c, RecurrentState) for c in g.caches)), ()
        )
    for cache in caches:
        if isinstance(cache, LatentAttention | CompressedAttention):
            return cache.n_head
        if not isinstance(cache, RecurrentState):
            return cache.n_head // cache.n_head_kv if cache.n_head_kv else 0
    return 0
