"""The flags that the rules read, and what shows vLLM in a text."""

from __future__ import annotations

from typing import Final

PROGRAMS: Final = ("vllm",)


SIGN: Final = r"\bvLLM\b|vllm|EngineCore|max_num_seqs|max_model_len|--max-model-len"  # in any case


LOG: Final = "the log from its start, to the first error"


UTILIZATION: Final = "--gpu-memory-utilization"


LENGTH: Final = "--max-model-len"


SEQUENCES: Final = "--max-num-seqs"


# Sequences that one GPU serves well beside a short cache; what people set after such a refusal.
FEW_SEQUENCES: Final = 32
