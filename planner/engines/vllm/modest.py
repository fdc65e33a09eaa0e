"""The smallest share of each GPU that a plan needs: what one of several servers on a machine is started with.

By itself vLLM takes 92 % of a GPU and gives to the cache what weights leave. The share is of the GPU's whole
memory, of this server alone, and must be free when it starts (vllm/v1/worker/utils.py request_memory, 0.33.0).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from planner.engines.vllm.deployment import deployment_of
from planner.engines.vllm.memory.weights import WeightTable
from planner.engines.vllm.outcome import evaluate
from planner.fast_dataclass import replace
from planner.plan import Plan


def modest_share(plan: Plan) -> Mapping[str, Any]:
    """Return gpu_memory_utilization in whole hundredths; {} where a person has set it, or the plan is for the CPU."""
    share = plan.settings.get("gpu_memory_utilization")
    given = plan.request.settings
    if share is None or "gpu_memory_utilization" in given or "kv_cache_memory_bytes" in given:
        return {}
    deployment = deployment_of(replace(plan.request, settings=plan.settings))
    if not deployment.devices.gpus:
        return {}
    table = WeightTable(deployment.arch, deployment.scheme, deployment.devices.gpu)
    demand = plan.request.workload.demand.over(deployment.settings.data_parallel_size)

    def holds(hundredths: int) -> bool:
        settings = replace(deployment.settings, gpu_memory_utilization=hundredths / 100)
        return evaluate(table, settings, deployment.devices.free).holds(demand)

    most = int(share * 100)
    least = bisect_left(range(1, most), True, key=holds) + 1
    return {"gpu_memory_utilization": least / 100}
