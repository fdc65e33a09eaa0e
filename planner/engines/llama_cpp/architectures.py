"""Everything known of an architecture under llama.cpp: one row a `general.architecture`.

What each column means and where it was read stands in planner.engines.llama_cpp.traits; what a GGUF of an
architecture holds that its metadata doesn't say in planner.models.gguf.architectures. Read in llama.cpp b11434.
"""

from __future__ import annotations

from typing import Final

from planner.engines.llama_cpp.traits import ORDINARY, UNREAD, Prediction, Rope, RowsDropped, Rule, Traits
from planner.models.architecture import Architecture

# fmt: off
_FEED: Final = ("ffn_down", "ffn_gate", "ffn_up", "exp_probs_b", "nextn.embed_tokens", "nextn.shared_head")
_DRAFTS: Final = Prediction()
_NOT_FOLLOWED: Final = Prediction(followed=False)

ARCHITECTURES: Final[dict[str, Traits]] = {
    # nothing out of the ordinary
    **dict.fromkeys(
        (
            "apertus", "arcee", "arctic", "baichuan", "bailingmoe", "chatglm", "dbrx", "deepseek",
            "ernie4_5", "ernie4_5-moe", "exaone", "gptneox", "internlm2", "llama", "mellum", "minicpm",
            "mistral3", "phi2", "phi3", "phimoe", "qwen2", "qwen3", "qwen3moe", "seed_oss", "stablelm",
        ),
        ORDINARY,
    ),
    # of these only the list of what -sm tensor refuses was read
    **dict.fromkeys(
        (
            "bitnet", "mamba", "mamba2", "minicpm3", "mpt", "plamo2", "qwen3tts", "t5",
        ),
        Traits(known=False, tensor_split=Rule.REFUSED),
    ),
    "afmoe": Traits(
        embedding_scale=True, norm_first=True, gating="sigmoid", scaled_weights=True,
        rope=Rope.THREE_OF_FOUR,
    ),
    "bailingmoe2": Traits(gating="sigmoid", scaled_weights=True, predictions_skipped=True),
    "bailingmoe3": Traits(
        rows_dropped=RowsDropped.AFTER_NORM, crops_early=True, gating="sigmoid", scaled_weights=True,
        bounded_decay=True, clamps_if_said=True, mrope_if_said=True, expanded_norm=False, rollback=True,
        predictions_cached=True,
        prediction=Prediction(own_vocabulary=False), tensor_split=Rule.REFUSED,
    ),
    "bert": Traits(norm="norm", encoder=True, embedding_norm="norm", rope=Rope.NEVER),
    "bloom": Traits(norm="norm", embedding_norm="norm", rope=Rope.NEVER),
    "cohere2": Traits(norm="norm", parallel=True, rope=Rope.SLIDING),
    "cohere2moe": Traits(
        norm="norm", rows_dropped=RowsDropped.AFTER_NORM, crops_early=True, parallel=True, gating="sigmoid",
        scaled_weights=True, rope=Rope.SLIDING_OR_DENSE, prediction=Prediction(rotates=True),
    ),
    "command-r": Traits(norm="norm", parallel=True),
    "deci": Traits(pruned_blocks=True),
    "deepseek2": Traits(
        gating="sigmoid", scaled_weights=True, biased_routing=True, prediction=_DRAFTS,
        tensor_split=Rule.REFUSED,
    ),
    "deepseek32": Traits(
        gating="sigmoid", scaled_weights=True, predictions_loaded=("exp_probs_b",), prediction=_DRAFTS,
        tensor_split=Rule.REFUSED,
    ),
    "deepseek4": Traits(
        mixed=False, gating="softplus", scaled_weights=True, rollback=True, prediction=_NOT_FOLLOWED,
        tensor_split=Rule.NOT_FOLLOWED,
    ),
    "dots1": Traits(gating="sigmoid", scaled_weights=True),
    "dots3note": Traits(graph=Rule.NOT_FOLLOWED, predictions_skipped=True, tensor_split=Rule.REFUSED),
    "exaone-moe": Traits(
        gating="sigmoid", scaled_weights=True, rope=Rope.SLIDING_IF_ANY, predictions_skipped=True,
    ),
    "exaone4": Traits(rope=Rope.SLIDING_IF_ANY, predictions_skipped=True),
    "falcon": Traits(norm="norm", parallel=True, residual_last=True),
    "falcon-h1": Traits(tensor_split=Rule.REFUSED),
    "gemma": Traits(embedding_scale=True),
    "gemma-embedding": Traits(encoder=True, token_scale=True),
    "gemma2": Traits(embedding_scale=True, soft_caps=("scale", "unary", "scale")),
    "gemma3": Traits(token_scale=True),
    "gemma3n": Traits(
        token_scale=True, normed_values=True, sparse_until=10, output_first=True, tensor_split=Rule.REFUSED,
    ),
    "gemma4": Traits(
        rows_dropped=RowsDropped.AFTER_NORM, crops_early=True, token_scale=True, normed_values=True, full_factors=True,
        output_first=True, factors_where_full=True,
    ),
    "glm-dsa": Traits(
        gating="sigmoid", scaled_weights=True, predictions_loaded=("exp_probs_b",), prediction=_DRAFTS,
        tensor_split=Rule.REFUSED,
    ),
    "glm4": Traits(predictions_skipped=True, mrope_if_said=True),
    "glm4moe": Traits(gating="sigmoid", scaled_weights=True, prediction=_DRAFTS, mrope_if_said=True),
    "glm5-next": Traits(
        graph=Rule.NOT_FOLLOWED, rollback=True, prediction=_NOT_FOLLOWED, tensor_split=Rule.REFUSED,
    ),
    "gpt-oss": Traits(
        rows_dropped=RowsDropped.BEFORE_NORM, crops_early=True, gating="softmax_weight", normed_weights=False,
    ),
    "gpt2": Traits(norm="norm", rope=Rope.NEVER),
    "granite": Traits(embedding_scale=True, residual_scale=True),
    "granitehybrid": Traits(
        embedding_scale=True, residual_scale=True, optional_rope=True, tensor_split=Rule.REFUSED,
    ),
    "granitemoe": Traits(embedding_scale=True, residual_scale=True),
    "grok": Traits(soft_caps=("scale", "unary", "scale"), flash_attention=False, tensor_split=Rule.REFUSED),
    "hunyuan-dense": Traits(rope_first=True),
    "hunyuan-moe": Traits(rope_first=True),
    "hy_v3": Traits(
        rows_dropped=RowsDropped.AFTER_NORM, crops_early=True, gating="sigmoid", scaled_weights=True,
        predictions_loaded=_FEED, prediction=_DRAFTS,
    ),
    "hy_v4": Traits(graph=Rule.NOT_FOLLOWED, tensor_split=Rule.REFUSED),
    "jamba": Traits(normed_weights=False, residual_first=True, rope=Rope.NEVER, tensor_split=Rule.REFUSED),
    "jina-bert-v2": Traits(norm="norm", encoder=True, embedding_norm="norm", rope=Rope.NEVER),
    "kimi-k3": Traits(
        rows_dropped=RowsDropped.BEFORE_NORM, bounded_gate=True, gating="sigmoid", scaled_weights=True,
        bounded_decay=True, rope=Rope.NEVER, rollback=True, tensor_split=Rule.REFUSED,
    ),
    "kimi-linear": Traits(gating="sigmoid", scaled_weights=True, rope=Rope.NEVER, tensor_split=Rule.REFUSED),
    "laguna": Traits(gating="sigmoid", scaled_weights=True),
    "lfm2": Traits(residual_first=True, rollback=True, embedding_norm_last=True, mirrored_state=True),
    "lfm2moe": Traits(
        gating="sigmoid", residual_first=True, rollback=True, embedding_norm_last=True, mirrored_state=True,
    ),
    "llama4": Traits(
        gating="sigmoid", normed_weights=False, weights_first=True, attention_scale=True,
        rope=Rope.THREE_OF_FOUR,
    ),
    "mimo2": Traits(prediction=Prediction(state_before_norm=True, fused_qkv=True)),
    "minimax-01": Traits(normed_residuals=True, tensor_split=Rule.REFUSED),
    "minimax-m2": Traits(gating="sigmoid", tensor_split=Rule.REFUSED),
    "minimax-m3": Traits(gating="sigmoid", scaled_weights=True, tensor_split=Rule.REFUSED),
    "mistral4": Traits(precise_down=True, tensor_split=Rule.REFUSED),
    "modern-bert": Traits(norm="norm", encoder=True, embedding_norm="norm"),
    "muse-glimmer": Traits(embedding_norm="rms_norm", norm_first=True, rope=Rope.SLIDING),
    "nemotron": Traits(norm="norm"),
    "nemotron_h": Traits(
        rows_dropped=RowsDropped.AFTER_NORM, crops_early=True, squared=True, rope=Rope.NEVER, rollback=True,
        tensor_split=Rule.REFUSED,
    ),
    "nemotron_h_moe": Traits(
        rows_dropped=RowsDropped.AFTER_NORM, crops_early=True, squared=True, gating="sigmoid", scaled_weights=True,
        rope=Rope.NEVER, rollback=True, prediction=Prediction(early=True, joint_block=True, norm="norm"),
        tensor_split=Rule.REFUSED,
    ),
    "nomic-bert": Traits(norm="norm", encoder=True, embedding_norm="norm"),
    "nomic-bert-moe": Traits(norm="norm", encoder=True, embedding_norm="norm", normed_weights=False),
    "olmo2": Traits(tensor_split=Rule.REFUSED),
    "olmoe": Traits(tensor_split=Rule.REFUSED),
    "qwen2moe": Traits(normed_weights=False),
    "qwen2vl": Traits(mrope=True),
    "qwen35": Traits(
        rows_dropped=RowsDropped.AFTER_NORM, crops_early=True, mrope=True, rollback=True, prediction=_DRAFTS,
        gated_queries=True,
    ),
    "qwen35moe": Traits(
        rows_dropped=RowsDropped.AFTER_NORM, crops_early=True, mrope=True, rollback=True, prediction=_DRAFTS,
        gated_queries=True,
    ),
    "qwen3next": Traits(
        rows_dropped=RowsDropped.AFTER_NORM, crops_early=True, repeated_keys=True, prediction=Prediction(early=True),
        gated_queries=True, split_apart=True,
    ),
    "qwen3vl": Traits(mrope=True),
    "qwen3vlmoe": Traits(mrope=True),
    "qwen4exp": Traits(
        graph=Rule.NOT_FOLLOWED, rollback=True, prediction=_NOT_FOLLOWED, tensor_split=Rule.NOT_FOLLOWED,
    ),
    "smollm3": Traits(rope=Rope.THREE_OF_FOUR),
    "starcoder": Traits(norm="norm", rope=Rope.NEVER),
    "starcoder2": Traits(norm="norm"),
    "step35": Traits(
        rows_dropped=RowsDropped.BEFORE_NORM, crops_early=True, gating="sigmoid", scaled_weights=True,
        clamps_if_said=True, full_factors=True, predictions_loaded=(*_FEED, "attn_gate", "attn_q_norm", "attn_k_norm"),
        prediction=Prediction(state_before_norm=True),
    ),
}
# fmt: on


def traits(arch: Architecture) -> Traits:
    """Return an architecture's row; where there is none, an ordinary decoder's that says so."""
    return ARCHITECTURES.get(arch.gguf_arch or "", UNREAD)
