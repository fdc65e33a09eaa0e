"""vLLM versions: which release a log or a server is, and what changed between releases.

Rules are those of vLLM 0.33.0, whose Python sources were read; the differences below were read in the sources of
the releases from 0.10 on, or in their release notes, and seen in the logs of real servers.
"""

from __future__ import annotations

import re
from typing import Final

from planner.fast_dataclass import dataclass

RULES_VERSION: Final = "0.33.0"
_RELEASE: Final = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True, order=True)
class Release:
    """A release number; development builds count as the release that they precede."""

    major: int
    minor: int
    patch: int = 0

    @property
    def default_utilization(self) -> float:
        """Default of --gpu-memory-utilization: 0.92 since 0.20, 0.90 before (config/cache.py)."""
        return 0.92 if self >= Release(0, 20) else 0.90

    @property
    def graphs_in_budget(self) -> bool:
        """CUDA graphs are profiled inside the budget since 0.20 (vllm/envs.py, whose log says since 0.21)."""
        return self >= Release(0, 20)

    @property
    def tokens_from_concurrency(self) -> bool:
        """The logged tokens are concurrency × max_model_len since 0.21 (v1/core/kv_cache_utils.py).

        Before, blocks // groups × block_size: not a capacity for hybrid models.
        """
        return self >= Release(0, 21)

    @property
    def in_flight_margin(self) -> bool:
        """Sliding windows reserve for batches in flight (two with async scheduling) since 0.26, before for one.

        v1/kv_cache_interface.py SlidingWindowSpec.max_admission_blocks_per_request.
        """
        return self >= Release(0, 26)

    @property
    def batch_grows(self) -> bool:
        """The default batch is raised to a whole image or video where it must hold one, since 0.22.

        engine/arg_utils.py _get_min_mm_batched_tokens; before, such a model didn't start where 2,048 was too few.
        """
        return self >= Release(0, 22)

    @property
    def a_state_for_each_sequence(self) -> bool:
        """Capturing full CUDA graphs refuses more sequences than there are state blocks, since 0.17.

        v1/worker/gpu_model_runner.py _check_and_update_cudagraph_mode; before, the sizes captured were capped.
        """
        return self >= Release(0, 17)


CURRENT: Final = Release(0, 33)


def parse_release(text: str | None) -> Release:
    """Return the release in a text such as "v0.11.2.dev690+g67475a6"; the rules' own where there is none."""
    match = _RELEASE.search(text or "")
    if match is None:
        return CURRENT
    return Release(int(match[1]), int(match[2]), int(match[3] or 0))


def differences(installed: str) -> tuple[str, ...]:
    """Say what an installed vLLM does otherwise than the rules that a plan was made by.

    Empty where it is the same release. The text is one clause each, for `doctor` and warnings.
    """
    release = parse_release(installed)
    if _RELEASE.search(installed) is None:
        return (f"the installed vLLM does not say its release ('{installed[:40]}')",)
    if (release.major, release.minor) == (CURRENT.major, CURRENT.minor):
        return ()
    if release > CURRENT:
        return (f"vLLM {installed} is newer than the {RULES_VERSION} that the rules were read from",)
    said = [f"vLLM {installed} is older than the {RULES_VERSION} that the rules were read from"]
    if release.default_utilization != CURRENT.default_utilization:
        said.append(f"its default gpu_memory_utilization is {release.default_utilization:g}")
    if not release.graphs_in_budget:
        said.append("its CUDA graphs come on top of the budget")
    if not release.tokens_from_concurrency:
        said.append("the tokens that it logs are no capacity for models with local attention")
    if release < Release(0, 17):
        said.append("its sampler's warm-up takes twice the memory")
    return tuple(said)
