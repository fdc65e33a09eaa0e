"""Checks what the source articles say: by calculation where that is possible, else by published scores.

seeds/claims.toml holds the statements and the cases; nothing there states an answer.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from planner.engines.register import title_of
from planner.errors import InputError, PlannerError
from planner.fast_dataclass import dataclass
from planner.hardware.machine import Machine
from planner.models.catalogue.catalogue import find_entry
from planner.plan import Placement, Plan, Workload
from planner.units import context_text, gib, parse_context, parse_size, rate_text

HOLDS: Final = "holds"
PARTLY: Final = "partly"
FAILS: Final = "does not hold"
OPINION: Final = "not a calculation"

MachineLoader = Callable[[str, int | None], Machine]


@dataclass(frozen=True, slots=True)
class Finding:
    """One case of a claim."""

    what: str
    """What was looked at."""
    holds: bool | None
    """Whether the claim holds for it; None where nothing could be decided."""
    detail: str
    """The figures that decide."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A claim with what came of checking it."""

    id: str
    """The claim's name."""
    says: str
    """What the article says, in our words."""
    verdict: str
    """holds, partly, does not hold, or not a calculation."""
    findings: tuple[Finding, ...]
    """One a case."""


def load_claims(path: Path | None = None) -> list[dict[str, Any]]:
    """Read the claims. Raises InputError for a damaged file."""
    if path is None:
        from planner.shipped_files import seeds_dir

        path = seeds_dir() / "claims.toml"
    try:
        claims: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["claims"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as error:
        raise InputError(f"{path.name}: {error}") from None
    for claim in claims:
        if claim.get("kind") not in _CHECKS or not claim.get("id") or not claim.get("says"):
            raise InputError(f"{path.name}: claim {claim.get('id')!r} lacks id, says or a known kind")
    return claims


def check_claim(claim: Mapping[str, Any], load_machine: MachineLoader) -> Verdict:
    """Check one claim."""
    findings = tuple(_CHECKS[claim["kind"]](claim, load_machine))
    decided = [f.holds for f in findings if f.holds is not None]
    if claim["kind"] == "scores" or not decided:
        verdict = OPINION
    elif all(decided):
        verdict = HOLDS
    else:
        verdict = PARTLY if any(decided) else FAILS
    return Verdict(str(claim["id"]), str(claim["says"]), verdict, findings)


def _machine(case: Mapping[str, Any], load_machine: MachineLoader) -> Machine:
    ram = case.get("ram")
    return load_machine(str(case.get("profile", "")), None if ram is None else parse_size(str(ram)))


def _workload(case: Mapping[str, Any]) -> Workload:
    context = case.get("context")
    return Workload(
        context=None if context is None else parse_context(str(context)), users=int(case.get("users", 1))
    )


def _plan(model: str, case: Mapping[str, Any], load_machine: MachineLoader) -> Plan:
    from planner.advice.plan.choose import plan_model
    from planner.advice.plan.question import PlanQuestion
    from planner.models.load import from_entry

    question = PlanQuestion(
        from_entry(find_entry(model)),
        _machine(case, load_machine),
        _workload(case),
        engine=case.get("engine"),
        quant=case.get("quant"),
    )
    return plan_model(question)


def _described(plan: Plan) -> str:
    """A plan in one clause: format, engine, placement, memory, speed, longest context."""
    where = {Placement.GPU: "on the GPU", Placement.HYBRID: "GPU and CPU", Placement.CPU: "on the CPU"}
    used = [d for d in plan.memory.devices if d.total]
    memory = " + ".join(f"{gib(d.total)}{' RAM' if d.kind == 'cpu' else ''}" for d in used[:2])
    if len({d.total for d in used}) == 1 and len(used) > 2:
        memory = f"{len(used)} x {gib(used[0].total)}"
    elif len(used) > 2:
        memory = f"{gib(plan.memory.total)} in all"
    text = f"{plan.quant} with {title_of(plan.engine)}, {where[plan.placement]}, {memory}"
    if plan.speed is not None:
        text += f", {rate_text(plan.speed.decode_tps.expected)} tokens/s"
    if plan.max_context:
        text += f", longest context {context_text(plan.max_context)} with these settings"
    return text


def _fits(claim: Mapping[str, Any], load_machine: MachineLoader) -> list[Finding]:
    findings = []
    for case in claim["cases"]:
        try:
            plan = _plan(claim["model"], case, load_machine)
        except PlannerError as error:
            findings.append(Finding(case["on"], False, str(error)))
            continue
        holds = plan.fits and (plan.placement is Placement.GPU or not case.get("all_on_gpu"))
        findings.append(Finding(case["on"], holds, _described(plan) if plan.fits else _too_small(plan)))
    return findings


def _too_small(plan: Plan) -> str:
    worst = max(plan.memory.devices, key=lambda d: d.total - d.available, default=None)
    if worst is None or worst.total <= worst.available:  # no lack of bytes: the engine's own reason
        return "does not fit" if plan.shortage is None else plan.shortage.text
    return f"needs {gib(worst.total)} on {worst.name}, {gib(worst.available)} are there"


def _licence(claim: Mapping[str, Any], load_machine: MachineLoader) -> list[Finding]:
    del load_machine
    findings = []
    for name in claim["models"]:
        entry = find_entry(name)
        same = entry.licence == claim["licence"]
        findings.append(Finding(entry.short_name, same, f"{entry.licence} ({entry.licence_class})"))
    return findings


def _engines(claim: Mapping[str, Any], load_machine: MachineLoader) -> list[Finding]:
    findings = []
    for name in claim["models"]:
        for engine in claim["engines"]:
            case = {"profile": claim["profile"], "context": "8k", "engine": engine}
            try:
                plan = _plan(name, case, load_machine)
                findings.append(Finding(f"{name} with {title_of(engine)}", plan.fits, _described(plan)))
            except PlannerError as error:
                findings.append(Finding(f"{name} with {title_of(engine)}", False, str(error)))
    return findings


def _active(claim: Mapping[str, Any], load_machine: MachineLoader) -> list[Finding]:
    del load_machine
    findings = []
    for name in claim["models"]:
        arch = find_entry(name).architecture()
        total, active = arch.parameters(), arch.active_parameters()
        detail = f"{active / 1e9:.1f} of {total / 1e9:.1f} billion parameters a token ({active / total:.0%})"
        findings.append(Finding(find_entry(name).short_name, arch.is_moe and active < total, detail))
    return findings


def _scores(claim: Mapping[str, Any], load_machine: MachineLoader) -> list[Finding]:
    del load_machine
    findings = []
    for ours, theirs in claim["pairs"]:
        for row in claim["results"]:
            difference = row[ours] - row[theirs]
            near = "level" if abs(difference) <= claim["close"] else "ahead" if difference > 0 else "behind"
            detail = f"{row[ours]:g} against {row[theirs]:g}: {near} ({claim['source']})"
            findings.append(Finding(f"{ours} and {theirs}, {row['benchmark']}", None, detail))
    return findings


def _reach(claim: Mapping[str, Any], load_machine: MachineLoader) -> list[Finding]:
    """The claim holds where a machine cannot run most of the models at a bearable speed."""
    findings = []
    for case in claim["machines"]:
        runs: list[str] = []
        not_here: list[str] = []
        for name in claim["models"]:
            try:
                plan = _plan(name, case, load_machine)
            except PlannerError:
                not_here.append(name)
                continue
            tps = plan.speed.decode_tps.expected if plan.speed else 0.0
            (runs if plan.fits and tps >= claim["min_tps"] else not_here).append(name)
        detail = f"runs {', '.join(runs) or 'none of them'}; not {', '.join(not_here) or 'one is missing'}"
        findings.append(Finding(case["on"], bool(not_here), detail))
    return findings


def _cost(claim: Mapping[str, Any], load_machine: MachineLoader) -> list[Finding]:
    """The claim holds where the own machine is not cheaper within the stated time."""
    from planner.advice.money.cost import OwnHardware, Subscription, Usage, break_even_month
    from planner.hardware.profiles.load import list_profiles

    findings = []
    months = float(claim["months"])
    usage = Usage(20_000, 60_000, hours_on_per_day=claim["hours_per_day"])
    subscription = Subscription("subscription", claim["per_month"])
    for case in claim["machines"]:
        info = next((p for p in list_profiles() if p.id == case["profile"]), None)
        price = None if info is None else info.price_low
        plan = _plan(case["model"], case, load_machine)
        if price is None or plan.speed is None:
            findings.append(Finding(case["on"], None, "no price is known, or the model does not run"))
            continue
        own = OwnHardware(
            case["profile"],
            price,
            case["idle_watts"],
            case["load_watts"],
            plan.speed.decode_tps.expected,
            plan.speed.prefill_tps.expected,
            claim["kwh_price"],
        )
        month = break_even_month(own, subscription, usage)
        spent, paid = own.cumulative(months, usage), subscription.cumulative(months, usage)
        when = "never" if month is None else f"after {month:.0f} months"
        detail = (
            f"{case['model']} on {case['profile']} for {price:,.0f}: {spent:,.0f} against {paid:,.0f} dollars "
            f"in {months:.0f} months; cheaper {when} ({own.running_per_month(usage):.1f} a month for "
            f"electricity at {claim['hours_per_day']:g} hours a day)"
        )
        findings.append(Finding(case["on"], spent > paid, detail))
    return findings


def _systems(claim: Mapping[str, Any], load_machine: MachineLoader) -> list[Finding]:
    findings = []
    for case in claim["cases"]:
        entry = find_entry(case["model"])
        what = f"{entry.short_name} on {case['on']}"
        try:
            plan = _plan(case["model"], case, load_machine)
        except PlannerError as error:
            findings.append(Finding(what, False, str(error)))
            continue
        detail = f"{_described(plan)}; {entry.licence}" if plan.fits else _too_small(plan)
        findings.append(Finding(what, plan.fits, detail))
    return findings


_CHECKS: Final[dict[str, Callable[[Mapping[str, Any], MachineLoader], list[Finding]]]] = {
    "fits": _fits,
    "licence": _licence,
    "engines": _engines,
    "active": _active,
    "scores": _scores,
    "reach": _reach,
    "cost": _cost,
    "systems": _systems,
}
