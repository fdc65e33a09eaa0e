"""Everything known of an architecture under mlx-lm: one row a Hugging Face model_type. Read in mlx-lm 0.32.2.

mlx-lm has a class for a model_type where it has models/<model_type>.py, or its utils.py maps the type to another's.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from planner.fast_dataclass import dataclass, replace
from planner.models.architecture import Architecture
from planner.models.tensors import Role

# fmt: off
_FAVOURED: Final = frozenset(
    {Role.FFN_DOWN, Role.EXPERT_DOWN, Role.SHARED_DOWN, Role.ATTN_V, Role.MLA_KV_A}
)


class Router(StrEnum):
    """How a class stores the matrix that chooses experts, when the model is quantised."""

    LIKE_LAYERS = "like layers"  # an ordinary layer
    EIGHT = "eight"  # the class's quant_predicate: eight bits, groups of 64
    PLAIN = "plain"  # no layer but an array, which nothing quantises


_NO_ROWS: Final[Mapping[str, int]] = {}


@dataclass(frozen=True, slots=True)
class MlxTraits:
    """One architecture's row; tensors by the names that they have in a GGUF."""

    router: Router = Router.LIKE_LAYERS
    eight: frozenset[str] = frozenset()  # tensors that the class's quant_predicate keeps at eight bits
    plain: frozenset[str] = frozenset()  # … that it never quantises
    plain_latent: frozenset[str] = frozenset()  # … nor in layers of latent attention
    absent: frozenset[str] = frozenset()  # … that the class does not have
    favoured: frozenset[Role] = _FAVOURED  # roles that a mixed recipe favours: "down_proj", "v_proj" … in the name
    rows: Mapping[str, int] = _NO_ROWS  # of embeddings, where the checkpoint has others than a GGUF
    folded_norms: tuple[int, int] = (0, 0)  # norms that a GGUF folds away: of a layer, outside the layers
    scalars: int = 0  # bare numbers of a layer, which a GGUF keeps in its header
    head_gate: bool = False  # the output gate of attention has one row a head, whatever the file says
    all_indexed: bool = False  # every layer of latent attention has an indexer
    shared_projects: bool = True  # False: layers that read another's cache have no projections of keys and values
    whole_kv: bool = False  # latent attention caches the keys and values of every head
    windows: bool = True  # False: every layer caches the whole context
    fused: bool = True  # False: its attention is multiplied step by step
    one_state: bool = False  # states of Mamba 1 stay in the model's 16 bits
    reads_quantised: bool = True  # False: its attention cannot read a quantised cache (--kv-bits)
    rotates: bool = True  # --max-kv-size is heard: False where the class makes caches of its own


# models/*.py with a make_cache of their own
_OWN_CACHES: Final = frozenset(
    (
        "afm7", "afmoe", "baichuan_m1", "bailing_hybrid", "bailing_moe_linear", "bailing_moe_v3",
        "cohere2", "deepseek_v32", "deepseek_v41", "exaone4", "exaone_moe", "falcon_h1", "gear", "gemma3",
        "gemma3_text", "gemma3n", "gemma4", "gemma4_text", "glm_moe_dsa", "gpt_oss", "granitemoehybrid",
        "iquestloopcoder", "jamba", "kimi_k3", "kimi_linear", "laguna", "lfm2", "lfm2-vl", "lfm2_moe",
        "llama", "llama4", "longcat_flash", "longcat_flash_ngram", "mamba", "mamba2", "mellum",
        "mimo_v2_flash", "minimax_m3_vl", "ministral3", "muse_glimmer", "muse_spark", "nanbeige",
        "nemotron-nas", "nemotron_h", "olmo3", "olmo_hybrid", "plamo2", "plamo3", "prism_hadamard_qwen35",
        "qwen3_5", "qwen3_5_moe", "qwen3_next", "recurrent_gemma", "rwkv7", "spark2_5", "step3p5",
    )
)
# and without one
_CLASSES: Final = _OWN_CACHES | frozenset(
    (
        "Klear", "apertus", "bailing_moe", "bitnet", "cohere", "dbrx", "deepseek", "deepseek_v2",
        "deepseek_v3", "dots1", "ernie4_5", "ernie4_5_moe", "exaone", "gemma", "gemma2", "glm", "glm4",
        "glm4_moe", "glm4_moe_lite", "gpt2", "gpt_bigcode", "gpt_neox", "gptj", "granite", "granitemoe",
        "helium", "hunyuan", "hunyuan_v1_dense", "internlm2", "internlm3", "kimi_k25", "kimi_vl",
        "lille-130m", "llama4_text", "mimo", "minicpm", "minicpm3", "minimax", "mistral3", "mistral4",
        "mixtral", "nanochat", "nemotron", "olmo", "olmo2", "olmoe", "openelm", "phi", "phi3", "phi3small",
        "phimoe", "phixtral", "pixtral", "plamo", "qwen", "qwen2", "qwen2_moe", "qwen2_vl", "qwen3",
        "qwen3_moe", "qwen3_vl", "qwen3_vl_moe", "seed_oss", "smollm3", "solar_open", "stablelm",
        "starcoder2", "talkie", "telechat3", "youtu_llm",
    )
)
# utils.py MODEL_REMAPPING
_REMAPPED: Final = {
    "mistral": "llama",
    "llava": "mistral3",
    "phi-msft": "phixtral",
    "falcon_mamba": "mamba",
    "joyai_llm_flash": "deepseek_v3",
    "kimi_k2": "deepseek_v3",
    "qwen2_5_vl": "qwen2_vl",
    "minimax_m2": "minimax",
    "iquestcoder": "llama",
    "xverse": "llama",
    "gemma4_unified": "gemma4",
    "deepseek_v41_text": "deepseek_v41",
}
_BAILING_3: Final = "bailing_moe_v3"
# Where the checkpoint's class decides, and mlx-lm's module by the text model in it: MODEL_ARCHITECTURE_REMAPPING, and
# mistral3.py, which knows three and makes no caches of its own
_BY_CLASS: Final[dict[str, dict[str, str]]] = {
    "BailingMoeV3ForCausalLM": {"bailing_hybrid": _BAILING_3},
    "Mistral3ForConditionalGeneration": {"llama": "mistral3", "ministral3": "mistral3", "mistral4": "mistral4"},
    "MistralLarge3ForCausalLM": {},
}
_GATES: Final = frozenset({"attn_q_norm.weight", "attn_k_norm.weight"})
_EIGHT_ROUTER: Final = MlxTraits(router=Router.EIGHT)
_PLAIN_ROUTER: Final = MlxTraits(router=Router.PLAIN)
_GRANITE: Final = frozenset({"attn_output.weight", "ffn_down.weight", "output.weight"})
_OWN: Final[dict[str, MlxTraits]] = {
    **dict.fromkeys(
        (
            "Klear", "afmoe", "bailing_moe", "bailing_moe_linear", "gpt_oss", "kimi_linear",
            "lfm2_moe", "longcat_flash", "mellum", "minimax", "qwen3_5_moe", "qwen3_moe", "qwen3_next",
            "qwen3_vl_moe", "step3p5",
        ),
        _EIGHT_ROUTER,
    ),
    **dict.fromkeys(
        (
            "deepseek_v3", "deepseek_v32", "dots1", "exaone_moe", "glm4_moe", "glm4_moe_lite",
            "mimo_v2_flash", "solar_open", "kimi_k25", "kimi_vl",
        ),
        _PLAIN_ROUTER,
    ),
    _BAILING_3: MlxTraits(
        router=Router.PLAIN,
        plain=frozenset(
            {
                "token_embd.weight", "output.weight", "attn_q_a.weight", "attn_q_b.weight",
                "attn_kv_a_mqa.weight", "attn_k_b.weight", "attn_v_b.weight", "ssm_beta.weight",
            }
        ),
        plain_latent=frozenset({"attn_q.weight", "attn_gate.weight"}),
    ),
    "apertus": MlxTraits(scalars=4),
    "deepseek_v2": MlxTraits(
        router=Router.PLAIN, whole_kv=True, favoured=_FAVOURED | {Role.MLA_KV_B}
    ),
    "ernie4_5_moe": MlxTraits(absent=frozenset({"exp_probs_b.bias"})),
    "gemma2": MlxTraits(windows=False, reads_quantised=False, fused=False),
    "gemma3": MlxTraits(rows={"token_embd.weight": 262208}),
    "gemma3n": MlxTraits(rows={"per_layer_token_embd.weight": 262144}),
    "gemma4": MlxTraits(router=Router.EIGHT, shared_projects=False),
    "glm_moe_dsa": MlxTraits(router=Router.PLAIN, all_indexed=True),
    "granite": MlxTraits(eight=_GRANITE),
    "granitemoe": MlxTraits(router=Router.EIGHT, eight=_GRANITE),
    "granitemoehybrid": MlxTraits(router=Router.EIGHT, favoured=_FAVOURED - {Role.SHARED_DOWN}),
    "nemotron_h": MlxTraits(router=Router.PLAIN, favoured=_FAVOURED - {Role.EXPERT_DOWN}),
    "jamba": MlxTraits(router=Router.EIGHT, one_state=True),
    "kimi_k3": MlxTraits(router=Router.EIGHT, folded_norms=(2, 1)),
    "laguna": MlxTraits(router=Router.EIGHT, head_gate=True),
    "muse_glimmer": MlxTraits(absent=_GATES),
    "phi3": MlxTraits(favoured=_FAVOURED | {Role.ATTN_QKV}),
}
# fmt: on


def mlx_class(arch: Architecture) -> str | None:
    """Return mlx-lm's module of an architecture (utils.py _get_classes); None where it has none."""
    name: str | None = _REMAPPED.get(arch.model_type, arch.model_type)
    if arch.hf_class in _BY_CLASS:
        name = _BY_CLASS[arch.hf_class].get(str(name))
    return name if name in _CLASSES else None


def mlx_traits(arch: Architecture) -> MlxTraits | None:
    """Return an architecture's row; None where mlx-lm has no class for it."""
    name = mlx_class(arch)
    if name is None:
        return None
    return replace(_OWN.get(name, MlxTraits()), rotates=name not in _OWN_CACHES)
