"""What llama.cpp's messages and logs mean: rules from a paste to a cause and the smallest change.

Messages stand in messages.json one folder up, with the file of build b11434 that prints them. Each rule puts a
message's numbers together with the command and, where the model is known, with the planner's own figures.
"""

from __future__ import annotations

from typing import Final

from planner.engines.evidence import Rule
from planner.engines.llama_cpp.diagnosis.buffers import (
    cache_did_not_fit,
    draft_not_counted,
    fit_gave_up,
    goes_on_without_copies,
    outside_of_the_buffers,
)
from planner.engines.llama_cpp.diagnosis.contexts import (
    capped_at_training,
    longer_than_a_slot,
    slots_filled_the_cache,
)
from planner.engines.llama_cpp.diagnosis.failed_buffer import buffer_did_not_fit
from planner.engines.llama_cpp.diagnosis.flags import LOG, PROGRAMS, SIGN
from planner.engines.llama_cpp.diagnosis.host_memory import (
    backends_see_different_memory,
    metal_is_short,
    prompt_cache_in_ram,
    unified_to_the_brim,
)
from planner.engines.llama_cpp.diagnosis.refusals import (
    gpu_reset,
    option_unknown,
    unknown_architecture,
)
from planner.engines.llama_cpp.diagnosis.spill import (
    busy_processor,
    layers_in_ram,
    layers_left_in_ram,
    needs_more_than_free,
    paged_by_windows,
)
from planner.engines.llama_cpp.diagnosis.steps import SIZING, logged

__all__ = ["LOG", "PROGRAMS", "RULES", "SIGN", "SIZING", "logged"]

RULES: Final[tuple[Rule, ...]] = (
    layers_left_in_ram,
    goes_on_without_copies,
    draft_not_counted,
    prompt_cache_in_ram,
    gpu_reset,
    backends_see_different_memory,
    capped_at_training,
    longer_than_a_slot,
    slots_filled_the_cache,
    outside_of_the_buffers,
    buffer_did_not_fit,
    cache_did_not_fit,
    fit_gave_up,
    layers_in_ram,
    needs_more_than_free,
    unknown_architecture,
    option_unknown,
    paged_by_windows,
    busy_processor,
    unified_to_the_brim,
    metal_is_short,
)
