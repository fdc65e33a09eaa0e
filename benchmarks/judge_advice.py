"""What `planner check` recommends beside what an expert demands of it (benchmarks.expected_advice).

python -m benchmarks.judge_advice                    all machines, use cases and users: minutes
python -m benchmarks.judge_advice rtx-4090 8x        machines whose name begins so
python -m benchmarks.judge_advice --all rtx-4090     the first three, whether they meet the demands or not

Exit code 1 where a demand is not met.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Final

import planner
from benchmarks.expected_advice import MACHINES, MOST, USERS, WORK, Expected, Kind, expected
from planner.advice.plan.stated_context import planned_context
from planner.advice.plan.worth import user_speed
from planner.advice.recommend.recommend import Recommendation, recommend
from planner.engines.register import engine_facts
from planner.hardware.machine import Machine
from planner.models.catalogue.catalogue import find_entry
from planner.models.published import plain_quant
from planner.plan import Plan, UseCase, Workload
from planner.reason import ReasonKind
from planner.units import GIB, context_about, rate_text

FIRST: Final = 3  # places that people look at
AS_GOOD: Final = 0.9  # of the score of the model that is known to run well


def judge(machine: Machine, workload: Workload, rule: Expected, found: Recommendation) -> list[str]:
    """Return which demands an answer doesn't meet."""
    if not found.plans:
        return ["nothing is recommended"] if rule.as_good_as else []
    faults = [f for plan in found.plans[:FIRST] for f in _of_each(plan, machine, workload, rule)]
    best = found.plans[0]
    context, speed = planned_context(best) or best.max_context, user_speed(best, workload) or 0.0
    if context < rule.context:
        faults.append(f"{context_about(context)} of context, at least {context_about(rule.context)}")
    if speed < rule.speed:
        faults.append(f"{rate_text(speed)} tokens/s, at least {rate_text(rule.speed)}")
    if rule.as_good_as:
        case = workload.use_case.value
        floor = AS_GOOD * (find_entry(rule.as_good_as).scores[case] or 0.0)
        score = find_entry(best.model).scores[case] or 0.0
        if score < floor:
            faults.append(f"{best.name} scores {score:.1f}, nine tenths of {rule.as_good_as} are {floor:.1f}")
    return faults


def _of_each(plan: Plan, machine: Machine, workload: Workload, rule: Expected) -> Iterator[str]:
    """Yield the faults that none of the first three may have."""
    facts, here = engine_facts(plan.engine), f"{plan.name} {plan.quant}"
    alone = any(reason.kind is ReasonKind.ONLY_ENGINE for reason in plan.why)
    wrong = facts.serves_many != (rule.kind is Kind.SERVER)
    if wrong and (rule.kind is Kind.SERVER or (rule.kind is Kind.LOCAL and not alone)):
        yield f"{here} with {plan.engine}, not one that is made {rule.kind.value}"
    if plan.settings.get("enforce_eager"):
        yield f"{here} without CUDA graphs"
    context, most = planned_context(plan), MOST[WORK[workload.use_case]]
    if not facts.serves_many and context > most:
        yield f"{here} starts {context_about(context)} of context, nobody needs more than {context_about(most)}"
    if not _exists(plan):
        yield f"{here}: no such file in {plan.source or 'any repository'}"
    ram = machine.host.ram_total
    used = sum(d.total for d in plan.memory.devices if machine.unified or d.kind == "cpu") / len(
        machine.hosts
    )
    if ram - used < rule.left * GIB:
        yield f"{here} leaves {(ram - used) / GIB:.1f} GiB of the RAM, at least {rule.left:g}"


def _exists(plan: Plan) -> bool:
    """True where the repository lists what the plan's command fetches, or nobody has read its list."""
    entry = find_entry(plan.model)
    if plan.source == entry.id:
        return True
    wanted = plain_quant(plan.quant)
    return any(
        file.repo == plan.source
        and (not file.quants or any(plain_quant(q) in (wanted, f"UD_{wanted}") for q in file.quants))
        for file in entry.files
    )


def answers(
    names: Sequence[str], several: Sequence[int]
) -> Iterator[tuple[str, Workload, Recommendation, list[str]]]:
    """Yield machine, workload, answer and faults of every case; `several`: numbers of users."""
    for name in names:
        machine = planner.load_profile(name)
        for users in several:
            for use_case in UseCase:
                workload = Workload(use_case=use_case, users=users)
                found = recommend(machine, workload, limit=FIRST)
                yield name, workload, found, judge(machine, workload, expected(name, use_case, users), found)


def line(plan: Plan, workload: Workload) -> str:
    """Return a plan in a few words."""
    context, speed = planned_context(plan) or plan.max_context, user_speed(plan, workload) or 0.0
    return f"{plan.name} {plan.quant} {plan.engine} {context_about(context)} {rate_text(speed)} t/s"


def main() -> int:
    """Judge what is asked for and print what fails; exit code 1 where anything does."""
    parser = argparse.ArgumentParser(description="Recommendations beside an expert's demands.")
    parser.add_argument("machines", nargs="*", help="beginnings of machines' names; all where none is given")
    parser.add_argument("--all", action="store_true", help="print the answers that meet the demands too")
    parser.add_argument("--users", type=int, action="append", help="one or eight; both where it isn't given")
    options = parser.parse_args()
    begins = tuple(options.machines) or ("",)
    asked, failed, said = 0, 0, 0
    chosen = [name for name in MACHINES if name.startswith(begins)]
    for name, workload, found, faults in answers(chosen, options.users or USERS):
        asked, failed, said = asked + 1, failed + bool(faults), said + len(faults)
        if faults or options.all:
            print(f"{name}, {workload.use_case.value}, {workload.users} users", flush=True)
            for plan in found.plans:
                print(f"    {line(plan, workload)}")
        for fault in faults:
            print(f"  ! {fault}", flush=True)
    print(f"{asked} answers, {asked - failed} meet every demand, {said} demands aren't met")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
