"""What vLLM's messages mean, with their numbers put together (files of vLLM 0.33.0 in messages.json)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from planner.engines.evidence import Evidence, Fix, Rule, Sizing, Step
from planner.engines.refused_options import option_refused
from planner.engines.vllm.diagnosis.budget import (
    no_room_for_any_block,
    one_request_does_not_fit,
    taken_before_the_start,
)
from planner.engines.vllm.diagnosis.flags import LENGTH, LOG, PROGRAMS, SEQUENCES, SIGN, UTILIZATION
from planner.engines.vllm.diagnosis.limits import (
    heads_do_not_divide,
    more_sequences_than_states,
    request_too_long,
    shared_memory_too_small,
)
from planner.engines.vllm.diagnosis.out_of_memory import memory_of_others, out_of_memory_while
from planner.units import GIB

__all__ = ["LOG", "PROGRAMS", "RULES", "SIGN", "SIZING", "logged"]

_STEPS: Final = (
    Step(
        Fix("--max-num-batched-tokens 2048", "slower prefill", {"--max-num-batched-tokens": "2048"}),
        {"max_num_batched_tokens": 2048},
    ),
    Step(Fix("--max-num-seqs 16", "users at once", {SEQUENCES: "16"}), {"max_num_seqs": 16}),
    Step(
        Fix(f"{UTILIZATION} 0.95", "less room for peaks", {UTILIZATION: "0.95"}),
        {"gpu_memory_utilization": 0.95},
    ),
    Step(Fix("--enforce-eager", "slower decode", {"--enforce-eager": ""}), {"enforce_eager": True}),
    Step(
        Fix("--kv-cache-dtype fp8", "little quality", {"--kv-cache-dtype": "fp8"}), {"kv_cache_dtype": "fp8"}
    ),
    Step(Fix("--max-model-len {}", "context", {LENGTH: ""}), context="max_model_len"),
)


SIZING: Final = Sizing(_STEPS)


_LOADED: Final = re.compile(r"Model loading took ([\d.]{1,10}) Gi?B")


def logged(evidence: Evidence) -> Mapping[str, int]:
    """Return what the log says of the weights of one GPU, bytes."""
    said = _LOADED.search(evidence.text)
    alone = evidence.flag("--tensor-parallel-size", "--pipeline-parallel-size") in (None, "1")
    return {"weights": round(float(said[1]) * GIB)} if said and alone and said[1].count(".") < 2 else {}


RULES: Final[tuple[Rule, ...]] = (
    option_refused,
    taken_before_the_start,
    one_request_does_not_fit,
    no_room_for_any_block,
    request_too_long,
    memory_of_others,
    more_sequences_than_states,
    heads_do_not_divide,
    shared_memory_too_small,
    out_of_memory_while,
)
