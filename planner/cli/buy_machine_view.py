"""What `planner buy` prints where no model is named: which machine to get, and what each runs best."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from planner.api import engine_title
from planner.cli.machine_options import same_question
from planner.cli.money_options import resale_text
from planner.cli.output import PLAIN, print_heading, print_line, print_table, print_wrapped
from planner.cli.plan_view import range_text, short_name
from planner.units import context_about, context_text, money_text

if TYPE_CHECKING:
    from planner.api import MachineAnswer, MachineOption

HEADERS = ("Buy", "Price", "Runs best", "Score", "Tokens/s", "Ctx", "Watts")


def print_machines(answer: MachineAnswer, format: str, notes: tuple[str, ...]) -> None:
    """The advice in words, the table, and the lines that check it; only the table in another format than plain."""
    terms = answer.question.terms
    rows = [_row(option) for option in answer.options]
    headers = [terms.currency if h == "Price" else h for h in HEADERS]
    if format != PLAIN:
        print_table(rows, headers, fmt=format)
        return
    print_heading(f"Which machine for {_purpose(answer)}")
    print_line()
    if answer.advised is not None:
        _print_advice(answer, answer.options[answer.advised])
        print_line()
    if rows:
        print_table(rows, headers, wrap=0)
        print_line()
    for option in answer.options:
        if option.problem is not None:
            print_wrapped(f"{option.offer.spec}: {option.problem}", "  ", "- ")
    for note in answer.notes:
        print_wrapped(note)
    step = answer.next_step
    if step is not None and step.plan is not None:
        print_wrapped(
            f"Above the budget, {step.offer.spec} for {money_text(step.offer.price, terms.currency)} "
            f"({step.offer.price_note}) runs {_model(step)}, score {_score(step)}, at {_speed(step)} tokens/s."
        )
    if not answer.question.among and answer.options:
        print_wrapped(
            "Each row runs something better than all that are cheaper; what none of that does is left out."
        )
    print_wrapped(
        "Scores are points of the catalogue for this use (planner models); prices facts of their date, with the "
        "computer around cards: --price NAME=PRICE and --host-price set them."
    )
    for note in notes:
        print_wrapped(note[0].upper() + note[1:] + ".")


def _purpose(answer: MachineAnswer) -> str:
    workload, terms = answer.question.workload, answer.question.terms
    parts = [f"{workload.use_case.value} use"]
    if workload.users > 1:
        parts.append(f"{workload.users} users")
    if workload.context is not None:
        parts.append(f"a context of {context_text(workload.context)}")
    if workload.min_speed is not None:
        parts.append(f"at least {workload.min_speed:g} tokens/s")
    if terms.budget is not None:
        parts.append(f"up to {money_text(terms.budget, terms.currency)}")
    if terms.max_watts is not None:
        parts.append(f"at most {terms.max_watts:g} W")
    return ", ".join(parts)


def _print_advice(answer: MachineAnswer, option: MachineOption) -> None:
    plan, terms = option.plan, answer.question.terms
    assert plan is not None  # or it would not be advised
    price = "" if option.offer.price is None else f", {money_text(option.offer.price, terms.currency)}"
    print_wrapped(f"Get: {option.offer.spec}{price} ({option.offer.price_note}).")
    each = " for each user" if plan.request.workload.users > 1 else ""
    print_wrapped(
        f"It runs {_model(option)} with {engine_title(plan.engine)}: score {_score(option)}, {_speed(option)} "
        f"tokens/s, {context_about(option.context or 0)} of context{each}."
    )
    others = [o for o in answer.options if o.worth is not None and o is not option]
    mine = option.offer.price
    cheaper = [o for o in others if mine is not None and o.offer.price is not None and o.offer.price <= mine]
    if cheaper:
        below = max(cheaper, key=lambda o: o.worth or 0.0)
        print_wrapped(
            f"Nothing cheaper does as well: the next best, {below.offer.spec}, runs {_model(below)}, "
            f"score {_score(below)}, at {_speed(below)} tokens/s."
        )
    better = [o.offer.spec for o in others if (o.worth or 0.0) > (option.worth or 0.0)]
    if better:
        print_wrapped(
            f"{', '.join(better)}: better by less than a thirtieth, and dearer or of a price that is not known."
        )
    if option.cost is not None and option.watts is not None:
        print_wrapped(
            f"Over {terms.months:g} months {money_text(option.cost, terms.currency)} with electricity, at "
            f"{terms.hours_per_day:g} hours a day{resale_text(terms)}; {option.watts:.0f} W while it works: "
            f"{option.noise}."
        )
    else:
        print_wrapped("What it draws is not known: electricity is not counted.")
    print_line("Check it:")
    print_line(f"planner check --profile {shlex.quote(option.offer.spec)}{same_question()}")


def _row(option: MachineOption) -> list[str]:
    plan = option.plan
    watts = "?" if option.watts is None else f"{option.watts:.0f}"
    price = money_text(option.offer.price, "") if option.offer.price is not None else "?"
    if plan is None:
        return [option.offer.spec, price, "-", "-", "-", "-", watts]
    return [
        option.offer.spec, price, short_name(plan), _score(option), _speed(option),
        context_about(option.context or 0), watts,
    ]  # fmt: skip


def _model(option: MachineOption) -> str:
    plan = option.plan
    return "nothing" if plan is None else f"{short_name(plan)} {plan.quant}"


def _speed(option: MachineOption) -> str:
    return "?" if option.speed is None else range_text(option.speed)


def _score(option: MachineOption) -> str:
    return "?" if option.score is None else f"{option.score:.1f}"
