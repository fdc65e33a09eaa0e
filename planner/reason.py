"""Reason: why an answer is what it is, for programs (kind, values) and for people (text).

Programs decide by the kind, never by the text. The values are the figures in the text, as plain numbers and names,
so that it can be said in another language too: bytes, tokens and tokens a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Final

from planner.fast_dataclass import dataclass

Value = int | float | str


class ReasonKind(StrEnum):
    """What a reason or a warning says."""

    # it doesn't fit
    DEVICE_TOO_SMALL = "device_too_small"
    WEIGHTS_OVER_BUDGET = "weights_over_budget"
    BUDGET_NOT_FREE = "budget_not_free"
    NO_ROOM_FOR_CACHE = "no_room_for_cache"
    CONTEXT_TOO_LONG = "context_too_long"
    TOO_MANY_USERS = "too_many_users"
    TOO_MANY_SEQUENCES = "too_many_sequences"
    WHAT_WOULD_FIT = "what_would_fit"
    # where it runs
    WHOLE_ON_GPUS = "whole_on_gpus"
    WHOLE_ON_ONE_GPU = "whole_on_one_gpu"
    EXPERTS_IN_RAM = "experts_in_ram"
    LAYERS_IN_RAM = "layers_in_ram"
    CPU_ONLY = "cpu_only"
    TOO_LARGE_FOR_GPU = "too_large_for_gpu"
    TOO_LARGE_FOR_SHARED_MEMORY = "too_large_for_shared_memory"
    PLACEMENT_GIVEN = "placement_given"
    SPLIT_OVER_GPUS = "split_over_gpus"
    FEWER_GPUS_ENOUGH = "fewer_gpus_enough"
    # with which settings
    CACHE_QUANTISED = "cache_quantised"
    CONTEXT_CHOSEN = "context_chosen"
    SETTING_CHANGED = "setting_changed"
    DEFAULTS_FAIL = "defaults_fail"
    DEFAULTS_UNCERTAIN = "defaults_uncertain"
    DEFAULTS_TOO_SMALL = "defaults_too_small"
    OLDER_RELEASE_FAILS = "older_release_fails"
    # what was counted
    MEMORY_BUDGET = "memory_budget"
    CACHE_HOLDS = "cache_holds"
    RULES = "rules"
    MEASURED_HERE = "measured_here"
    # its place among others
    BEST_SCORE = "best_score"
    FASTEST = "fastest"
    LONGEST_CONTEXT = "longest_context"
    ENGINE_CHOSEN = "engine_chosen"
    ONLY_ENGINE = "only_engine"
    LOAD = "load"
    BEST_PERMISSIVE = "best_permissive"
    PARTLY_IN_RAM = "partly_in_ram"
    SLOW = "slow"
    # beside other models
    ALL_LOADED = "all_loaded"
    TAKE_TURNS = "take_turns"
    START_IN_ORDER = "start_in_order"
    # leaving the placement to the engine
    FREE_MEMORY_UNKNOWN = "free_memory_unknown"
    FREE_MEMORY_MAY_CHANGE = "free_memory_may_change"
    # what to beware of
    BELOW_ASKED_SPEED = "below_asked_speed"
    BEYOND_STATED_CONTEXT = "beyond_stated_context"
    BEYOND_TRAINED_CONTEXT = "beyond_trained_context"
    CONTEXT_CAPPED = "context_capped"
    ONE_AT_A_TIME = "one_at_a_time"
    NO_PUBLISHED_SCORE = "no_published_score"
    LAST_RESORT = "last_resort"
    LICENCE = "licence"
    ABOUT_MODEL = "about_model"
    WEIGHTS_ESTIMATED = "weights_estimated"
    WEIGHTS_PUBLISHED = "weights_published"
    MAKE_IT_YOURSELF = "make_it_yourself"
    LAYOUT_UNKNOWN = "layout_unknown"
    NOT_COUNTED = "not_counted"
    NO_PIPELINE_COPIES = "no_pipeline_copies"
    FILE_MAPPED = "file_mapped"
    PICTURE = "picture"
    OTHER_BUILD = "other_build"
    EXPERIMENTAL = "experimental"
    DRAFTING = "drafting"
    CACHE_SIZE_UNCERTAIN = "cache_size_uncertain"
    NO_FP8_UNITS = "no_fp8_units"
    FOREIGN_CODE = "foreign_code"
    LONG_PIPELINE = "long_pipeline"
    SLOW_ON_CPU = "slow_on_cpu"
    LITTLE_CHECKED = "little_checked"
    # what was read in a command line
    FLAG_READ_AS = "flag_read_as"
    FLAG_NOT_COUNTED = "flag_not_counted"
    RULES_OF_ANOTHER = "rules_of_another"
    # an engine will not run it
    NOT_SUPPORTED = "not_supported"
    REFUSED = "refused"


SHORTAGES: Final = frozenset(
    {
        ReasonKind.DEVICE_TOO_SMALL,
        ReasonKind.WEIGHTS_OVER_BUDGET,
        ReasonKind.BUDGET_NOT_FREE,
        ReasonKind.NO_ROOM_FOR_CACHE,
        ReasonKind.CONTEXT_TOO_LONG,
        ReasonKind.TOO_MANY_USERS,
        ReasonKind.TOO_MANY_SEQUENCES,
    }
)


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason or warning. `str()` of it is the text."""

    kind: ReasonKind
    """What it says."""
    text: str
    """The sentence."""
    values: Mapping[str, Value] = field(default_factory=dict, hash=False)
    """The figures in it, by name."""
    clause: str = ""
    """Of what doesn't fit: the same, to stand after "does not fit: "."""

    def __str__(self) -> str:
        return self.text
