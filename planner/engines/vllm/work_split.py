"""vLLM's settings as shares of the work."""

from __future__ import annotations

from typing import Final

from planner.engines.work_split import WorkSplit
from planner.plan import Placement, Plan
from planner.units import GIB


def work_split(plan: Plan) -> WorkSplit:
    """Return how a plan for vLLM divides the work: all GPUs read a layer at once, or one after the other."""
    settings = plan.settings
    # Over data parallel ranks the experts are spread; attention's few weights are read by every rank, which the
    # estimate leaves out.
    spread = settings.get("enable_expert_parallel") and int(settings.get("data_parallel_size", 1)) > 1
    together = bool(spread) or int(settings.get("tensor_parallel_size", 1)) > 1
    if plan.placement is Placement.CPU:
        return WorkSplit(mode="tensor" if together else "layer")
    kind, method = str(settings.get("kv_cache_dtype", "auto")), str(settings.get("speculative_method") or "")
    return WorkSplit(
        mode="tensor" if together else "layer",
        kv_bytes=next((size for name, size in _CACHE_BYTES if kind.startswith(name)), 2.0),
        ubatch=int(settings.get("max_num_batched_tokens", 2048)),
        # Of the ways to draft only the model's own prediction layers have a gain that was measured
        drafted=int(settings.get("num_speculative_tokens") or 0) if method.endswith("mtp") else 0,
        drafts=bool(method),
        streamed=_streamed(plan),
        eager=bool(settings.get("enforce_eager")),
    )


# Bytes a cached element, by the beginning of the type's name (memory/layer_pages.py; scales apart)
_CACHE_BYTES: Final = (
    ("fp8", 1.0),
    ("int8", 1.0),
    ("int4", 0.5),
    ("nvfp4", 0.5625),
    ("turboquant_k8v4", 0.75),
)


def _streamed(plan: Plan) -> float:
    """Share of the weights that --cpu-offload-gb leaves in pinned memory: kernels read them there, over the link
    (model_executor/offloader/uva.py).
    """
    moved = float(plan.settings.get("cpu_offload_gb") or 0) * GIB
    held = max((d.weights for d in plan.memory.devices if d.kind == "gpu"), default=0)
    if not moved:
        return 0.0
    return moved / (moved + held) if held else 1.0
