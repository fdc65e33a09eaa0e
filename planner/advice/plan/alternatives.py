"""What would change the answer: the plan's neighbours, each computed, none guessed."""

from __future__ import annotations

from typing import Any, Final

from planner.advice.plan.candidates import is_last_resort, quants_for
from planner.advice.plan.one_plan import bare_plan, complete
from planner.advice.plan.stated_context import is_open, planned_context, without_context
from planner.advice.plan.worth import misses_speed
from planner.engines.register import engine_facts, get_engine
from planner.errors import PlannerError
from planner.fast_dataclass import replace
from planner.hardware.machine import Host, Machine
from planner.plan import Placement, Plan, PlanRequest
from planner.units import GIB, context_about, context_text, gib, rate_text, size_text

PLENTY: Final = 1 << 50  # bytes: memory without limit
# Settings that say what stays off the GPUs: not meant where all of it is to be on them.
_WHERE: Final = frozenset(
    {"n_gpu_layers", "n_cpu_moe", "cpu_moe", "override_tensor", "num_gpu", "kv_offload", "no_kv_offload"}
)


def alternatives(plan: Plan) -> list[str]:
    """Return sentences about what a smaller or larger quantisation, context or machine would do.

    A plan's neighbours keep the settings that it was asked for with.
    """
    lines: list[str] = []
    if not plan.fits:
        lines += _missing(plan)
    lines += _other_quants(plan)
    lines += _shorter_context(plan)
    lines += _longer_context(plan)
    lines += _smaller_cache(plan)
    lines += _with_drafting(plan)
    lines += _whole_on_gpu(plan)
    lines += _asked_speed(plan)
    return lines


def _try(plan: Plan, quant: str) -> Plan | None:
    """Plan the same with another quantisation."""
    return _planned(plan.engine, replace(plan.request, quant=quant))


def _planned(engine: str, request: PlanRequest) -> Plan | None:
    try:
        return bare_plan(engine, request)
    except PlannerError:
        return None


def _missing(plan: Plan) -> list[str]:
    """What is short, and where."""
    lines = []
    for device in plan.memory.devices:
        short = device.total - device.available
        if not device.fits and short > 0:
            lines.append(f"{device.name} is {size_text(short)} short of what these settings need")
    return lines


def _other_quants(plan: Plan) -> list[str]:
    """The next quantisation that fits (better), or the next that still does (when this one doesn't)."""
    model = plan.request.model
    if model.quant is not None:
        return []
    names = list(quants_for(model, plan.engine))
    if plan.quant not in names:
        return []
    at = names.index(plan.quant)
    if not plan.fits or plan.placement is not Placement.GPU:
        for name in names[at + 1 :]:
            other = _try(plan, name)
            if other and other.fits and (not plan.fits or other.placement is Placement.GPU):
                where = "on the GPU alone" if other.placement is Placement.GPU else "with RAM"
                return [f"{name} fits {where}: {_tps(other)}"]
        return []
    if at == 0:
        return []
    larger = _try(plan, names[at - 1])
    if larger is None or not larger.fits:
        return [f"{names[at - 1]}, the next larger quantisation, does not fit with this context"]
    if larger.placement is not Placement.GPU:
        return [
            f"{names[at - 1]} would spill into RAM: {_tps(larger)} "
            f"instead of {rate_text(plan.speed.decode_tps.expected) if plan.speed else '?'}"
        ]
    return [
        f"{names[at - 1]} fits too, with a longest context of {context_about(larger.max_context)}: "
        f"{_tps(larger)}"
    ]


def _tps(plan: Plan) -> str:
    full = complete(plan)
    return f"about {rate_text(full.speed.decode_tps.expected)} tokens/s" if full.speed else "speed unknown"


def _shorter_context(plan: Plan) -> list[str]:
    """Where the asked-for context is what does not fit: the longest that does."""
    wanted = plan.request.workload.context
    if plan.fits or wanted is None:
        return []
    if 0 < plan.max_context < wanted:
        return [f"a context of {context_about(plan.max_context)} fits instead of {context_text(wanted)}"]
    return []


def _smaller_cache(plan: Plan) -> list[str]:
    """The longest context with an 8-bit KV cache, where that is longer."""
    narrow = engine_facts(plan.engine).narrow_cache
    if narrow is None or any(plan.settings.get(k, v) != v for k, v in narrow.instead_of.items()):
        return []
    asked = plan.request
    here = {**without_context(asked.settings), **_placement(plan)}
    engine, usable = get_engine(plan.engine), asked.model.usable_context
    try:
        now, then = (
            min(engine.longest_context(replace(asked, quant=plan.quant, settings=settings)), usable)
            for settings in (here, {**here, **narrow.settings})
        )
    except PlannerError:
        return []
    if then > now * 1.05 and now:
        return [
            f"{narrow.said} raises the longest context with this placement from {context_about(now)} to "
            f"{context_about(then)}, at a small loss of quality"
        ]
    return []


def _longer_context(plan: Plan) -> list[str]:
    """The longest context that fits with any placement, and the speed there, where the plan starts a shorter one."""
    if not plan.fits or plan.max_context <= planned_context(plan) or not is_open(plan.request):
        return []
    longest = replace(plan.request.workload, context=plan.max_context)
    other = _planned(
        plan.engine, replace(plan.request, quant=plan.quant, workload=longest, open_context=None)
    )
    if other is None or not other.fits:
        return []
    where = " with more of it in RAM" if _in_ram(other) > _in_ram(plan) else ""
    return [f"the longest context that fits is {context_about(plan.max_context)}{where}: {_tps(other)}"]


def _in_ram(plan: Plan) -> int:
    return sum(d.weights + d.kv_cache for d in plan.memory.devices if d.kind == "cpu")


def _asked_speed(plan: Plan) -> list[str]:
    """Where the speed asked for is missed: what would reach it, and that a smaller model serves better.

    Nothing below three bits is proposed for speed's sake: at the same speed, a smaller model in four bits loses
    less. It is named all the same, so that nobody has to search for it.
    """
    model, workload = plan.request.model, plan.request.workload
    if not plan.fits or not misses_speed(plan, workload):
        return []
    wanted = f"{rate_text(workload.min_speed or 0.0)} tokens/s"
    rather = f"rather a smaller model (planner check --min-speed {workload.min_speed:g} names some)"
    names = () if model.quant else quants_for(model, plan.engine)
    for name in names[names.index(plan.quant) + 1 :] if plan.quant in names else ():
        other = _try(plan, name)
        full = complete(other) if other and other.fits else None
        if full and full.speed and not misses_speed(full, workload):
            if is_last_resort(name):
                return [f"{name} would reach {wanted}, but loses too much quality to be proposed: {rather}"]
            return [f"{name} would reach {wanted}"]
    return [f"no quantisation of it that is tried reaches {wanted} here: {rather}"]


def _with_drafting(plan: Plan) -> list[str]:
    """What drafting with the model's own prediction layers takes and gives, where it is measured to win."""
    facts, request = engine_facts(plan.engine), plan.request
    drafts = any(g.mtp and g.in_gguf for g in request.arch.groups)
    on_gpu = plan.placement is Placement.GPU and request.workload.users == 1
    if (
        not (facts.own_drafts and plan.fits and drafts and on_gpu)
        or facts.own_drafts.keys() & plan.settings.keys()
    ):
        return []
    context = int(plan.settings.get("n_ctx", 0))
    settings = {**without_context(request.settings), **facts.own_drafts}
    workload = replace(request.workload, context=request.workload.context or context or None)
    other = _planned(plan.engine, replace(request, settings=settings, workload=workload))
    if other is None:
        return []
    more = size_text(max(other.memory.total - plan.memory.total, 0))
    if not other.fits:
        return [f"{facts.own_drafts_said} does not fit with this context"]
    now, then = complete(plan).speed, complete(other).speed
    if now is None or then is None or then.decode_tps.expected < 1.05 * now.decode_tps.expected:
        return []
    held = (
        ""
        if request.model.tensors is not None
        else "; the file must hold the layers, which not every publisher keeps"
    )
    rates = f"{rate_text(then.decode_tps.expected)} instead of {rate_text(now.decode_tps.expected)} tokens/s"
    return [
        f"{facts.own_drafts_said} drafts with the model's own prediction layers: about {rates} for {more} more{held}"
    ]


def _placement(plan: Plan) -> dict[str, Any]:
    """The settings that say where the weights are; those that follow from the context stay open."""
    names = ("n_gpu_layers", "n_cpu_moe", "tensor_parallel_size", "pipeline_parallel_size")
    return {name: plan.settings[name] for name in names if name in plan.settings}


def _whole_on_gpu(plan: Plan) -> list[str]:
    """How much GPU memory would hold all of it, where it is not all there."""
    if plan.placement is Placement.GPU and plan.fits:
        return []
    asked = plan.request
    if not asked.machine.accelerators or not engine_facts(plan.engine).may_spill:
        return []
    wanted = replace(asked.workload, context=asked.workload.context or planned_context(plan) or 8192)
    roomy = replace(
        asked,
        quant=plan.quant,
        machine=_with_plenty(asked.machine),
        workload=wanted,
        settings={name: value for name, value in asked.settings.items() if name not in _WHERE},
    )
    whole = _planned(plan.engine, roomy)
    if whole is None or not whole.fits:
        return []
    need = sum(d.total for d in whole.memory.devices if d.kind == "gpu")
    have = sum(a.memory_free for a in asked.machine.accelerators)
    full = complete(whole)
    speed = (
        f", for about {rate_text(full.speed.decode_tps.expected)} tokens/s at this GPU's bandwidth"
        if full.speed
        else ""
    )
    return [
        f"all of it on GPUs needs {gib(need)} at {context_text(wanted.context or 0)} tokens; "
        f"there are {gib(have)}{speed}"
    ]


def _with_plenty(machine: Machine) -> Machine:
    hosts: tuple[Host, ...] = tuple(
        replace(
            host,
            accelerators=tuple(
                replace(a, memory_total=PLENTY, memory_free=PLENTY, unified=False) for a in host.accelerators
            ),
            ram_available=max(host.ram_available, 64 * GIB),
        )
        for host in machine.hosts
    )
    return replace(machine, hosts=hosts)
