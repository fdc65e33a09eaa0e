"""llama.cpp's settings as shares of the work."""

from __future__ import annotations

from typing import Final

from planner.engines.work_split import WorkSplit
from planner.plan import Plan

_CACHE_BYTES: Final = {
    "f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 1.0625, "q5_1": 0.75, "q5_0": 0.6875, "q4_1": 0.625,
    "q4_0": 0.5625, "iq4_nl": 0.5625,
}  # fmt: skip


def work_split(plan: Plan, layers: int, expert_layers: int) -> WorkSplit:
    """Return how a plan for llama-server divides the work of so many layers, of which some hold routed experts."""
    settings = plan.settings
    dense, experts = _shares(plan, layers, expert_layers)
    types = (str(settings.get("cache_type_k", "f16")), str(settings.get("cache_type_v", "f16")))
    return WorkSplit(
        mode="row" if settings.get("split_mode") == "row" else "layer",
        uneven=True,
        gpu_dense=dense,
        gpu_experts=experts,
        gpu_kv=dense if settings.get("kv_offload", True) else 0.0,
        kv_bytes=sum(_CACHE_BYTES.get(t, 2.0) for t in types) / 2,
        flash_attention=settings.get("flash_attn") != "off",
        ubatch=int(settings.get("n_ubatch", 512)),
        op_offload=bool(settings.get("op_offload", True)),
        threads=int(settings["threads"]) if settings.get("threads") else None,
        drafts=settings.get("spec_type", "none") != "none",
        predicts=settings.get("spec_type") == "draft-mtp",
        together=settings.get("split_mode") == "tensor",
    )


def _shares(plan: Plan, layers: int, expert_layers: int) -> tuple[float, float]:
    """Shares of the dense weights and of the routed experts that lie on the devices."""
    settings = plan.settings
    on_gpu = float(settings.get("n_gpu_layers", 999))
    dense = 1.0 if on_gpu > layers else on_gpu / (layers + 1)
    experts = dense
    if settings.get("cpu_moe"):
        experts = 0.0
    elif settings.get("n_cpu_moe") and expert_layers:
        experts = max(0.0, dense - float(settings["n_cpu_moe"]) / layers)
    elif settings.get("override_tensor") and expert_layers:
        host = sum(d.weights for d in plan.memory.devices if d.kind == "cpu")
        total = sum(d.weights for d in plan.memory.devices)
        experts = max(0.0, 1.0 - host / max(1.0, total))
    return dense, experts
