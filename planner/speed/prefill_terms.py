"""The parts of a prefill."""

from __future__ import annotations

from math import log2
from typing import NamedTuple

from planner.speed.engine_family import family_of
from planner.speed.job import Job
from planner.speed.terms import LAYER, Term, attention_effects, device_effects, era, ring_bytes

# llama.cpp multiplies quantised matrices on int8 tensor cores since mid-2024; Vulkan routes tokens to experts
# at speed since August 2025
_INT8_KERNELS = 2024.55
_VULKAN_EXPERTS = 2025.59
# Experts that are not quantised: ggml's CUDA code, HIP's as well, sorts the tokens on the host and then computes one
# product an expert, each launched by itself (ggml-cuda.cu ggml_cuda_mul_mat_id, b11434).
_UNQUANTISED = frozenset({"f16", "bf16"})
_PER_EXPERT = frozenset({"cuda", "rocm"})


class _Prompt(NamedTuple):
    """A prompt as it is computed: in steps of micro-batches."""

    tokens: float
    ubatch: float
    steps: float
    attention: float  # operations


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
        common = device_effects("P", s)
        if s.reference:
            common += [
                ("P~year", era(s)),
                (f"P~year@{d.vendor}", era(s)),
                (f"P~year@{d.vendor}+{d.backend}", era(s)),
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
            experts = [*common, *device_effects("X", s), (f"X:{xkind}", 1.0), (f"X:{xkind}@{d.vendor}", 1.0),
                       ("X~tokens", each), ("X~size", size), (f"X~year@{d.vendor}+{d.backend}", era(s))]  # fmt: skip
            if s.reference and s.year < _VULKAN_EXPERTS:
                experts.append((f"X-early@{d.backend}", 1.0))
            terms.append(Term("X", s.gpu_experts * expert_flops * inv_experts, tuple(experts)))
            if xkind in _UNQUANTISED and family_of(s.engine).ggml and d.backend in _PER_EXPERT:
                products = steps * w.n_moe * w.n_expert * w.experts_touched(ubatch)
                terms.append(
                    Term("XL", s.gpu_experts * products * LAYER, (("XL", 1.0), (f"XL@{d.vendor}", 1.0)))
                )
        quadratic = attention_effects("A", s)
        head = w.head_size(mean)
        quadratic += [("A~head", head), (f"A~head@{d.backend}", head)]
        terms.append(Term("A", attention * inv_attention * s.gpu_kv, tuple(quadratic)))
        read = s.gpu_dense * dense_bytes + s.gpu_experts * expert_bytes
        if s.streamed:
            terms.append(Term("U", steps * s.streamed * read / s.links, ()))
        terms.append(Term("B", steps * read * s.inverse_bandwidth, tuple(device_effects("B", s, card=False))))
        terms.append(Term("L", steps * w.n_layer * LAYER * 10, tuple(device_effects("L", s, card=False))))
        if w.n_recurrent:
            terms.append(
                Term("R", prompt * w.n_recurrent * LAYER / 100, tuple(device_effects("R", s, card=False)))
            )
        if s.tensor_parallel > 1:
            link, speed = s.link
            size = ring_bytes(w, len(s.devices), prompt)
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
        terms.append(Term("P", flops * s.inverse_rate(bits.kind), tuple(device_effects("P", s))))
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
