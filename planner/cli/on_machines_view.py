"""What `planner compare MODEL… --on A,B,C` prints: every model on every machine."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from planner.api import engine_title
from planner.cli.machine_options import same_question
from planner.cli.output import PLAIN, print_document, print_heading, print_line, print_table, print_wrapped
from planner.cli.plan_view import range_text, short_name
from planner.cli.progress import Progress
from planner.units import context_about

if TYPE_CHECKING:
    from planner.api import ModelOnMachine, OnMachines
    from planner.plan import Workload

HEADERS = ("Model", "Runs as", "Score", "Tokens/s", "Context")


def show_on_machines(
    models: Sequence[str],
    machines: Sequence[str],
    workload: Workload,
    engine: str | None,
    *,
    json: bool,
    format: str,
) -> int:
    """Plan every model on every machine and print it; return 1 where none does on any what was asked."""
    import planner

    with Progress("plans") as progress:
        answer = planner.compare_on(models, machines, workload, engine=engine, progress=progress.update)
    if json:
        print_document(answer)
    elif format != PLAIN:
        rows = [[name, *_row(cell)] for name in answer.machines for cell in answer.on(name)]
        print_table(rows, ["Machine", *HEADERS], format)
    else:
        _print(answer, workload)
    return 0 if any(answer.best_on(name) for name in answer.machines) else 1


def _print(answer: OnMachines, workload: Workload) -> None:
    for name in answer.machines:
        cells = answer.on(name)
        best = answer.best_on(name)
        said = "" if best is None or len(cells) == 1 else f": {_name(best)}"
        print_heading(f"{name}{said}")
        print_table([_row(cell) for cell in cells], HEADERS)
        for each in cells:
            if each.problem is not None:
                print_wrapped(f"{_name(each)}: {each.problem}", "  ", "- ")
        print_line()
    firsts = [cell for name in answer.machines if (cell := answer.best_on(name)) and cell.worth is not None]
    if len(answer.machines) > 1 and firsts:
        top = max(firsts, key=lambda cell: cell.worth or 0.0)
        print_wrapped(
            f"Best of all for {workload.use_case.value}: {_name(top)} on {top.machine}, by its score less what "
            "quantisation, speed and context cost. planner buy --among says what each machine costs."
        )
    for cell in firsts:
        plan = cell.plan
        if plan is not None:
            exactly = f" --quant {plan.quant} --engine {shlex.quote(plan.engine)}"
            machine = f" --profile {shlex.quote(cell.machine)}"
            print_line(f"planner plan {short_name(plan)}{machine}{same_question()}{exactly}")


def _name(cell: ModelOnMachine) -> str:
    return cell.model.rpartition("/")[2] if cell.plan is None else short_name(cell.plan)


def _row(cell: ModelOnMachine) -> list[str]:
    plan, score = cell.plan, "?" if cell.score is None else f"{cell.score:.0f}"
    if plan is None or not plan.fits:
        return [_name(cell), "no", score, "-", "-"]
    speed = "?" if cell.speed is None else range_text(cell.speed)
    context = "?" if cell.context is None else context_about(cell.context)
    return [_name(cell), f"{plan.quant} {engine_title(plan.engine)}", score, speed, context]
