"""Recommend: what an expert would choose for this machine, best first, each with its reason.

The whole catalogue is looked at, but only models that can still win are planned exactly: entries come
sorted by the most they can be worth, and the search ends when nothing left can enter the list.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from planner.advice.plan.candidates import SERVING_USERS, serves_all
from planner.advice.plan.choose import Choice, choose
from planner.advice.plan.one_plan import with_measurement
from planner.advice.plan.question import PlanQuestion
from planner.advice.plan.worth import is_usable, upper_bound, user_speed
from planner.advice.recommend.cards import Card, cards_of
from planner.advice.recommend.unrated import in_words, too_new
from planner.engines.register import engine_facts, get_engine, offered
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Machine
from planner.models.load import from_entry
from planner.plan import Licence, Placement, Plan, UseCase, Workload
from planner.reason import Reason, ReasonKind
from planner.units import context_about, context_text, gib, rate_text

if TYPE_CHECKING:
    from planner.models.catalogue.catalogue import Entry

DEFAULT_LIMIT: Final = 8
# No published mix of a whole model is smaller than this (IQ1_S and its like ruin most models).
SMALLEST_BITS: Final = 2.6
PER_FAMILY: Final = 2
POOR_SCORE: Final = 5.0  # index points below which a model is a toy for today's tasks
NEEDS: Final = {UseCase.VISION: "vision", UseCase.AGENTS: "tools"}


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to run here, best first."""

    plans: tuple[Plan, ...]
    """Best first."""
    notes: tuple[str, ...]
    """What the reader should know beside them; why nothing fits, where nothing does."""
    why: tuple[str, ...]
    """The steps behind the first place."""
    considered: int
    """Models of the catalogue that were looked at."""
    planned: int
    """Models that were planned exactly."""
    cards: tuple[Card, ...] = ()
    """The best, a fast and a light one of the plans."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of the whole catalogue."""

    machine: Machine
    workload: Workload
    engine: str | None
    limit: int
    served: bool  # by an engine that batches requests, or not at all


@dataclass(frozen=True, slots=True)
class _TooBig:
    entry: Entry
    need: int  # bytes of the smallest that was considered
    score: float


@dataclass(frozen=True, slots=True)
class _Candidate:
    entry: Entry
    choice: Choice
    usable: bool


def recommend(
    machine: Machine,
    workload: Workload | None = None,
    *,
    engine: str | None = None,
    limit: int = DEFAULT_LIMIT,
    entries: Sequence[Entry] | None = None,
) -> Recommendation:
    """Recommend models for a machine and a workload.

    `engine` restricts to one engine; `entries` replaces the shipped catalogue. An empty list of plans is an
    answer: the notes then say why nothing fits.
    """
    from planner.models.catalogue.catalogue import load_catalogue

    wanted = workload or Workload()
    asked = _Asked(machine, wanted, engine, limit, engine is None and _is_served(machine))
    everything = load_catalogue().entries() if entries is None else entries
    ranked = _ranked(everything, wanted)
    room = _room(machine, engine)
    found: list[_Candidate] = []
    too_big: list[_TooBig] = []
    totals: list[float] = []  # the `aim` best so far, smallest first
    aim = limit
    planned = 0
    seen: set[str] = set()
    good: set[str] = set()  # ids of usable candidates
    for bound, entry in ranked:
        if len(totals) >= aim and (bound <= totals[0] or not _has_evidence(entry, wanted)):
            # Some of the best may be left out beside a newer one: then as many more are looked for.
            missing = limit - len(_select(found, limit, wanted))
            if missing <= 0:
                break
            aim = len(totals) + missing
        if entry.id in seen or entry.superseded_by in good or _crowded_out(found, entry, bound):
            continue
        seen.add(entry.id)
        score = entry.scores[wanted.use_case.value] or 0.0
        least = int(entry.total_params * SMALLEST_BITS / 8)
        if least > room:
            too_big.append(_TooBig(entry, least, score))
            continue
        planned += 1
        candidate = _plan_entry(entry, asked, ranking=True)
        if candidate is None:
            continue
        if not candidate.choice.plan.fits:
            too_big.append(_TooBig(entry, candidate.choice.plan.memory.total, score))
            continue
        found.append(candidate)
        if candidate.usable:
            good.add(entry.id)
        if candidate.usable and _family_count(found, entry) <= PER_FAMILY:
            heapq.heappush(totals, candidate.choice.worth.total)
            if len(totals) > aim:
                heapq.heappop(totals)
    chosen = _settled(found, asked)
    plans = tuple(_with_reason(c, chosen, rank, wanted) for rank, c in enumerate(chosen))
    notes = _notes(asked, chosen, too_big)
    if chosen:
        first = chosen[0].choice.worth.score
        unlisted = [e for e in everything if all(e.id != c.entry.id for c in chosen)]
        if unrated := too_new(unlisted, wanted.use_case.value, first, room / (SMALLEST_BITS / 8)):
            notes.append(in_words(unrated, wanted.use_case.value))
    if machine.detected:
        plans = tuple(with_measurement(p) for p in plans)
    return Recommendation(
        plans=plans,
        notes=tuple(notes),
        why=tuple(_steps(chosen, too_big, wanted)),
        considered=len(everything),
        planned=planned,
        cards=cards_of(plans, wanted),
    )


def _is_served(machine: Machine) -> bool:
    """True where an engine that batches requests drives GPUs that nobody serves one person with."""
    return serves_all(machine) and any(
        facts.serves_many and get_engine(facts.name).machine_refusal(machine) is None for facts in offered()
    )


def _ranked(entries: Sequence[Entry], workload: Workload) -> list[tuple[float, Entry]]:
    """Return (the most it can be worth, entry), best first, those with evidence before those without.

    A model that replaces another stands where the other would: nobody wants the older one.
    """
    bounds = {e.id: bound for e in entries if (bound := _bound(e, workload)) is not None}
    rank = dict(bounds)
    for entry in sorted(entries, key=lambda e: e.released):
        successor = entry.superseded_by
        if entry.id in rank and successor in rank:
            rank[successor] = max(rank[successor], rank[entry.id])
    possible = [e for e in entries if e.id in bounds]
    possible.sort(key=lambda e: e.released, reverse=True)
    possible.sort(key=lambda e: (not _has_evidence(e, workload), -rank[e.id]))
    return [(rank[e.id], e) for e in possible]


def _crowded_out(found: Sequence[_Candidate], entry: Entry, bound: float) -> bool:
    """True where the list already holds as many better ones of the family as it may."""
    better = [
        c for c in found if c.entry.family == entry.family and c.usable and c.choice.worth.total >= bound
    ]
    return len(better) >= PER_FAMILY


def _bound(entry: Entry, workload: Workload) -> float | None:
    """The most this entry can be worth; None where it is out of the question."""
    if workload.license is not Licence.ANY:
        from planner.models.catalogue.licences import admits

        if not admits(workload.license, entry.licence_class):
            return None
    need = NEEDS.get(workload.use_case)
    if need is not None and need not in entry.capabilities:
        return None
    if workload.context is not None and entry.context and workload.context > entry.context:
        return None
    score = entry.scores.get(workload.use_case.value)
    if score is None or not entry.verified:
        return None
    return upper_bound(score, workload)


def _has_evidence(entry: Entry, workload: Workload) -> bool:
    return entry.has_evidence(workload.use_case.value)


def _room(machine: Machine, engine: str | None) -> int:
    """Bytes in which weights can live at all: GPUs, and the RAM where the engine can use both."""
    gpus = sum(a.memory_free for a in machine.accelerators)
    if engine is not None and gpus and not engine_facts(engine).may_spill:
        return gpus
    ram = sum(h.ram_available for h in machine.hosts)
    if machine.unified:
        return max(gpus, ram)
    return gpus + ram


def _settled(found: list[_Candidate], asked: _Asked) -> list[_Candidate]:
    """Select, and plan anew what was only planned to rank it, until everything that is selected is final."""
    while True:
        chosen = _select(found, asked.limit, asked.workload)
        rough = [c for c in chosen if not c.choice.final]
        if not rough:
            return chosen
        for candidate in rough:
            plan, at = candidate.choice.plan, found.index(candidate)
            planned = _plan_entry(candidate.entry, replace(asked, engine=plan.engine), plan.quant)
            if planned is None or not planned.choice.plan.fits:
                planned = _plan_entry(candidate.entry, asked)
            found[at : at + 1] = [planned] if planned is not None and planned.choice.plan.fits else []


def _plan_entry(
    entry: Entry, asked: _Asked, quant: str | None = None, *, ranking: bool = False
) -> _Candidate | None:
    machine, workload = asked.machine, asked.workload
    # Many users of one hybrid wait for the slowest memory together: that is no way to serve.
    spill = workload.users < SERVING_USERS or not machine.accelerators
    score = entry.scores[workload.use_case.value] or 0.0
    question = PlanQuestion(from_entry(entry), machine, workload, asked.engine, quant)
    choice = choose(question, score, last_resort=False, ranking=ranking, spill=spill)
    if choice is None:
        return None
    if asked.served and not engine_facts(choice.plan.engine).serves_many:
        return None  # nobody runs one request at a time on the GPUs of a server
    return _Candidate(entry, choice, choice.plan.fits and is_usable(choice.plan, workload))


def _family_count(found: Sequence[_Candidate], entry: Entry) -> int:
    return sum(1 for c in found if c.entry.family == entry.family and c.usable)


def _select(found: Sequence[_Candidate], limit: int, workload: Workload) -> list[_Candidate]:
    """Return the best, at most two of one family, nothing beaten by a newer one of its own family.

    What is usable comes first; where nothing is, what runs at all is offered.
    """
    order = sorted(
        found, key=lambda c: (not c.usable, not _has_evidence(c.entry, workload), -c.choice.worth.total)
    )
    if any(c.usable for c in order):
        order = [c for c in order if c.usable]
    chosen: list[_Candidate] = []
    for candidate in order:
        if len(chosen) >= limit:
            break
        if any(c.entry.id == candidate.entry.superseded_by and c.usable for c in order):
            continue
        family = [c for c in chosen if c.entry.family == candidate.entry.family]
        if len(family) >= PER_FAMILY or any(
            _outdated(candidate, c, workload) for c in order if c is not candidate
        ):
            continue
        chosen.append(candidate)
    return chosen


def _outdated(old: _Candidate, new: _Candidate, workload: Workload) -> bool:
    """True where a newer model of the same vendor is better and no slower: nobody would choose the older."""
    if old.entry.vendor != new.entry.vendor or old.entry.released >= new.entry.released:
        return False
    better = new.choice.worth.score > old.choice.worth.score
    slower = _tps(new.choice.plan, workload) < 0.8 * _tps(old.choice.plan, workload)
    return better and not slower and new.choice.worth.total > old.choice.worth.total


def _tps(plan: Plan, workload: Workload) -> float:
    return user_speed(plan, workload) or 0.0


def _with_reason(candidate: _Candidate, chosen: Sequence[_Candidate], rank: int, workload: Workload) -> Plan:
    """Return the plan with the reason for its place first."""
    plan = candidate.choice.plan
    use_case = workload.use_case.value
    reasons = []
    if rank == 0:
        text = f"best {use_case} score of what runs well here"
        reasons.append(Reason(ReasonKind.BEST_SCORE, text, {"use_case": use_case}))
    plans = [c.choice.plan for c in chosen]
    if len(plans) > 1:
        speeds = [_tps(p, workload) for p in plans]
        if _tps(plan, workload) == max(speeds):
            text = f"fastest of these: {rate_text(max(speeds))} tokens/s"
            reasons.append(Reason(ReasonKind.FASTEST, text, {"speed": max(speeds)}))
        longest = max(p.max_context for p in plans)
        first = next(p for p in plans if p.max_context == longest)  # said once: of equals, the better ranked
        if plan is first and longest > min(p.max_context for p in plans):
            text = f"longest context of these: {context_about(longest)}"
            reasons.append(Reason(ReasonKind.LONGEST_CONTEXT, text, {"context": longest}))
    permissive = [c for c in chosen if c.entry.licence_class == "permissive"]
    if rank and permissive and permissive[0] is candidate:
        licence = candidate.entry.licence
        text = f"best with a permissive licence ({licence})"
        reasons.append(Reason(ReasonKind.BEST_PERMISSIVE, text, {"licence": licence}))
    if plan.placement is Placement.HYBRID:
        text = "larger than the GPU: part of it runs from RAM"
        reasons.append(Reason(ReasonKind.PARTLY_IN_RAM, text))
    if not candidate.usable:
        text = "slower than comfortable, but nothing better fits"
        reasons.append(Reason(ReasonKind.SLOW, text))
    warnings = (*_cautions(candidate.entry, workload), *plan.warnings)
    return replace(plan, why=(*reasons, *plan.why), warnings=warnings)


def _cautions(entry: Entry, workload: Workload) -> list[Reason]:
    """Return what to beware of in a model, its licence first."""
    cautions = []
    if entry.licence_class in ("restricted", "research"):
        text = f"licence: {entry.licence}; read what it forbids before using it"
        cautions.append(Reason(ReasonKind.LICENCE, text, {"licence": entry.licence}))
    if not _has_evidence(entry, workload):
        use_case = workload.use_case.value
        text = f"no published {use_case} score: ranked below those that have one"
        cautions.append(Reason(ReasonKind.NO_PUBLISHED_SCORE, text, {"use_case": use_case}))
    return cautions


def _notes(asked: _Asked, chosen: Sequence[_Candidate], too_big: Sequence[_TooBig]) -> list[str]:
    """Return what the reader should know beside the table."""
    machine, workload = asked.machine, asked.workload
    notes = []
    refusal = None if asked.engine is None else get_engine(asked.engine).machine_refusal(machine)
    if refusal is not None:
        return [f"Nothing runs: {refusal}."]
    if not chosen:
        notes.append(_nothing(machine, workload, too_big))
    elif not _has_evidence(chosen[0].entry, workload) or chosen[0].choice.worth.score < POOR_SCORE:
        notes.append("Nothing good fits: what is listed runs, but is too weak for real work.")
    elif not chosen[0].usable and not workload.min_speed:
        notes.append("Nothing good fits: what is listed runs, but slower than most people can bear.")
    if chosen and workload.min_speed and not chosen[0].usable:
        speed = rate_text(workload.min_speed)
        notes.append(f"Nothing good fits: what is listed runs, but below the {speed} tokens/s asked for.")
    best = chosen[0].choice.worth.score if chosen else 0.0
    bigger = [big for big in too_big if big.score > best]
    if chosen and bigger:
        first = min(bigger, key=lambda big: big.need)
        notes.append(
            f"The next better model, {first.entry.short_name} ({_billions(first.entry.total_params)}), "
            + _what_is_missing(first, machine, workload)
        )
    return notes


def _what_is_missing(big: _TooBig, machine: Machine, workload: Workload) -> str:
    """Say what keeps a model out: memory, or what was asked of it where it would fit for less."""
    room = sum(a.memory_free for a in machine.accelerators) or sum(h.ram_available for h in machine.hosts)
    if workload.users > 1 and big.need <= room:
        each = f" with {context_text(workload.context)} tokens each" if workload.context else ""
        return f"has no room for {workload.users} users{each}."
    return f"does not fit: even its smallest useful quantisation needs about {gib(big.need)}."


def _nothing(machine: Machine, workload: Workload, too_big: Sequence[_TooBig]) -> str:
    gpus = sum(a.memory_free for a in machine.accelerators)
    ram = sum(h.ram_available for h in machine.hosts)
    have = f"{gib(gpus)} of GPU memory and {gib(ram)} of RAM" if gpus else f"{gib(ram)} of RAM"
    asked = []
    if workload.context is not None:
        asked.append(f"a context of {context_text(workload.context)}")
    if workload.users > 1:
        asked.append(f"{workload.users} users")
    if workload.min_speed:
        asked.append(f"{rate_text(workload.min_speed)} tokens/s")
    if workload.license != "any":
        asked.append(f"a {workload.license} licence")
    with_that = f" with {', '.join(asked)}" if asked else ""
    smallest = min(too_big, key=lambda big: big.need, default=None)
    least = (
        f"; the smallest model that was tried, {smallest.entry.short_name}, needs about {gib(smallest.need)}"
        if smallest
        else ""
    )
    return f"Nothing good fits, because this machine has {have}{with_that}{least}."


def _steps(chosen: Sequence[_Candidate], too_big: Sequence[_TooBig], workload: Workload) -> list[str]:
    """Return every step of the ranking, for --why."""
    steps = []
    for rank, candidate in enumerate(chosen, 1):
        w = candidate.choice.worth
        steps.append(
            f"{rank}. {candidate.entry.short_name} {candidate.choice.plan.quant}: score "
            f"{w.score:.1f} ({candidate.entry.evidence(workload.use_case.value)}), quantisation "
            f"-{w.quant_loss:.1f}, speed {w.speed_points:+.1f}, context {w.context_points:+.1f}, "
            f"placement {w.placement_points:+.1f} = {w.total:.1f}"
        )
    for big in sorted(too_big, key=lambda b: -b.score)[:3]:
        steps.append(
            f"too big: {big.entry.short_name} (score {big.score:.1f}), "
            f"{_billions(big.entry.total_params)}, needs at least {gib(big.need)}"
        )
    return steps


def _billions(parameters: float) -> str:
    return (
        f"{parameters / 1e9:.0f}B parameters" if parameters >= 1e10 else f"{parameters / 1e9:.1f}B parameters"
    )
