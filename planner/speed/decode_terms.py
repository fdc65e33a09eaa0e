"""The parts of a decode step."""

from __future__ import annotations

from math import log2
from typing import NamedTuple

from planner.speed.job import Job, Load
from planner.speed.model_work import ModelWork
from planner.speed.situation import Situation
from planner.speed.terms import LAYER, Term, attention_effects, device_effects, era, ring_bytes

TOKEN = 1e-4  # seconds: the unit of what is fixed a token
CHUNK = (
    2048.0  # prompt tokens that a serving engine computes in one step at most, beside the running sequences
)


class _Read(NamedTuple):
    """Bytes that one decode step reads, wherever they lie."""

    dense: float
    experts: float
    kv: float


def decode_terms(job: Job, depth: float, load: Load) -> list[Term]:
    """The parts of one decode step: each of the load's streams with `depth` tokens in the cache."""
    w, bits, s = job.work, job.bits, job.situation
    batch, reading = load.streams, load.streams * load.prompt_share
    terms: list[Term] = []
    dense_bytes = (w.linear * bits.dense + w.head * bits.head) / 8
    expert_bytes = w.experts * bits.expert / 8 * _touched(w, batch, reading)
    kv_bytes = batch * w.kv_elements(depth, s.attention_ranks) * s.kv_bytes
    state_bytes = batch * 2.0 * w.state
    xkind = bits.expert_kind or bits.kind
    if s.devices and (s.gpu_dense > 0 or s.gpu_experts > 0):
        d = s.devices[0]
        inv = s.inverse_bandwidth
        common = device_effects("w", s)
        if s.reference:
            common += [("w~year", era(s)), (f"w~year@{d.vendor}", era(s))]
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
            experts = [*common, *device_effects("x", s), (f"x:{xkind}", 1.0), (f"x:{xkind}@{d.vendor}", 1.0),
                       ("x~size", size), ("x~batch", log2(batch))]  # fmt: skip
            if s.tensor_parallel > 1:
                experts.append(("x/tp~n", log2(s.tensor_parallel)))
            terms.append(Term("x", here * s.gpu_experts * expert_bytes * inv, tuple(experts)))
        attention = attention_effects("k", s)
        attention.append(("k~head", w.head_size(depth + 1)))
        if s.kv_bytes < 1.5:
            attention.append(("k-quantised", 1.0))
        if kv_bytes:
            terms.append(Term("k", s.gpu_kv * kv_bytes * inv, tuple(attention)))
            flops = batch * w.attention_flops(depth) * s.inverse_rate("f16")
            terms.append(Term("a", s.gpu_kv * flops, tuple(attention_effects("a", s))))
        if state_bytes:
            terms.append(
                Term("s", s.gpu_dense * state_bytes * inv, tuple(device_effects("s", s, card=False)))
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
            compute = [*device_effects("b", s, card=False), (f"b:{bits.kind}", 1.0)]
            terms.append(Term("b", batch * flops * s.inverse_rate(bits.kind) * s.gpu_dense, tuple(compute)))
            terms.append(Term("q", batch * LAYER, tuple(device_effects("q", s, card=False))))
        if reading:
            flops = 2.0 * (w.linear + w.active_experts) + w.attention_flops(load.prompt / 2)
            effects = [*device_effects("i", s, card=False), (f"i:{bits.kind}", 1.0)]
            terms.append(Term("i", reading * flops * s.inverse_rate(bits.kind), tuple(effects)))
        terms += _between_devices(w, s, batch + reading)
    if s.gpu_dense < 1 or (w.experts and s.gpu_experts < 1) or s.gpu_kv < 1 or not s.devices:
        terms += _host_terms(job, _Read(dense_bytes, expert_bytes, kv_bytes), batch)
    return terms


def _touched(w: ModelWork, batch: float, reading: float) -> float:
    """Share of the experts that a step touches, where `reading` prompt tokens a step come in chunks."""
    mixed = min(1.0, reading / CHUNK)
    return (1 - mixed) * w.experts_touched(batch) + mixed * w.experts_touched(batch + CHUNK)


def _between_devices(w: ModelWork, s: Situation, tokens: float) -> list[Term]:
    n = len(s.devices)
    if n < 2:
        return []
    d = s.devices[0]
    if s.tensor_parallel > 1:
        link, speed = s.link
        effects = [("c", 1.0), (f"c@{link}", 1.0), (f"c@{d.generation}", 1.0), (f"c#{s.family}", 1.0),
                   ("c~n", log2(n))]  # fmt: skip
        return [
            Term("c", 2 * w.n_layer * LAYER, tuple(effects)),
            Term("cb", ring_bytes(w, n, tokens) / speed, (("cb", 1.0), (f"cb@{link}", 1.0))),
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
        seconds = batch * active / (min(h.cores, s.threads or h.cores) * h.core)
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


def _overhead(part: str, seconds: float, s: Situation) -> Term:
    effects = device_effects(part, s, card=part == "l")
    if s.reference:
        effects += [("o~year", era(s)), (f"o~year@{s.devices[0].vendor}", era(s))]
    if s.engine != s.family:
        effects.append((f"o#{s.engine}", 1.0))
    return Term(part, seconds, tuple(effects))
