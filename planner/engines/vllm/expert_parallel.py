"""Expert and data parallelism for many users: when whole experts, or whole attention, go to each GPU.

vLLM's own recipes (docs.vllm.ai/projects/recipes, DeepSeek-V3, Kimi-K2, Qwen3; read 2026-11-24) start large mixtures
of experts on nodes of eight GPUs with tensor parallelism for few users, and add --enable-expert-parallel, with
--data-parallel-size in place of tensor parallelism, for many.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from planner.engines.vllm.refusals import heads_of, uses_mla
from planner.engines.vllm.settings import VllmSettings
from planner.fast_dataclass import replace
from planner.models.architecture import Architecture, MixtureOfExperts
from planner.reason import Reason, ReasonKind

MANY: Final = 64  # users: with eight GPUs, a batch of eight for each
_NODE: Final = 8  # GPUs: below this the recipes use tensor parallelism alone
_NAMED: Final = (
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "data_parallel_size",
    "enable_expert_parallel",
)


def for_many_users(
    arch: Architecture,
    chosen: VllmSettings,
    users: int,
    given: Mapping[str, Any],
    *,
    nvlink: bool,
    tight: bool = False,
) -> Iterator[tuple[VllmSettings, Reason]]:
    """Yield the splits that serve many users better than `chosen`, best first, each with its reason.

    None for few users, without NVLink (experts' tokens travel between all GPUs in every layer), over several
    hosts, or where the settings that decide it were given. `tight`: tensor parallelism alone doesn't hold the
    users, so that one for each GPU is many.
    """
    tp = chosen.tensor_parallel_size
    if users < (tp if tight else MANY) or tp < _NODE or chosen.pipeline_parallel_size > 1 or not nvlink:
        return
    if any(name in given for name in _NAMED):
        return
    experts = [g.feed_forward.n_expert for g in arch.groups if isinstance(g.feed_forward, MixtureOfExperts)]
    if not experts or min(experts) < tp:
        return
    heads, kv = heads_of(arch)
    if heads and (uses_mla(arch) or tp > kv):
        kept = "the latent cache" if uses_mla(arch) else f"the cache of {kv} KV heads"
        text = (
            f"--data-parallel-size {tp} --enable-expert-parallel: for many users each GPU keeps the cache of its"
            f" own; tensor parallelism would keep {kept} more than once"
        )
        yield (
            replace(chosen, tensor_parallel_size=1, data_parallel_size=tp, enable_expert_parallel=True),
            Reason(ReasonKind.SETTING_CHANGED, text, {"setting": "data_parallel_size", "value": tp}),
        )
    text = f"--enable-expert-parallel: for many users whole experts on each GPU, not {tp} slices of every one"
    yield (
        replace(chosen, enable_expert_parallel=True),
        Reason(ReasonKind.SETTING_CHANGED, text, {"setting": "enable_expert_parallel", "value": True}),
    )
