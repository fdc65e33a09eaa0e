"""The engine's own sum for what ran, beside what the log says, and the smallest change that fits by planning again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Sizing, Step, Weight
from planner.engines.register import get_engine, title_of
from planner.errors import PlannerError, RefusedError
from planner.fast_dataclass import dataclass, replace
from planner.plan import DeviceMemory, MemoryEstimate, Placement, Plan
from planner.units import GIB, MIB
from planner.verify.diagnose.machine import Found, machine_of
from planner.verify.diagnose.reconstruct import Case, reconstruct

CLOSE_SHARE: Final = 0.05  # of a logged buffer, within which the plan's is the same
CLOSE_BYTES: Final = 256 * MIB
MOST_FIXES: Final = 3
LEAST_CONTEXT: Final = 4096  # tokens; less is no cure
_PARTS: Final = (
    ("weights", "weights"),
    ("kv_cache", "KV cache"),
    ("state", "state"),
    ("compute", "compute buffers"),
)


@dataclass(frozen=True, slots=True)
class Beside:
    """One part as the log says it, beside the plan's; bytes over all devices."""

    part: str
    logged: int
    planned: int

    @property
    def closes(self) -> bool:
        """True where they are the same within 5 % or 256 MiB."""
        return abs(self.logged - self.planned) <= max(CLOSE_SHARE * self.logged, CLOSE_BYTES)


@dataclass(frozen=True, slots=True)
class Sum:
    """The engine's memory for a case by its own rules."""

    case: Case
    plan: Plan
    beside: tuple[Beside, ...]

    @property
    def gpus(self) -> tuple[DeviceMemory, ...]:
        """What each GPU holds."""
        return tuple(d for d in self.plan.memory.devices if d.kind != _HOST)

    @property
    def borrowed(self) -> bool:
        """True where the engine has no rules of its own here, and another's were used."""
        return self.case.engine != self.case.command.engine

    @property
    def weights_and_room(self) -> tuple[int, int]:
        """Bytes of weights that lie on the GPUs, and what is free there; of the host where there is none."""
        devices = self.gpus or self.plan.memory.devices
        return sum(d.weights for d in devices), sum(d.available for d in devices)

    @property
    def fits(self) -> bool:
        """True where all of it is on the GPUs, with room; on a machine without one, where RAM holds it."""
        return self.plan.fits and (self.plan.placement is Placement.GPU or not self.gpus)

    @property
    def closes(self) -> bool:
        """True where nothing that the log states is against the plan."""
        return all(row.closes for row in self.beside)


_HOST: Final = "cpu"


def add_up(case: Case, logged: Mapping[str, int]) -> Sum | None:
    """Return the engine's sum for a case; None where its rules know no device.

    Raises RefusedError where the engine would refuse the settings, and other PlannerErrors where no rule is known.
    `logged` is what the log states of each part: field of DeviceMemory -> bytes over all devices.
    """
    plan = get_engine(case.engine).plan(case.request)
    if not plan.memory.devices:
        return None
    beside = tuple(
        Beside(name, logged[part], sum(getattr(d, part) for d in plan.memory.devices))
        for part, name in _PARTS
        if part in logged
    )
    return Sum(case, plan, beside)


def by_arithmetic(total: Sum, sizing: Sizing) -> Finding:
    """What the sum alone says, where no message does."""
    why = _said(total)
    machine = total.case.found
    if total.fits:
        return Finding(
            Cause.UNKNOWN,
            Weight.SYMPTOM,
            "By the engine's own rules this fits, so that the command alone does not explain a failure.",
            (
                *why,
                *(
                    ()
                    if machine.measured
                    else ("What is free is not in the paste: another process may hold some.",)
                ),
            ),
            (Fix("see what else holds GPU memory (nvidia-smi), and add the engine's output"),),
            ask=("the error, or the log from its start",),
            wants_log=True,
        )
    spills = total.plan.fits and total.plan.placement is not Placement.GPU
    weights, room = total.weights_and_room
    cause = (
        Cause.TOO_LARGE if weights > room else Cause.SPILL_BY_A_LITTLE if spills else Cause.CONTEXT_TOO_LARGE
    )
    what = (
        "It runs, but a part of it runs from RAM, which slows each token down."
        if spills
        else "By the engine's own rules it does not fit."
    )
    fixes = tuple(mends(total, sizing)) or (Fix("a smaller quantisation, or a smaller model", "quality"),)
    return Finding(cause, Weight.NUMBERS if not machine.measured else Weight.PROVEN, what, tuple(why), fixes)


def _said(total: Sum) -> list[str]:
    """The sum in a line for each GPU, the log's parts beside it, and the plan's own reasons."""
    whose = f" (by the rules of {title_of(total.case.engine)})" if total.borrowed else ""
    lines = [f"{total.case.request.model.name} in {total.plan.quant}, on {total.case.found.said}{whose}:"]
    for device in (total.gpus or total.plan.memory.devices)[:4]:
        parts = [
            f"{name} {getattr(device, part) / GIB:.2f}" for part, name in _PARTS if getattr(device, part) > 0
        ]
        parts += [f"overhead {device.overhead / GIB:.2f}"] if device.overhead > 0 else []
        over = device.total - device.available
        left = f"{over / GIB:.2f} GiB too much" if over > 0 else f"{-over / GIB:.2f} GiB are left"
        whole = f"{device.total / GIB:.2f} GiB of {device.available / GIB:.2f} GiB"
        lines.append(f"{device.name}: {' + '.join(parts)} = {whole}: {left}.")
    for row in total.beside:
        lines.append(f"{_open(row)} {'That closes.' if row.closes else 'That does not close.'}")
    if total.fits or not any(d.total > d.available for d in total.plan.memory.devices):
        lines += [str(reason) for reason in total.plan.why[:1]]
    return lines


def mends(total: Sum, sizing: Sizing) -> Iterator[Fix]:
    """Yield changes that fit by planning again, in the order of their cost; each by itself, a shorter context last."""
    asked = total.case.request.settings
    steps = sizing.steps
    found = 0
    weights, room = total.weights_and_room
    if weights >= room:
        steps = ()  # the weights alone are too large: nothing but smaller weights helps
    for step in steps:
        settings = _changed(asked, step)
        memory = None if settings is None else _fitting(total, sizing, settings)
        if memory is not None and found < MOST_FIXES:
            found += 1
            yield replace(step.fix, cost=_cost(step.fix.cost, memory))
    shorten = next((step for step in steps if step.context), None)
    shorter = None if shorten is None else _shorter(total, sizing, shorten, asked)
    if shorter is not None and found < MOST_FIXES:
        found += 1
        yield shorter
    if shorten is not None and found < MOST_FIXES:
        several = list(_together(total, sizing, shorten, shorter))
        found += len(several)
        yield from several
    if found < MOST_FIXES:
        yield from _smaller(total, sizing)
    if sizing.spill is not None and total.gpus and not total.plan.fits:
        yield sizing.spill


def _fitting(
    total: Sum, sizing: Sizing, settings: Mapping[str, Any], quant: str | None = None
) -> MemoryEstimate | None:
    """The engine's memory with these settings and all layers on the GPUs, where that fits; None where it doesn't."""
    asked = total.case.request
    request = replace(asked, settings={**settings, **sizing.whole}, quant=quant or asked.quant)
    engine = get_engine(total.case.engine)
    try:
        # Where the placement is given the estimate says it all, and costs a tenth of a search.
        if sizing.whole and total.gpus:
            memory = engine.estimate(request)
            return memory if memory.fits else None
        plan = engine.plan(request)
    except (PlannerError, ArithmeticError):
        return None
    return plan.memory if plan.fits and (plan.placement is Placement.GPU or not total.gpus) else None


def _changed(settings: Mapping[str, Any], step: Step) -> dict[str, Any] | None:
    """The settings with a step made; None where it changes nothing, or is the one of the context."""
    if step.context or all(settings.get(name, step.unset) == value for name, value in step.settings.items()):
        return None
    changed = {**settings, **step.settings}
    return {name: value for name, value in changed.items() if value is not None}


def _cost(cost: str, memory: MemoryEstimate) -> str:
    gpu = next((d for d in memory.devices if d.kind != _HOST), next(iter(memory.devices), None))
    proof = "" if gpu is None else f"fits by the plan: {gpu.total / GIB:.2f} of {gpu.available / GIB:.2f} GiB"
    return "; ".join(part for part in (cost, proof) if part)


def _together(total: Sum, sizing: Sizing, shorten: Step, alone: Fix | None) -> Iterator[Fix]:
    """Several changes at once, cheapest first, with the longest context that fits then.

    Where a shorter context alone fits (`alone`), only the last of the others is joined to it: the one that makes the
    cache itself smaller, and leaves more of the context.
    """
    settings: Mapping[str, Any] = total.case.request.settings
    others = [step for step in sizing.steps if not step.context and not step.gives_up]
    made: list[Fix] = []
    for step in others if alone is None else others[-1:]:
        changed = _changed(settings, step)
        if changed is None:
            continue
        settings = changed
        made.append(step.fix)
        shorter = _shorter(total, sizing, shorten, settings)
        if shorter is not None:
            every = [*made, shorter]
            yield Fix(
                ", ".join(fix.do for fix in every),
                "; ".join(fix.cost for fix in every),
                {flag: value for fix in every for flag, value in fix.set.items()},
                tuple(flag for fix in every for flag in fix.drop),
                {name: value for fix in every for name, value in fix.env.items()},
            )
            return


def _smaller(total: Sum, sizing: Sizing) -> Iterator[Fix]:
    """The largest quantisation that fits whole, found by halves: a list of names, largest first."""
    asked = total.case.request
    names = get_engine(total.case.engine).quants(asked.model)
    if asked.model.tensors is not None or asked.quant not in names:
        return
    low, high = names.index(asked.quant) + 1, len(names)
    best: Fix | None = None
    while low < high:
        middle = (low + high) // 2
        memory = _fitting(total, sizing, asked.settings, names[middle])
        if memory is not None:
            best, high = Fix(f"the same in {names[middle]}", _cost("quality", memory)), middle
        else:
            low = middle + 1
    if best is not None:
        yield best


def _shorter(total: Sum, sizing: Sizing, step: Step, settings: Mapping[str, Any]) -> Fix | None:
    """The longest context that fits with these settings, in thousands of tokens (1024), found by halves."""
    before = total.plan.settings.get(step.context)
    most = before if isinstance(before, int) and before > 0 else total.case.request.arch.n_ctx_train
    low, high = LEAST_CONTEXT // 1024, -(-most // 1024) - 1
    best: tuple[int, MemoryEstimate] | None = None
    while low <= high:
        # the least first: where that doesn't fit, nothing does
        middle = low if best is None else (low + high) // 2
        memory = _fitting(total, sizing, {**settings, step.context: middle * 1024})
        if memory is None:
            if best is None:
                return None
            high = middle - 1
        else:
            best, low = (middle * 1024, memory), middle + 1
    if best is None:
        return None
    tokens, memory = best
    return Fix(
        step.fix.do.format(tokens),
        _cost(f"{most - tokens:,} tokens of context", memory),
        {flag: str(tokens) for flag in step.fix.set},
        env={variable: str(tokens) for variable in step.fix.env},
    )


def joined(finding: Finding, total: Sum, sizing: Sizing) -> Finding:
    """Return a finding with the sum beside it: proven changes first, or that the arithmetic does not close."""
    if not total.closes:
        return replace(finding, why=(*finding.why, *_said(total)[:1], *(_open(row) for row in total.beside)))
    if total.fits:
        said = "; ".join(_said(total)[1:2])
        note = (
            f"The arithmetic does not close: by the engine's rules it fits ({said}) Another process, or a part that is"
            " not counted, takes the rest."
        )
        return replace(finding, why=(*finding.why, note))
    proven = tuple(mends(total, sizing))
    # A change that was planned and does not fit by itself is no cure.
    tested = {key for step in sizing.steps for key in (*step.fix.set, *step.fix.env)}
    rest = tuple(fix for fix in finding.fixes if not tested & {*fix.set, *fix.env})
    return replace(finding, why=(*finding.why, *_said(total)), fixes=(*proven, *rest) or finding.fixes)


def _refused(refusal: RefusedError) -> Finding:
    """The engine's own refusal of the settings, before anything is loaded."""
    return Finding(
        Cause.ENGINE_LIMIT,
        Weight.NUMBERS,
        "The engine refuses these settings before it loads anything.",
        (f"By its own start-up checks: {refusal}",),
        (Fix("change the setting that the refusal names, or leave it out", "none"),),
    )


def _without_sum(evidence: Evidence, finding: Finding | None, missing: tuple[str, ...]) -> Finding | None:
    """The finding with what is missing for a sum; where nothing speaks, what the GPUs show, or that nothing does."""
    if finding is not None and finding.weight >= Weight.MESSAGE:
        asks = missing if finding.weight < Weight.PROVEN else ()
        return replace(finding, ask=(*finding.ask, *asks))
    machine = machine_of(evidence)
    if machine is not None and machine.measured:
        total = sum(a.memory_total for a in machine.machine.host.accelerators)
        free = sum(a.memory_free for a in machine.machine.host.accelerators)
        if free < MOSTLY_FREE * total:
            return _taken(total, free, missing)
    if finding is not None or evidence.command is None:
        return finding
    return Finding(
        Cause.UNKNOWN,
        Weight.NOTICE,
        f"{evidence.program or 'A command'} was read, but nothing in the paste says what went wrong.",
        (),
        (),
        ask=missing,
        wants_log=True,
    )


MOSTLY_FREE: Final = 0.8  # of a GPU's memory; below this something holds a part that counts


def _taken(total: int, free: int, missing: tuple[str, ...]) -> Finding:
    return Finding(
        Cause.UNSEEN_MEMORY,
        Weight.SYMPTOM,
        f"{(total - free) / GIB:.1f} of {total / GIB:.1f} GiB of GPU memory are taken: {free / GIB:.1f} GiB"
        f" are left for it.",
        (
            "What counts is what is free when the engine starts, not the card's total: so fewer layers, or a"
            " shorter context, fit than the card's size promises.",
            "Where the listing was made while the engine ran, its own share is in it.",
        ),
        (
            Fix(
                "end what else holds it (nvidia-smi lists the processes: another server, a browser, a game)",
                "none",
            ),
            Fix("a smaller context or model, for what is free", "context or quality"),
        ),
        ask=missing,
    )


def _open(row: Beside) -> str:
    return f"{row.part}: the log says {row.logged / MIB:,.0f} MiB, the plan {row.planned / MIB:,.0f} MiB."


def about_memory(finding: Finding) -> bool:
    """True for a cause that a sum of memory can prove or disprove."""
    return finding.cause in _SUMMED


_SUMMED: Final = frozenset(
    {
        Cause.CONTEXT_TOO_LARGE,
        Cause.TOO_LARGE,
        Cause.EXTRA_UNCOUNTED,
        Cause.SPILL_BY_A_LITTLE,
        Cause.OPTION_CONFLICT,
    }
)


def add_up_beside(
    evidence: Evidence,
    finding: Finding | None,
    sizing: Sizing,
    logged: Mapping[str, int],
    machine: Found | None = None,
) -> Finding | None:
    """Return the first finding with the engine's own sum beside it, or the sum's own where nothing else speaks."""
    told = finding is not None and finding.weight >= Weight.MESSAGE
    if told and finding is not None and not about_memory(finding):
        return finding
    known = reconstruct(evidence, machine)
    try:
        total = None if known.case is None else add_up(known.case, logged)
    except RefusedError as refusal:
        return finding if told else _refused(refusal)
    except (PlannerError, ArithmeticError):
        total = None
    if total is None:
        return _without_sum(evidence, finding, known.missing)
    if finding is not None and told:
        if total.borrowed:
            return finding
        return joined(finding, total, sizing)
    return by_arithmetic(total, sizing)
