"""The Architecture and the tensors of a model, from its GGUF header.

Equal to what models/config builds from the same model's config.json: layers are grouped by what they keep,
compute and hold; the types that the file's tensors are stored in are not part of the Architecture but of
`tensors_from_gguf`, since a mix gives layers of one group different types.
"""

from __future__ import annotations

import re
from typing import Final

from planner.errors import InputError, UnsupportedError
from planner.models.architecture import Architecture, LayerGroup, Rope, Vision
from planner.models.gguf.header import GgufHeader
from planner.models.gguf.layers import Hparams
from planner.models.gguf.tensor_roles import role_of
from planner.models.gguf.types import ARCHITECTURES
from planner.models.tensors import TensorInfo

_BLOCK: Final = re.compile(r"^blk\.(\d+)\.(.+)$")

# general.architecture -> Hugging Face model_type and class, where one model family stands behind it.
_HF: Final = {
    "llama": ("llama", "LlamaForCausalLM"),
    "llama4": ("llama4_text", "Llama4ForConditionalGeneration"),
    "qwen2": ("qwen2", "Qwen2ForCausalLM"),
    "qwen2moe": ("qwen2_moe", "Qwen2MoeForCausalLM"),
    "qwen3": ("qwen3", "Qwen3ForCausalLM"),
    "qwen3moe": ("qwen3_moe", "Qwen3MoeForCausalLM"),
    "qwen3next": ("qwen3_next", "Qwen3NextForCausalLM"),
    "qwen35": ("qwen3_5", "Qwen3_5ForConditionalGeneration"),
    "qwen35moe": ("qwen3_5_moe", "Qwen3_5MoeForConditionalGeneration"),
    "gpt-oss": ("gpt_oss", "GptOssForCausalLM"),
    "gpt2": ("gpt2", "GPT2LMHeadModel"),
    "gemma": ("gemma", "GemmaForCausalLM"),
    "gemma2": ("gemma2", "Gemma2ForCausalLM"),
    "gemma3": ("gemma3_text", "Gemma3ForCausalLM"),
    "gemma3n": ("gemma3n_text", "Gemma3nForCausalLM"),
    "gemma4": ("gemma4_text", "Gemma4ForCausalLM"),
    "deepseek2": ("deepseek_v3", "DeepseekV3ForCausalLM"),
    "deepseek32": ("deepseek_v32", "DeepseekV32ForCausalLM"),
    "deepseek4": ("deepseek_v4", "DeepseekV4ForCausalLM"),
    "granite": ("granite", "GraniteForCausalLM"),
    "granitemoe": ("granitemoe", "GraniteMoeForCausalLM"),
    "granitehybrid": ("granitemoehybrid", "GraniteMoeHybridForCausalLM"),
    "glm4": ("glm4", "Glm4ForCausalLM"),
    "glm4moe": ("glm4_moe", "Glm4MoeForCausalLM"),
    "glm-dsa": ("glm_moe_dsa", "GlmMoeDsaForCausalLM"),
    "minimax-01": ("minimax", "MiniMaxForCausalLM"),
    "minimax-m2": ("minimax_m2", "MiniMaxM2ForCausalLM"),
    "phi3": ("phi3", "Phi3ForCausalLM"),
    "olmo2": ("olmo2", "Olmo2ForCausalLM"),
    "nemotron_h": ("nemotron_h", "NemotronHForCausalLM"),
    "nemotron_h_moe": ("nemotron_h", "NemotronHForCausalLM"),
    "kimi-linear": ("kimi_linear", "KimiLinearForCausalLM"),
    "lfm2": ("lfm2", "Lfm2ForCausalLM"),
    "lfm2moe": ("lfm2_moe", "Lfm2MoeForCausalLM"),
    "falcon-h1": ("falcon_h1", "FalconH1ForCausalLM"),
    "cohere2": ("cohere2", "Cohere2ForCausalLM"),
    "seed_oss": ("seed_oss", "SeedOssForCausalLM"),
    "smollm3": ("smollm3", "SmolLM3ForCausalLM"),
    "ernie4_5": ("ernie4_5", "Ernie4_5ForCausalLM"),
    "ernie4_5-moe": ("ernie4_5_moe", "Ernie4_5_MoeForCausalLM"),
    "hunyuan-moe": ("hunyuan_v1_moe", "HunYuanMoEV1ForCausalLM"),
    "mistral3": ("mistral3", "Mistral3ForConditionalGeneration"),
}

# Files that are no language model, or that keep their state in ways the planner has no rules for.
_REFUSED: Final = {
    "clip": "a vision or audio projector (mmproj): name the model's own file",
    "rwkv6": "RWKV: the planner has no rules for its state",
    "rwkv6qwen2": "RWKV: the planner has no rules for its state",
    "rwkv7": "RWKV: the planner has no rules for its state",
    "arwkv7": "RWKV: the planner has no rules for its state",
    "t5": "an encoder-decoder: the planner has no rules for it",
    "t5encoder": "an encoder: the planner has no rules for it",
    "wavtokenizer-dec": "an audio decoder, not a language model",
    "pockettts": "a speech model, not a language model",
    "qwen3tts": "a speech model, not a language model",
    "eagle3": "a draft head, not a whole model: name the model that it drafts for",
    "dflash": "a draft head, not a whole model: name the model that it drafts for",
    "gemma4-assistant": "a draft head, not a whole model: name the model that it drafts for",
}
# Architectures whose graph keeps more than their tensors show.
_INEXACT: Final = {
    "minimax-m3": "the sparse-attention indexer's keys are not counted",
    "nanbeige": "layers that run in loops are counted once",
    "hrm_text": "layers that run in loops are counted once",
    "qwen4exp": "hyper-connections and per-layer n-gram embeddings are not counted",
}


def architecture_from_gguf(header: GgufHeader) -> Architecture:
    """Build the Architecture that a GGUF header describes.

    Raises InputError for a header that contradicts itself, UnsupportedError for an architecture without
    rules. One that llama.cpp b11434 doesn't know yields a best effort with `exact=False` and a note.
    """
    arch = header.architecture
    if arch in _REFUSED:
        raise UnsupportedError(f"{header.source}: {arch} is {_REFUSED[arch]}")
    hparams = Hparams(header)
    outside, layers = _split_layers(header, hparams.n_layer)
    embedding = next((t for t in outside if t.name == "token_embd.weight"), None)
    if embedding is None or len(embedding.shape) != 2 or embedding.shape[0] != hparams.n_embd:
        raise InputError(f"{header.source}: token_embd.weight is missing or not of {hparams.n_embd} columns")
    model_type, hf_class = _HF.get(arch, (arch.replace("-", "_"), None))
    notes = [_INEXACT[arch]] if arch in _INEXACT else []
    if arch not in ARCHITECTURES:
        notes.append(f"llama.cpp b11434 doesn't know the architecture {arch}: taken for a plain decoder")
    if header.header_only:
        notes.append("the file holds a header only: it can be planned with, not run")
    n_ctx = hparams.integer("context_length", low=1)
    return Architecture(
        model_type=model_type,
        gguf_arch=arch,
        hf_class=hf_class,
        hidden_size=hparams.n_embd,
        vocab_size=embedding.shape[1],
        n_ctx_train=n_ctx,
        tied_embeddings=not any(t.name == "output.weight" for t in outside),
        groups=_groups(hparams, layers),
        tensors=tuple(outside),
        rope=Rope(hparams.n_rot, n_ctx) if hparams.n_rot and hparams.rotates else None,
        exact=arch in ARCHITECTURES and arch not in _INEXACT,
        notes=tuple(notes),
    )


def tensors_from_gguf(header: GgufHeader) -> tuple[TensorInfo, ...]:
    """Return every tensor of the file with its full name ("blk.0.attn_q.weight") and stored type."""
    return tuple(
        TensorInfo(t.name, t.shape, role_of(_BLOCK.sub(r"\2", t.name)), t.type.name) for t in header.tensors
    )


def vision_from_mmproj(header: GgufHeader) -> Vision:
    """Return the vision (or audio) tower that an mmproj file holds; InputError for another kind of file."""
    if header.architecture != "clip":
        raise InputError(f"{header.source}: {header.architecture} is a model, not a projector (mmproj)")
    parts = [p for p in ("vision", "audio") if f"clip.{p}.block_count" in header.metadata]
    if not parts:
        raise InputError(f"{header.source}: neither clip.vision.block_count nor clip.audio.block_count")
    prefix = f"clip.{parts[0]}"

    def integer(name: str) -> int:
        return header.find(f"{prefix}.{name}", int) or 0

    return Vision(
        parameters=header.parameters,
        n_layer=integer("block_count"),
        hidden_size=integer("embedding_length"),
        intermediate=integer("feed_forward_length"),
        n_head=integer("attention.head_count"),
        image_size=integer("image_size"),
        patch_size=integer("patch_size"),
    )


def _split_layers(header: GgufHeader, n_layer: int) -> tuple[list[TensorInfo], list[list[TensorInfo]]]:
    """Sort the tensors into those outside the layers and those of each layer."""
    outside: list[TensorInfo] = []
    layers: list[list[TensorInfo]] = [[] for _ in range(n_layer)]
    for tensor in header.tensors:
        match = _BLOCK.match(tensor.name)
        name = match[2] if match else tensor.name
        info = TensorInfo(name, tensor.shape, role_of(name))
        if match is None:
            outside.append(info)
        elif len(match[1]) <= 4 and int(match[1]) < n_layer:
            layers[int(match[1])].append(info)
        else:
            raise InputError(
                f"{header.source}: tensor {tensor.name!r} belongs to none of the {n_layer} layers"
            )
    return outside, layers


def _groups(hparams: Hparams, layers: list[list[TensorInfo]]) -> tuple[LayerGroup, ...]:
    """Group identical layers, in the order of their first layer."""
    found: dict[object, tuple[LayerGroup, list[int]]] = {}
    main = hparams.n_layer - hparams.n_mtp
    for il, tensors in enumerate(layers):
        if not tensors:
            if il >= main:
                continue  # published without its prediction layers
            if hparams.n_head[il] or hparams.per_layer("feed_forward_length", 1)[il]:
                raise InputError(
                    f"{hparams.header.source}: layer {il} has no tensors: the file is incomplete"
                )
            # pruned away whole, as in Nemotron Ultra (src/models/deci.cpp skips it)
        shapes = {t.name: t.shape for t in tensors}
        group = LayerGroup(
            layers=(),
            caches=hparams.caches(il, shapes),
            feed_forward=hparams.feed_forward(il, shapes),
            tensors=tuple(tensors),
            mtp=il >= main,
        )
        key = (group.caches, group.feed_forward, frozenset(shapes.items()), group.mtp)
        found.setdefault(key, (group, []))[1].append(il)
    return tuple(
        LayerGroup(tuple(members), g.caches, g.feed_forward, g.tensors, g.mtp)
        for g, members in found.values()
    )
