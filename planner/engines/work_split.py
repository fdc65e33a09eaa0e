"""WorkSplit: what a plan's settings mean for the work, in shares and without an engine's words; planner.speed asks."""

from __future__ import annotations

from planner.fast_dataclass import dataclass
from planner.plan import Plan


@dataclass(frozen=True, slots=True)
class WorkSplit:
    """How the work of one plan is divided. Shares from 0 to 1."""

    mode: str = "layer"  # layer | row | tensor: how several devices share the layers
    uneven: bool = False  # devices hold different shares of the weights
    gpu_dense: float = 1.0  # share of the dense weights on the devices
    gpu_experts: float = 1.0  # share of the routed experts on the devices
    gpu_kv: float = 1.0  # share of the cache on the devices
    kv_bytes: float = 2.0  # bytes a cached element
    flash_attention: bool | None = None  # None: the engine's default
    ubatch: int = 512  # tokens computed at once in a prefill
    op_offload: bool = True  # prefill streams weights of the host to a GPU
    threads: int | None = None  # that decode uses on the host
    drafts: bool = False  # a second context drafts already
    predicts: bool = False  # … with the model's own prediction layers
    drafted: int = 0  # tokens that the model's own prediction layers draft a step, whose gain is known
    streamed: float = 0.0  # share of the weights that the devices read from the host's memory
    eager: bool = False  # the host launches every kernel of every step
    together: bool = False  # the devices share each layer already, though the speed is that of `mode`


def by_memory(plan: Plan) -> WorkSplit:
    """Return what the plan's memory alone says: everything is shared as the weights are."""
    host = sum(d.weights for d in plan.memory.devices if d.kind != "gpu")
    total = sum(d.weights for d in plan.memory.devices)
    share = 1.0 - host / total if total else 1.0
    return WorkSplit(uneven=True, gpu_dense=share, gpu_experts=share, gpu_kv=share)
