"""vLLM's settings as shares of the work."""

from __future__ import annotations

from planner.engines.work_split import WorkSplit
from planner.plan import Placement, Plan


def work_split(plan: Plan) -> WorkSplit:
    """Return how a plan for vLLM divides the work: all GPUs read a layer at once, or one after the other."""
    settings = plan.settings
    # Over data parallel ranks the experts are spread; attention's few weights are read by every rank, which the
    # estimate leaves out.
    spread = settings.get("enable_expert_parallel") and int(settings.get("data_parallel_size", 1)) > 1
    together = bool(spread) or int(settings.get("tensor_parallel_size", 1)) > 1
    if plan.placement is Placement.CPU:
        return WorkSplit(mode="tensor" if together else "layer")
    kind = str(settings.get("kv_cache_dtype", "auto"))
    return WorkSplit(
        mode="tensor" if together else "layer",
        kv_bytes=1.0 if kind.startswith("fp8") else 2.0,
        ubatch=int(settings.get("max_num_batched_tokens", 2048)),
    )
