"""What a GGUF of an architecture holds that its metadata and tensors don't say: one row a `general.architecture`.

All names that llama.cpp b11434 knows (LLM_ARCH_NAMES in src/llama-arch.cpp) have a row; what each column means
and where it was read stands beside it. How the engine runs an architecture stands in
planner.engines.llama_cpp.architectures, how its quantiser treats one in planner.quant.mix_rules.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from planner.fast_dataclass import dataclass


class Rotation(Enum):
    """Whether queries and keys are rotated (llama_model_rope_type in src/llama-model.cpp)."""

    ALWAYS = auto()
    NEVER = auto()  # LLAMA_ROPE_TYPE_NONE, and StarCoder's learned positions
    IF_SAID = auto()  # unless the file says that it isn't (rope.scaling.finetuned)


@dataclass(frozen=True, slots=True)
class Windows:
    """Which layers slide: load_swa_pattern(ml, period, dense_first) in src/models/*.cpp."""

    period: int = 0  # one layer of so many is full, where the file has no pattern of its own
    window: int | None = None  # the default; None: no window, no sliding layers
    dense_first: bool = False  # the full one comes first
    chunked: bool = False
    fixed: bool = False  # the file's window only says whether there is one, not how long
    listed: bool = False  # the pattern must be in the file
    by_heads: bool = False  # those with KV heads slide
    of_layers: int = 0  # in models of so many layers alone; 0: in all


@dataclass(frozen=True, slots=True)
class GgufTraits:
    """One architecture's row: load_arch_hparams in src/models/*.cpp, unless a column says otherwise."""

    known: bool = True  # False: llama.cpp b11434 has no such architecture
    refused: str = ""  # why the file is no language model, or keeps its state in ways without rules here
    inexact: str = ""  # what its graph keeps more than its tensors show
    # Hugging Face model_type and class, where one model family stands behind it
    model_type: str = ""
    hf_class: str | None = None
    encoder: bool = False  # no layer keeps a cache (create_memory in src/llama-model.cpp)
    headless: bool = False  # nothing yields logits, not even the embedding
    windows: Windows | None = None  # None: a window in the file is ignored, as llama.cpp does
    rope: Rotation = Rotation.ALWAYS
    delta_net: bool = False  # a recurrent layer is a gated delta net, not Mamba 2
    mamba1: bool = False  # a recurrent layer with ssm_x is Mamba 1
    lightning: bool = False  # a layer with attn_norm_2 is lightning attention
    compressed: bool = False  # attention is compressed (llama-kv-cache-dsv4.cpp)
    first_caches: int = 0  # only so many layers, from the first, keep a cache (n_layer_kv_from_start); 0: all
    shared_caches: bool = False  # … or all but those that the file says share one
    index_types: bool = False  # the file says which layers keep indexer keys; others reuse the last choice
    # Rows of the indexer's size kept a token: llama-memory-hybrid-idx.cpp (key, gate, pooled key; key and
    # pooled key) and llama-kv-cache-msa.cpp (K and V)
    index_rows: int = 1


# fmt: off
_RWKV: Final = "RWKV: the planner has no rules for its state"
_SPEECH: Final = "a speech model, not a language model"
_DRAFT_HEAD: Final = "a draft head, not a whole model: name the model that it drafts for"
_LOOPS: Final = "layers that run in loops are counted once"
_LISTED: Final = Windows(listed=True)
_BY_HEADS: Final = Windows(by_heads=True)

GGUF_ARCHITECTURES: Final[dict[str, GgufTraits]] = {
    **dict.fromkeys(
        ("eurobert", "jina-bert-v2", "jina-bert-v3", "neo-bert", "nomic-bert", "nomic-bert-moe"),
        GgufTraits(encoder=True, headless=True),
    ),
    "bert": GgufTraits(encoder=True, headless=True, rope=Rotation.NEVER),
    "modern-bert": GgufTraits(encoder=True, headless=True, windows=Windows(3, dense_first=True)),
    # nothing that the file doesn't say
    **dict.fromkeys(
        (
            "apertus", "arcee", "arctic", "baichuan", "bailingmoe", "bailingmoe2", "bailingmoe3",
            "bitnet", "chameleon", "chatglm", "codeshell", "cogvlm", "command-r", "dbrx", "deci",
            "deepseek", "deepseek2-ocr", "dots1", "dream", "exaone", "falcon", "gptneox",
            "graniteswitch", "grok", "grovemoe", "hunyuan-dense", "hunyuan_vl", "hy_v3", "internlm2",
            "jais2", "kimi-k3", "llada", "llada-moe", "llama-embed",
            "maincoder", "minicpm", "minicpm3", "mistral4", "nemotron", "olmo", "olmoe", "openelm", "orion",
            "paddleocr",
            "pangu-embedded", "phi2", "phimoe", "plamo", "plamo2", "plm", "qwen", "qwen2vl", "qwen3vl",
            "qwen3vlmoe", "rnd1", "stablelm", "starcoder2", "talkie", "xverse",
        ),
        GgufTraits(),
    ),
    "afmoe": GgufTraits(windows=Windows(4)),
    "arwkv7": GgufTraits(refused=_RWKV),
    "bloom": GgufTraits(rope=Rotation.NEVER),
    "clef": GgufTraits(delta_net=True),
    "clip": GgufTraits(refused="a vision or audio projector (mmproj): name the model's own file"),
    "cohere2": GgufTraits(model_type="cohere2", hf_class="Cohere2ForCausalLM", windows=Windows(4)),
    "cohere2moe": GgufTraits(windows=Windows(4, dense_first=True)),
    "deepseek2": GgufTraits(model_type="deepseek_v3", hf_class="DeepseekV3ForCausalLM"),
    "deepseek32": GgufTraits(model_type="deepseek_v32", hf_class="DeepseekV32ForCausalLM"),
    "deepseek4": GgufTraits(
        model_type="deepseek_v4", hf_class="DeepseekV4ForCausalLM", windows=_BY_HEADS, compressed=True,
    ),
    "dflash": GgufTraits(refused=_DRAFT_HEAD),
    "dots3note": GgufTraits(windows=_LISTED, index_types=True),
    "eagle3": GgufTraits(refused=_DRAFT_HEAD),
    "ernie4_5": GgufTraits(model_type="ernie4_5", hf_class="Ernie4_5ForCausalLM"),
    "ernie4_5-moe": GgufTraits(model_type="ernie4_5_moe", hf_class="Ernie4_5_MoeForCausalLM"),
    "exaone-moe": GgufTraits(windows=Windows(4, window=128)),
    "exaone4": GgufTraits(windows=Windows(4, window=4096, of_layers=64)),
    "falcon-h1": GgufTraits(model_type="falcon_h1", hf_class="FalconH1ForCausalLM"),
    "gemma": GgufTraits(model_type="gemma", hf_class="GemmaForCausalLM"),
    "gemma-embedding": GgufTraits(encoder=True, windows=Windows(6)),
    "gemma2": GgufTraits(model_type="gemma2", hf_class="Gemma2ForCausalLM", windows=Windows(2, window=4096)),
    "gemma3": GgufTraits(model_type="gemma3_text", hf_class="Gemma3ForCausalLM", windows=Windows(6)),
    "gemma3n": GgufTraits(
        model_type="gemma3n_text", hf_class="Gemma3nForCausalLM", windows=Windows(5), first_caches=20,
    ),
    "gemma4": GgufTraits(
        model_type="gemma4_text", hf_class="Gemma4ForCausalLM", windows=_LISTED, shared_caches=True,
    ),
    "gemma4-assistant": GgufTraits(
        refused=_DRAFT_HEAD, windows=_LISTED,
    ),
    "glm-dsa": GgufTraits(model_type="glm_moe_dsa", hf_class="GlmMoeDsaForCausalLM", index_types=True),
    "glm4": GgufTraits(model_type="glm4", hf_class="Glm4ForCausalLM"),
    "glm4moe": GgufTraits(model_type="glm4_moe", hf_class="Glm4MoeForCausalLM"),
    "glm5-next": GgufTraits(index_rows=3),
    "gpt-oss": GgufTraits(model_type="gpt_oss", hf_class="GptOssForCausalLM", windows=Windows(2)),
    "gpt2": GgufTraits(model_type="gpt2", hf_class="GPT2LMHeadModel", rope=Rotation.NEVER),
    "gptj": GgufTraits(rope=Rotation.NEVER),
    "granite": GgufTraits(model_type="granite", hf_class="GraniteForCausalLM"),
    "granite_swa": GgufTraits(windows=_LISTED),
    "granitehybrid": GgufTraits(
        model_type="granitemoehybrid", hf_class="GraniteMoeHybridForCausalLM", rope=Rotation.IF_SAID,
    ),
    "granitemoe": GgufTraits(model_type="granitemoe", hf_class="GraniteMoeForCausalLM"),
    "hrm_text": GgufTraits(inexact=_LOOPS),
    "hunyuan-moe": GgufTraits(model_type="hunyuan_v1_moe", hf_class="HunYuanMoEV1ForCausalLM"),
    "hy_v4": GgufTraits(index_types=True),
    "jais": GgufTraits(rope=Rotation.NEVER),
    "jamba": GgufTraits(rope=Rotation.NEVER, mamba1=True),
    "kimi-linear": GgufTraits(model_type="kimi_linear", hf_class="KimiLinearForCausalLM"),
    "laguna": GgufTraits(windows=Windows(4, dense_first=True)),
    "lfm2": GgufTraits(model_type="lfm2", hf_class="Lfm2ForCausalLM", windows=_BY_HEADS),
    "lfm2moe": GgufTraits(model_type="lfm2_moe", hf_class="Lfm2MoeForCausalLM"),
    "llama": GgufTraits(model_type="llama", hf_class="LlamaForCausalLM"),
    "llama4": GgufTraits(
        model_type="llama4_text", hf_class="Llama4ForConditionalGeneration",
        windows=Windows(4, window=8192, chunked=True, fixed=True),
    ),
    "mamba": GgufTraits(rope=Rotation.NEVER, mamba1=True),
    "mamba2": GgufTraits(rope=Rotation.NEVER),
    "maple": GgufTraits(windows=_LISTED),
    "mellum": GgufTraits(windows=Windows(4)),
    "mimo2": GgufTraits(windows=_LISTED),
    "minimax-01": GgufTraits(model_type="minimax", hf_class="MiniMaxForCausalLM", lightning=True),
    "minimax-m2": GgufTraits(model_type="minimax_m2", hf_class="MiniMaxM2ForCausalLM"),
    "minimax-m3": GgufTraits(inexact="the sparse-attention indexer's keys are not counted", index_rows=2),
    "mistral3": GgufTraits(model_type="mistral3", hf_class="Mistral3ForConditionalGeneration"),
    "mpt": GgufTraits(rope=Rotation.NEVER),
    "muse-glimmer": GgufTraits(windows=Windows(4)),
    "nanbeige": GgufTraits(inexact=_LOOPS),
    "nemotron_h": GgufTraits(model_type="nemotron_h", hf_class="NemotronHForCausalLM", rope=Rotation.NEVER),
    "nemotron_h_moe": GgufTraits(
        model_type="nemotron_h", hf_class="NemotronHForCausalLM", rope=Rotation.NEVER,
    ),
    "olmo2": GgufTraits(model_type="olmo2", hf_class="Olmo2ForCausalLM", windows=Windows(4)),
    "phi3": GgufTraits(model_type="phi3", hf_class="Phi3ForCausalLM"),
    "plamo3": GgufTraits(windows=Windows(8)),
    "pockettts": GgufTraits(refused=_SPEECH),
    "qwen2": GgufTraits(model_type="qwen2", hf_class="Qwen2ForCausalLM"),
    "qwen2moe": GgufTraits(model_type="qwen2_moe", hf_class="Qwen2MoeForCausalLM"),
    "qwen3": GgufTraits(model_type="qwen3", hf_class="Qwen3ForCausalLM"),
    "qwen35": GgufTraits(model_type="qwen3_5", hf_class="Qwen3_5ForConditionalGeneration", delta_net=True),
    "qwen35moe": GgufTraits(
        model_type="qwen3_5_moe", hf_class="Qwen3_5MoeForConditionalGeneration", delta_net=True,
    ),
    "qwen3moe": GgufTraits(model_type="qwen3_moe", hf_class="Qwen3MoeForCausalLM"),
    "qwen3next": GgufTraits(model_type="qwen3_next", hf_class="Qwen3NextForCausalLM", delta_net=True),
    "qwen3tts": GgufTraits(refused=_SPEECH),
    "qwen4exp": GgufTraits(
        inexact="hyper-connections and per-layer n-gram embeddings are not counted", delta_net=True,
        index_rows=2,
    ),
    "refact": GgufTraits(rope=Rotation.NEVER),
    "rwkv6": GgufTraits(refused=_RWKV),
    "rwkv6qwen2": GgufTraits(refused=_RWKV),
    "rwkv7": GgufTraits(refused=_RWKV),
    "seed_oss": GgufTraits(model_type="seed_oss", hf_class="SeedOssForCausalLM"),
    "smallthinker": GgufTraits(windows=Windows(4, window=4096, dense_first=True, fixed=True)),
    "smollm3": GgufTraits(model_type="smollm3", hf_class="SmolLM3ForCausalLM"),
    "spark2_5": GgufTraits(windows=_LISTED),
    "starcoder": GgufTraits(rope=Rotation.NEVER),
    "step35": GgufTraits(windows=_LISTED),
    "t5": GgufTraits(refused="an encoder-decoder: the planner has no rules for it"),
    "t5encoder": GgufTraits(refused="an encoder: the planner has no rules for it"),
    "wavtokenizer-dec": GgufTraits(refused="an audio decoder, not a language model"),
}
# fmt: on
_UNKNOWN: Final = GgufTraits(known=False)


def gguf_traits(name: str) -> GgufTraits:
    """Return the row of a `general.architecture`; a plain decoder's that says so where there is none."""
    return GGUF_ARCHITECTURES.get(name, _UNKNOWN)
