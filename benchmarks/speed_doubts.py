"""Rows that can't be what they say: refused with the reason, by physics or by how engines work, never by their error.

`hw_count`: GPUs of the row; its `parallel` as engines write it ("tp4 pp2 dp2 ep8": expert parallelism lies inside
tensor parallelism, so that GPUs = tp × pp × dp; where dp = tp = GPUs, each rank attends to requests of its own).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from planner.speed.job import Job

_LEAST: Final = 0.9  # of the bytes of a step: a file's size holds what a step needn't read
_WAITED: Final = 0.5  # of a request's decode time, spent before its first token: a queue, not a batch
_CACHED: Final = 3e8  # bytes: a model of a few times the last-level cache is not all read from memory


def read_too_fast(job: Job, depth: float, batch: float, seconds: float) -> str | None:
    """Say so where a step of `seconds` is shorter than reading its bytes at the memory's peak takes."""
    w, b, s = job.work, job.bits, job.situation
    if s.gpu_dense < 1 or s.gpu_experts < 1 or s.gpu_kv < 1 or any(not d.exact for d in s.devices):
        return None
    dense = (w.linear * b.dense + w.head * b.head) / 8
    experts = w.experts * b.expert / 8 * (w.n_used / w.n_expert if w.n_expert else 0.0)
    size = dense + experts + batch * w.kv_elements(depth) * s.kv_bytes
    if size < _CACHED or (not s.devices and not s.host.exact):
        return None
    peak = size * (s.inverse_bandwidth if s.devices else 1 / s.host.bandwidth)
    if seconds < _LEAST * peak:
        return (
            f"faster than memory can be read: {seconds * 1e3:.1f} ms a step, {peak * 1e3:.1f} ms at its peak"
        )
    return None


def too_large(job: Job) -> str | None:
    """Say so where weights that are said to lie on the devices are larger than all their memory."""
    w, b, s = job.work, job.bits, job.situation
    shares = (s.gpu_dense * (w.linear * b.dense + w.head * b.head) + s.gpu_experts * w.experts * b.expert) / 8
    capacity = sum(d.capacity for d in s.devices)
    if 0 < capacity < shares and all(d.memory != "unified" for d in s.devices):
        return f"does not fit: {shares / 1e9:.0f} GB of weights in {capacity / 1e9:.0f} GB of memory"
    return None


def queued(row: Mapping[str, Any]) -> str | None:
    """Say so where requests waited: their concurrency is no running batch."""
    first, each, output = row.get("ttft_ms"), row.get("tpot_ms"), row.get("osl")
    if not (first and each and output) or float(row.get("concurrency") or 1) <= 1:
        return None
    decode = float(each) * float(output)
    if float(first) > _WAITED * decode:
        return f"queueing: {float(first) / decode:.0%} of the decode time passed before the first token"
    return None


def ranks(row: Mapping[str, Any], heads: int) -> tuple[int, int, str | None]:
    """GPUs that share each layer, groups among them that attend to requests of their own, and what is wrong.

    A pool of more GPUs than tp × pp is replicas, of which one is planned.
    """
    text = f"{row.get('parallel') or ''} {row.get('test') or ''}"
    count = int(row.get("hw_count") or 1)
    sizes = {key: int(n) for key, n in re.findall(r"\b(tp|pp|dp|ep)(\d+)\b", text)}
    experts, replicas = sizes.get("ep", 1), sizes.get("dp", 1)
    tp = sizes.get("tp") or (experts if count > 8 and experts > 1 else count)
    if max(tp, experts) > count:
        return tp, 1, f"layers or experts over {max(tp, experts)} GPUs, of which the row names {count}"
    groups = replicas if replicas == tp == count else 1
    if heads and heads % max(1, tp // groups):
        return tp, groups, f"a group of {tp} doesn't divide {heads} attention heads"
    return tp, groups, None
