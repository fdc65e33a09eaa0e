"""Terms: the seconds that each part of the work costs at the hardware's peak, with the names of the effects.

A time is the sum over terms of `seconds × exp(sum of effect × value)`. The effects are fitted in
benchmarks/fit_speed.py from the same terms, so that what was fitted is what is evaluated. Effects are named
`part` (all), `part@vendor`, `part@generation+backend`, `part@card`, `part#engine`, `part:quant kind`: each
narrower one is a correction to the wider, zero where nothing was measured.
"""

from __future__ import annotations

from math import log2
from typing import NamedTuple

from planner.speed.job import Job
from planner.speed.model_work import ModelWork
from planner.speed.situation import Situation

LAYER = 1e-5  # seconds: the unit in which launch overheads a layer are expressed
# llama.cpp multiplies quantised matrices on int8 tensor cores since mid-2024; Vulkan routes tokens to experts
# at speed since August 2025
_INT8_KERNELS = 2024.55
_VULKAN_EXPERTS = 2025.59
NODE = 8  # accelerators that one host joins by its own links
TOKEN = 1e-4  # seconds: the same a token


class Term(NamedTuple):
    """One part of a time."""

    part: str
    seconds: float
    effects: tuple[tuple[str, float], ...]


def _device_effects(part: str, s: Situation, *, card: bool = True) -> list[tuple[str, float]]:
    d = s.devices[0]
    out = [
        (part, 1.0),
        (f"{part}@{d.vendor}", 1.0),
        (f"{part}@{d.memory}", 1.0),
        (f"{part}@{d.generation}", 1.0),
        (f"{part}@{d.generation}+{d.backend}", 1.0),
    ]
    if d.vendor != "apple":
        out.append((f"{part}@{d.vendor}+{d.backend}", 1.0))
    if card:
        out.append((f"{part}@@{d.card}", 1.0))
        out.append((f"{part}@@{d.card}+{d.backend}", 1.0))
    if not s.reference:
        out.append((f"{part}#{s.family}", 1.0))
        out.append((f"{part}#{s.family}@{d.generation}", 1.0))
    if s.variant:
        out.append((f"{part}+{s.variant}", 1.0))
    return out


def _era(s: Situation) -> float:
    return max(-2.75, min(0.4, s.year - 2026.5))


def _overhead(part: str, seconds: float, s: Situation) -> Term:
    effects = _device_effects(part, s, card=part == "l")
    if s.reference:
        effects += [("o~year", _era(s)), (f"o~year@{s.devices[0].vendor}", _era(s))]
    if s.engine != s.family:
        effects.append((f"o#{s.engine}", 1.0))
    return Term(part, seconds, tuple(effects))


class _Read(NamedTuple):
    """Bytes that one decode step reads, wherever they lie."""

    dense: float
    experts: float
    kv: float


class _Prompt(NamedTuple):
    """A prompt as it is computed: in steps of micro-batches."""

    tokens: float
    ubatch: float
    steps: float
    attention: float  # operations


def decode_terms(job: Job, depth: float, *, batch: float = 1.0, prompt_per_token: float = 0.0) -> list[Term]:
    """The parts of one decode step: `batch` sequences each with `depth` tokens in the cache.

    `prompt_per_token`: prompt tokens that are prefilled for each token generated (continuous batching).
    """
    w, bits, s = job.work, job.bits, job.situation
    terms: list[Term] = []
    dense_bytes = (w.linear * bits.dense + w.head * bits.head) / 8
    expert_bytes = w.experts * bits.expert / 8 * w.experts_touched(batch)
    kv_bytes = batch * w.kv_elements(depth) * s.kv_bytes
    state_bytes = batch * 2.0 * w.state
    xkind = bits.expert_kind or bits.kind
    if s.devices and (s.gpu_dense > 0 or s.gpu_experts > 0):
        d = s.devices[0]
        inv = s.inverse_bandwidth
        common = _device_effects("w", s)
        if s.reference:
            common += [("w~year", _era(s)), (f"w~year@{d.vendor}", _era(s))]
        if s.engine != s.family:
            common.append((f"w#{s.engine}", 1.0))
        if s.tensor_parallel > 1:
            common += [("w/tp", 1.0), ("w/tp~n", log2(s.tensor_parallel)), (f"w/tp#{s.family}", 1.0)]
        dense = [*common, (f"w:{bits.kind}", 1.0), (f"w:{bits.kind}@{d.vendor}", 1.0),
                 (f"w:{bits.kind}@{d.generation}+{d.backend}", 1.0)]  # fmt: skip
        here = 1 - s.streamed
        terms.append(Term("w", here * s.gpu_dense * dense_bytes * inv, tuple(dense)))
        if s.streamed:
            terms.append(Term("u", s.streamed * (dense_bytes + expert_bytes) / s.links, ()))
        if expert_bytes:
            size = max(-4.0, min(4.0, log2(max(w.expert_matrix, 1) / 4e6)))
            experts = [*common, *_device_effects("x", s), (f"x:{xkind}", 1.0), (f"x:{xkind}@{d.vendor}", 1.0),
                       ("x~size", size), ("x~batch", log2(batch))]  # fmt: skip
            if s.tensor_parallel > 1:
                experts.append(("x/tp~n", log2(s.tensor_parallel)))
            terms.append(Term("x", here * s.gpu_experts * expert_bytes * inv, tuple(experts)))
        attention = _device_effects("k", s, card=False)
        if s.flash_attention is False:
            attention += [("k-fa", 1.0), (f"k-fa@{d.vendor}+{d.backend}", 1.0)]
        attention.append(("k~head", w.head_size(depth + 1)))
        if s.kv_bytes < 1.5:
            attention.append(("k-quantised", 1.0))
        if kv_bytes:
            terms.append(Term("k", s.gpu_kv * kv_bytes * inv, tuple(attention)))
        if state_bytes:
            terms.append(
                Term("s", s.gpu_dense * state_bytes * inv, tuple(_device_effects("s", s, card=False)))
            )
        on_gpu = max(s.gpu_dense, 0.0)
        terms.append(_overhead("l", on_gpu * w.n_layer * LAYER, s))
        if w.n_moe:
            terms.append(_overhead("m", s.gpu_experts * w.n_moe * LAYER, s))
        if w.n_recurrent:
            terms.append(_overhead("r", on_gpu * w.n_recurrent * LAYER, s))
        token = _overhead("t", TOKEN, s)
        if s.method != "bench":
            token = Term(
                "t", TOKEN, (*token.effects, (f"t%{s.method}", 1.0), (f"t%{s.method}#{s.engine}", 1.0))
            )
        terms.append(token)
        if batch > 1:
            flops = 2.0 * (w.linear + w.head + w.active_experts) + w.attention_flops(depth)
            compute = [*_device_effects("b", s, card=False), (f"b:{bits.kind}", 1.0)]
            terms.append(Term("b", batch * flops * s.inverse_rate(bits.kind) * s.gpu_dense, tuple(compute)))
            terms.append(Term("q", batch * LAYER, tuple(_device_effects("q", s, card=False))))
        if prompt_per_token > 0 and batch > 1:
            flops = 2.0 * (w.linear + w.active_experts)
            effects = [*_device_effects("i", s, card=False), (f"i:{bits.kind}", 1.0)]
            terms.append(
                Term("i", batch * prompt_per_token * flops * s.inverse_rate(bits.kind), tuple(effects))
            )
        terms += _between_devices(w, s, batch)
    if s.gpu_dense < 1 or (w.experts and s.gpu_experts < 1) or s.gpu_kv < 1 or not s.devices:
        terms += _host_terms(job, _Read(dense_bytes, expert_bytes, kv_bytes), batch)
    return terms


def _between_devices(w: ModelWork, s: Situation, batch: float) -> list[Term]:
    n = len(s.devices)
    if n < 2:
        return []
    d = s.devices[0]
    if s.tensor_parallel > 1:
        link = "network" if n > NODE else "nvlink" if d.nvlink else "pcie"
        effects = [("c", 1.0), (f"c@{link}", 1.0), (f"c@{d.generation}", 1.0), (f"c#{s.family}", 1.0),
                   ("c~n", log2(n))]  # fmt: skip
        size = batch * w.hidden * 2.0 * 2 * w.n_layer
        speed = d.nvlink / 2 if d.nvlink else (d.pcie or 16e9) / 2
        return [
            Term("c", 2 * w.n_layer * LAYER, tuple(effects)),
            Term("cb", size / speed, (("cb", 1.0), (f"cb@{link}", 1.0))),
        ]
    return [Term("p", (n - 1) * TOKEN, (("p", 1.0), (f"p@{d.vendor}", 1.0), (f"p#{s.engine}", 1.0)))]


def _host_terms(job: Job, read: _Read, batch: float) -> list[Term]:
    w, bits, s = job.work, job.bits, job.situation
    h = s.host
    dense = (1 - s.gpu_dense if s.devices else 1.0) * read.dense
    experts = (1 - s.gpu_experts if s.devices else 1.0) * read.experts
    kv = (1 - s.gpu_kv if s.devices else 1.0) * read.kv
    xkind = bits.expert_kind or bits.kind
    hybrid = [("hw+gpu", 1.0)] if s.devices else []
    base = [("hw", 1.0), (f"hw@{h.kind}", 1.0), (f"hw#{s.family}", 1.0), *hybrid]
    terms = []
    if dense:
        terms.append(Term("hw", dense / h.bandwidth, (*base, (f"hw:{bits.kind}", 1.0))))
    if experts:
        terms.append(Term("hx", experts / h.bandwidth, (*base, ("hx", 1.0), (f"hw:{xkind}", 1.0))))
    if kv:
        terms.append(Term("hk", kv / h.bandwidth, (("hk", 1.0), (f"hk#{s.family}", 1.0))))
    active = 2.0 * ((1 - s.gpu_dense if s.devices else 1.0) * (w.linear + w.head))
    active += 2.0 * (1 - s.gpu_experts if s.devices else 1.0) * w.active_experts
    if active:
        seconds = batch * active / (min(h.cores, s.threads or h.cores) * 2e10)
        terms.append(
            Term(
                "hc",
                seconds,
                (("hc", 1.0), (f"hc@{h.kind}", 1.0), (f"hc:{bits.kind}", 1.0), (f"hc#{s.family}", 1.0)),
            )
        )
    if s.devices:
        layers = (1 - s.gpu_dense) * w.n_layer + (1 - s.gpu_experts) * w.n_moe
        terms.append(Term("hh", layers * LAYER * 2, (("hh", 1.0), (f"hh#{s.family}", 1.0))))
    return terms


def prefill_terms(job: Job, prompt: float, depth: float = 0.0) -> list[Term]:
    """The parts of the prefill of `prompt` tokens on top of `depth` cached ones, in seconds."""
    w, bits, s = job.work, job.bits, job.situation
    terms: list[Term] = []
    ubatch = float(max(1, min(s.ubatch, prompt)))
    steps = max(1.0, prompt / ubatch)
    mean = depth + prompt / 2
    xkind = bits.expert_kind or bits.kind
    dense_flops = 2.0 * w.linear * prompt
    expert_flops = 2.0 * w.active_experts * prompt
    attention = w.attention_flops(mean) * prompt
    dense_bytes = w.linear * bits.dense / 8
    expert_bytes = w.experts * bits.expert / 8 * w.experts_touched(ubatch)
    if s.devices:
        d = s.devices[0]
        inv = s.inverse_rate(bits.kind)
        inv_experts = s.inverse_rate(xkind)
        inv_attention = s.inverse_rate("f16")
        if s.tensor_parallel == 1 and len(s.devices) > 1 and prompt > ubatch:
            # micro-batches are pipelined over the devices of a layer split
            overlap = min(len(s.devices), steps) ** 0.5
            inv, inv_experts, inv_attention = inv / overlap, inv_experts / overlap, inv_attention / overlap
        common = _device_effects("P", s)
        if s.reference:
            common += [
                ("P~year", _era(s)),
                (f"P~year@{d.vendor}", _era(s)),
                (f"P~year@{d.vendor}+{d.backend}", _era(s)),
            ]
            if s.year < _INT8_KERNELS:
                common += [("P-old", 1.0), (f"P-old+{d.vendor}", 1.0)]
                if bits.kind not in {"f16", "bf16"}:
                    common += [("P-oldq", 1.0), (f"P-oldq+{d.vendor}", 1.0)]
        if s.tensor_parallel > 1:
            common += [("P/tp", log2(s.tensor_parallel))]
        if s.flash_attention is False:
            common += [("P-fa", 1.0), (f"P-fa@{d.generation}+{d.backend}", 1.0)]
        if s.method != "bench":
            common.append((f"P%{s.method}", 1.0))
        common.append(("P~ubatch", log2(ubatch / 512)))
        common.append((f"P~ubatch@{d.generation}", log2(ubatch / 512)))
        dense = [*common, (f"P:{bits.kind}", 1.0), (f"P:{bits.kind}@{d.vendor}", 1.0),
                 (f"P:{bits.kind}@{d.generation}+{d.backend}", 1.0)]  # fmt: skip
        terms.append(Term("P", s.gpu_dense * dense_flops * inv, tuple(dense)))
        if expert_flops:
            each = log2(max(1.0, ubatch * w.n_used / max(1, w.n_expert)) / 32)
            size = max(-4.0, min(4.0, log2(max(w.expert_matrix, 1) / 4e6)))
            experts = [*common, *_device_effects("X", s), (f"X:{xkind}", 1.0), (f"X:{xkind}@{d.vendor}", 1.0),
                       ("X~tokens", each), ("X~size", size), (f"X~year@{d.vendor}+{d.backend}", _era(s))]  # fmt: skip
            if s.reference and s.year < _VULKAN_EXPERTS:
                experts.append((f"X-early@{d.backend}", 1.0))
            terms.append(Term("X", s.gpu_experts * expert_flops * inv_experts, tuple(experts)))
        quadratic = _device_effects("A", s, card=False)
        if s.flash_attention is False:
            quadratic += [("A-fa", 1.0), (f"A-fa@{d.vendor}+{d.backend}", 1.0)]
        head = w.head_size(mean)
        quadratic += [("A~head", head), (f"A~head@{d.backend}", head)]
        terms.append(Term("A", attention * inv_attention * s.gpu_kv, tuple(quadratic)))
        read = s.gpu_dense * dense_bytes + s.gpu_experts * expert_bytes
        if s.streamed:
            terms.append(Term("U", steps * s.streamed * read / s.links, ()))
        terms.append(
            Term("B", steps * read * s.inverse_bandwidth, tuple(_device_effects("B", s, card=False)))
        )
        terms.append(Term("L", steps * w.n_layer * LAYER * 10, tuple(_device_effects("L", s, card=False))))
        if w.n_recurrent:
            terms.append(
                Term("R", prompt * w.n_recurrent * LAYER / 100, tuple(_device_effects("R", s, card=False)))
            )
        if s.tensor_parallel > 1:
            link = "network" if len(s.devices) > NODE else "nvlink" if d.nvlink else "pcie"
            speed = d.nvlink / 2 if d.nvlink else (d.pcie or 16e9) / 2
            size = prompt * w.hidden * 4.0 * w.n_layer
            terms.append(Term("C", size / speed, (("C", 1.0), (f"C@{link}", 1.0))))
    terms += _host_prefill(job, _Prompt(prompt, ubatch, steps, attention))
    return terms


def _host_prefill(job: Job, prompt: _Prompt) -> list[Term]:
    w, bits, s = job.work, job.bits, job.situation
    tokens, ubatch, steps, attention = prompt
    h = s.host
    dense = 1 - s.gpu_dense if s.devices else 1.0
    experts = 1 - s.gpu_experts if s.devices else 1.0
    terms = []
    if s.devices and s.gpu_kv < 1:
        terms.append(
            Term("HA", (1 - s.gpu_kv) * attention / (h.cores * 1e11), (("HA", 1.0), (f"HA#{s.family}", 1.0)))
        )
    if not dense and not (experts and w.experts):
        return terms
    stream = bool(s.devices) and s.op_offload and ubatch >= 32 and s.devices[0].memory != "unified"
    flops = 2.0 * tokens * (dense * w.linear + experts * w.active_experts)
    if stream:
        size = dense * w.linear * bits.dense / 8
        size += experts * w.experts * bits.expert / 8 * w.experts_touched(ubatch)
        pcie = s.devices[0].pcie or 16e9
        terms.append(Term("O", steps * size / pcie, (("O", 1.0), (f"O#{s.family}", 1.0))))
        terms.append(Term("P", flops * s.inverse_rate(bits.kind), tuple(_device_effects("P", s))))
        return terms
    effects = [
        ("H", 1.0),
        (f"H@{h.kind}", 1.0),
        (f"H:{bits.kind}", 1.0),
        (f"H#{s.family}", 1.0),
        (f"H:{bits.kind}#{s.family}", 1.0),
    ]
    if w.experts:
        effects.append(("H+moe", 1.0))
    terms.append(Term("H", flops / (h.cores * 1e11), tuple(effects)))
    if not s.devices:
        terms.append(Term("HA", attention / (h.cores * 1e11), (("HA", 1.0), (f"HA#{s.family}", 1.0))))
    return terms
