"""What a plan for MLX says about itself: reasons and warnings."""

from __future__ import annotations

from typing import Final

from planner.engines.mlx.memory import RULES_VERSION, Case
from planner.engines.mlx.published import repository
from planner.engines.mlx.settings import DEFAULT_STEP
from planner.plan import MemoryEstimate, PlanRequest
from planner.reason import Reason, ReasonKind, Value
from planner.units import GIB, MIB, context_text, gib

SYSTEM: Final = 5 * GIB  # what macOS needs beside the GPU's share: below it the whole computer pages


def why(request: PlanRequest, case: Case, memory: MemoryEstimate, tokens: int) -> tuple[Reason, ...]:
    """Say why the plan is what it is, what is short first."""
    device = memory.devices[0]
    lines: list[Reason] = []
    if memory.fits:
        text = f"All layers fit on {device.name}."
        lines.append(Reason(ReasonKind.WHOLE_ON_GPUS, text, {"gpus": device.name}))
        if case.settings.kv_bits is not None and "kv_bits" not in request.settings:
            bits, start = case.settings.kv_bits, case.settings.quantized_kv_start
            text = f"keys and values in {bits} bits from token {start:,} on: only so it fits"
            lines.append(Reason(ReasonKind.CACHE_QUANTISED, text, {"bits": case.settings.kv_bits}))
    else:
        needed = device.total + device.overhead_high
        clause = f"{device.name} has {gib(device.available)} free and would need {gib(needed)}"
        figures: dict[str, Value] = {"device": device.name, "free": device.available, "needed": needed}
        lines.append(Reason(ReasonKind.DEVICE_TOO_SMALL, f"Does not fit: {clause}.", figures, clause))
        lines.extend(_raised(request, needed))
    step = case.settings.prefill_step_size
    if memory.fits and step != DEFAULT_STEP and "prefill_step_size" not in request.settings:
        saved = case.in_steps(DEFAULT_STEP).memory(tokens).devices[0].compute - device.compute
        text = f"prompts are read {step:,} tokens at a time: it takes {gib(saved)} less, and nearly no time"
        lines.append(Reason(ReasonKind.SETTING_CHANGED, text, {"prefill_step_size": step, "saved": saved}))
    one = case.kept(tokens)
    text = (
        f"{case.kind.name} weights take {gib(device.weights)}, {context_text(tokens)} tokens"
        f" {gib(one.kv_cache + one.state)} a sequence, what a prompt needs while it is read {gib(device.compute)}"
    )
    lines.append(
        Reason(
            ReasonKind.MEMORY_BUDGET,
            text,
            {"weights": device.weights, "sequence": one.kv_cache + one.state, "context": tokens},
        )
    )
    text = f"computed by the rules of mlx-lm {RULES_VERSION}"
    lines.append(Reason(ReasonKind.RULES, text, {"release": RULES_VERSION}))
    return tuple(lines)


def _raised(request: PlanRequest, needed: int) -> list[Reason]:
    """Say which limit would let it fit, where the Mac's RAM has room for it."""
    host = request.machine.host
    if needed + SYSTEM > host.ram_total:
        return []
    limit = -(-needed // MIB)
    text = f"it would fit with the GPU's limit raised: sudo sysctl iogpu.wired_limit_mb={limit}"
    return [Reason(ReasonKind.WHAT_WOULD_FIT, text, {"limit": limit * MIB})]


def warnings(request: PlanRequest, case: Case) -> tuple[Reason, ...]:
    """Say what to beware of."""
    found: list[Reason] = []
    model = request.model
    if repository(model, case.kind.name) is None and model.path is None and case.kind.convert_options:
        options = " ".join(case.kind.convert_options)
        text = (
            f"No {case.kind.name} conversion of {model.name} is known: make it yourself with"
            f" mlx_lm.convert --hf-path {model.id} {options}."
        )
        found.append(Reason(ReasonKind.LAYOUT_UNKNOWN, text, {"format": case.kind.name}))
    if case.arch.vision is not None:
        text = "mlx-lm leaves the vision tower out: for images use mlx-vlm, whose memory is not counted here."
        found.append(Reason(ReasonKind.NOT_COUNTED, text))
    if case.arch.n_layer_mtp:
        text = "mlx-lm drops the model's own prediction layers: no drafting with them."
        found.append(Reason(ReasonKind.DRAFTING, text))
    if request.written.line and case.settings.prompt_cache_bytes is None:
        size = case.settings.prompt_cache_size
        text = (
            f"The server keeps the caches of the last {size} prompts, without a limit in bytes: not counted;"
            " bound them with --prompt-cache-bytes."
        )
        found.append(Reason(ReasonKind.NOT_COUNTED, text, {"sequences": size}))
    if request.workload.users > 1 and case.settings.kv_bits is not None:
        text = "mlx_lm.server answers one request at a time with a quantised cache (--kv-bits)."
        found.append(Reason(ReasonKind.ONE_AT_A_TIME, text))
    return tuple(found)
