"""Builds of llama.cpp: which were read, what each does otherwise, and which one a program says that it is.

Rules stand for b11434 where nothing else is said; what is known of others is a field of Build, and a line of
DIFFERENCES for people. A build that was not read is taken for the newest one that was and is no newer.
"""

from __future__ import annotations

import re
from typing import Final

from planner.fast_dataclass import dataclass
from planner.hardware.machine import Machine


@dataclass(frozen=True, slots=True)
class Build:
    """What differs between builds; the rules are b11434's unless a field says otherwise."""

    name: str = "b11434"
    all_outputs: bool = False  # logits reserved for a whole ubatch, whatever n_outputs_max says
    output_last: bool = False  # -ngl counts from the last repeating layer, the output layer comes on top
    wide_mask: bool = False  # with flash attention too the mask is F32 first, and cast
    one_input: bool = False  # a batch holds tokens or vectors, never both
    pooled_scratch: bool = (
        False  # flash attention's F16 copies lie in a pool of the backend's, not in the buffer
    )
    graph_as_built: bool = False  # Vulkan doesn't reorder it
    tokens_alone: bool = False  # the graph has no input for vectors
    early_rows: bool = False  # rows without an output pass no last feed-forward, where none is drafted from
    inputs_first: bool = False  # the layers' own inputs (Gemma 4) are looked up before the embeddings
    expert_cache: bool = False  # --moe-cache-mib
    fits: bool = True  # it has --fit


_NAME: Final = "llama.cpp"
CURRENT: Final = Build()
BUILD: Final = CURRENT.name
READ: Final = 11434  # what CURRENT is
# The output layer is offloaded first since llama_params_fit came (December 2025, b7410); logits are reserved
# for n_outputs_max only since June 2026 (between b9010 and b9849 in published logs).
_FIT, _FEW_OUTPUTS = 7410, 9150
# What Metal copies for flash attention (pull request 27390) came in the time of _MIXED; Vulkan orders graphs since
# September 2025.
_VULKAN_ORDERS: Final = 6600
_SELECTED: Final = 7780  # pull request 18898 (20 January 2026): the graph is the same for tokens and vectors
# An F16 mask came with pull request 23764 (28 May 2026, between b9190 and b9607), batches of both between b10400 and
# b11200 in published logs.
_NARROW_MASK, _MIXED = 9450, 10800
_SCRATCH_COUNTED: Final = 9800  # between b9190 and b10400 in published logs
NEWEST: Final = 11549  # the newest that was read; with which build after b11434 its changes came isn't known
_BUILD_DATES: Final = ((_FIT, "2025-12-15"), (_FEW_OUTPUTS, "2026-06-30"))
# model_type of a config.json -> the first build known to run it, where the rules here don't (src/models)
ARCHITECTURES_SINCE: Final = {
    "k2_horizon": NEWEST,
    "gemma_embedding2": NEWEST,
    "beam": 11739,
    "muse_spark_text": 11739,
}
_BEFORE: Final = (
    (_FIT, "it has no --fit, and counts -ngl without the output layer"),
    (_FEW_OUTPUTS, "it reserves logits for every token of a micro-batch: 250 to 500 MiB more at -ub 512"),
)
_SINCE_NEWEST: Final = (
    "its compute buffers are up to 40 MiB smaller, or 16 larger, for Qwen3-Next, Qwen3.5 and later and Gemma 4 E;"
    " it listens on port 9931 where --port says nothing; --moe-cache-mib is new"
)


def build_of(version: str | None, model_released: str = "") -> Build:
    """Return the rules of a build such as "b9849", "7896 (ec6c7421e)" or "0.6.0-dev (build 11549, commit unknown)".

    Where the version isn't known, the build is as old as it can be: no older than the model it ran (ISO date).
    """
    oldest = max((n for n, date in _BUILD_DATES if date <= model_released), default=0)
    number = number_of(version) or oldest
    newer = number >= NEWEST
    return Build(
        name=f"b{number}" if number else "unknown",
        all_outputs=number < _FEW_OUTPUTS,
        output_last=number < _FIT,
        wide_mask=number < _NARROW_MASK,
        one_input=number < _MIXED,
        pooled_scratch=number < _SCRATCH_COUNTED,
        graph_as_built=number < _VULKAN_ORDERS,
        tokens_alone=number < _SELECTED,
        early_rows=newer,
        inputs_first=newer,
        expert_cache=newer,
        fits=number >= _FIT,
    )


def number_of(version: str | None) -> int | None:
    """Return a build's number in what a program says of its version, None where it says none."""
    text = version or ""
    match = re.search(r"\bbuild:?\s+b?(\d{3,6})\b", text) or re.search(
        r"(?:^|\bversion:?\s+)\s*b?(\d{3,6})\b", text
    )
    return int(match[1]) if match else None


def installed_build(machine: Machine) -> Build:
    """Return the build whose rules a plan follows: the installed one where it is known."""
    version = machine.engines.get(_NAME)
    return CURRENT if number_of(version) in (None, READ) else build_of(version)


def followed(machine: Machine) -> str:
    """Return one line on what the installed build does otherwise, which a plan counts; empty where nothing."""
    number = number_of(machine.engines.get(_NAME))
    said = _said(number)
    return f"Planned by the rules of the installed b{number}: {'; '.join(said)}." if said else ""


def differences(version: str) -> tuple[str, ...]:
    """Return what an installed build does otherwise than the rules here, in one clause; nothing for their own."""
    number = number_of(version)
    said = _said(number)
    return (f"llama.cpp b{number} is installed, the rules are {BUILD}'s: {'; '.join(said)}",) if said else ()


def _said(number: int | None) -> list[str]:
    if number is None or number == READ:
        return []
    said = [text for build, text in _BEFORE if number < build]
    if number >= NEWEST:
        said.append(_SINCE_NEWEST)
    if number > NEWEST:
        said.append(f"what came after b{NEWEST} was not read")
    if not said:
        said = ["its compute buffers may differ by some MiB, its weights and caches do not"]
    return said
