"""The engine's sum beside a finding: what it proves, what doesn't close, and what speaks where no message does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Sizing, Weight
from planner.errors import PlannerError, RefusedError
from planner.fast_dataclass import replace
from planner.units import GIB
from planner.verify.diagnose.changes import mends
from planner.verify.diagnose.machine import Found, machine_of
from planner.verify.diagnose.reconstruct import reconstruct
from planner.verify.diagnose.sums import Sum, add_up, opened, told_parts


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
        total = None if known.case is None else add_up(known.case, logged, sizing)
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


def by_arithmetic(total: Sum, sizing: Sizing) -> Finding:
    """What the sum alone says, where no message does."""
    why = told_parts(total)
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
    spills = total.spills
    weights, room = total.weights_and_room
    cause = (
        Cause.TOO_LARGE if weights > room else Cause.SPILL_BY_A_LITTLE if spills else Cause.CONTEXT_TOO_LARGE
    )
    what = (
        "It does not fit on the GPU whole: a part runs from RAM, which slows each token down."
        if spills
        else "By the engine's own rules it does not fit."
    )
    fixes = tuple(mends(total, sizing)) or (Fix("a smaller quantisation, or a smaller model", "quality"),)
    return Finding(cause, Weight.NUMBERS if not machine.measured else Weight.PROVEN, what, tuple(why), fixes)


def joined(finding: Finding, total: Sum, sizing: Sizing) -> Finding:
    """Return a finding with the sum beside it: proven changes first, or that the arithmetic does not close."""
    if not total.closes:
        return replace(
            finding, why=(*finding.why, *told_parts(total)[:1], *(opened(row) for row in total.beside))
        )
    if total.fits:
        said = "; ".join(told_parts(total)[1:2])
        note = (
            f"The arithmetic does not close: by the engine's rules it fits ({said}) Another process, or a part that is"
            " not counted, takes the rest."
        )
        return replace(finding, why=(*finding.why, note))
    proven = tuple(mends(total, sizing))
    # A change that was planned and does not fit by itself is no cure.
    tested = {key for step in sizing.steps for key in (*step.fix.set, *step.fix.env)}
    rest = tuple(fix for fix in finding.fixes if not tested & {*fix.set, *fix.env})
    return replace(finding, why=(*finding.why, *told_parts(total)), fixes=(*proven, *rest) or finding.fixes)


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
