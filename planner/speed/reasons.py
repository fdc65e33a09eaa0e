"""What limits the speed of a plan, and what would make it faster, in plain words."""

from __future__ import annotations

from collections.abc import Mapping

from planner.speed.draft_gains import measured_gain
from planner.speed.engine_family import family_of
from planner.speed.job import Job, Traffic

_NAMES = {
    "w": "reading the weights from GPU memory",
    "x": "reading the weights, most of them routed experts, from GPU memory",
    "k": "reading the KV cache",
    "a": "attention's arithmetic",
    "s": "reading and writing the recurrent state",
    "l": "launching kernels layer by layer",
    "m": "routing tokens to experts",
    "r": "the recurrent layers' kernels",
    "t": "fixed work a token (sampling, scheduling)",
    "q": "fixed work a sequence",
    "b": "arithmetic: the batch is large enough to keep the compute units busy",
    "i": "reading other users' prompts between the steps",
    "c": "exchanging results between the GPUs in every layer",
    "cb": "the bandwidth of the link between the GPUs",
    "p": "handing over between the GPUs",
    "u": "reading weights from the host's RAM over the GPU's link",
    "hw": "reading weights from the host's RAM",
    "hx": "reading weights, most of them routed experts, from the host's RAM",
    "hk": "reading the KV cache from the host's RAM",
    "hc": "arithmetic on the CPU",
    "hh": "going back and forth between GPU and CPU",
}
_GROUPS = {
    "w": "w",
    "x": "w",
    "a": "k",
    "hw": "hw",
    "hx": "hw",
    "l": "l",
    "m": "l",
    "r": "l",
    "t": "l",
    "c": "c",
    "cb": "c",
}


def explain(job: Job, traffic: Traffic, step: Mapping[str, float]) -> tuple[str, tuple[str, ...]]:
    """Name the part that takes most of a decode step with its share, and list what would help, best first.

    `step`: seconds by part.
    """
    total = sum(step.values()) or 1.0
    groups: dict[str, float] = {}
    for part, seconds in step.items():
        key = _GROUPS.get(part, part)
        groups[key] = groups.get(key, 0.0) + seconds
    main = max(groups, key=lambda k: groups[k])
    inside = max((p for p in step if _GROUPS.get(p, p) == main), key=lambda p: step[p])
    limited = f"{_NAMES.get(inside, inside)} ({groups[main] / total:.0%} of the time)"
    return limited, tuple(_faster(job, traffic, groups, total))


def _faster(job: Job, traffic: Traffic, groups: Mapping[str, float], total: float) -> list[str]:
    w, bits, s = job.work, job.bits, job.situation
    out: list[tuple[float, str]] = []
    host = groups.get("hw", 0.0) + groups.get("hx", 0.0) + groups.get("hh", 0.0)
    if s.devices and host:
        gain = total / max(total - 0.9 * host, 0.05 * total)
        out.append((gain, f"holding everything in GPU memory: about {gain:.1f} times as fast"))
    if not s.devices:
        out.append((2.0, "a GPU, or RAM with more channels: decode follows memory bandwidth"))
    stored = bits.expert if w.experts > w.linear else bits.dense
    weights = groups.get("w", 0.0) + groups.get("hw", 0.0)
    if stored > 6:
        gain = total / (total - weights * (1 - 4.8 / stored))
        out.append((gain, f"a 4-bit quantisation: about {gain:.1f} times as fast"))
    kv = groups.get("k", 0.0) + groups.get("hk", 0.0)
    if s.kv_bytes > 1.5 and kv > 0.12 * total:
        gain = total / (total - 0.45 * kv)
        out.append((gain, f"an 8-bit KV cache: about {gain:.1f} times as fast at this depth"))
    if kv > 0.3 * total and traffic.depth > 8192:
        gain = total / (total - 0.5 * kv)
        out.append((gain, f"half the context in use: about {gain:.1f} times as fast"))
    if s.devices and len(s.devices) > 1 and s.mode == "layer" and not s.together and weights > 0.4 * total:
        n = len(s.devices)
        gain = total / (total - weights * (1 - 1 / n) * 0.8)
        out.append((gain, f"tensor parallelism over the {n} GPUs: up to {gain:.1f} times as fast"))
    if groups.get("c", 0.0) > 0.3 * total:
        out.append((1.2, "fewer GPUs, or GPUs joined by NVLink: much of a step is their exchange"))
    drafting = traffic.drafted or s.drafts
    if traffic.users == 1 and not drafting and w.predicts and s.devices and family_of(s.engine).ggml:
        gained = measured_gain(s.devices[0].vendor, s.devices[0].memory, experts=w.is_moe)
        where = "on such devices" if gained.alike else "elsewhere"
        kind = "mixtures of experts" if w.is_moe else "dense models"
        text = (
            f"drafting with the model's own prediction layers: {gained.low:.2f} to {gained.high:.2f} times as"
            f" fast in {gained.count} measurements of {kind} {where}"
        )
        out.append((gained.expected, text))
    if s.devices and groups.get("l", 0.0) > 0.5 * total:
        out.append((1.1, "several requests at once: single streams leave this GPU mostly waiting"))
    return [text for gain, text in sorted(out, reverse=True) if gain > 1.04][:4]
