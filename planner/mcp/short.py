"""The short answer that stands before a document: what an agent says to a person without reading all of it."""

from __future__ import annotations

from typing import Any

from planner.units import context_about, gib


def in_short(question: str, answer: dict[str, Any]) -> str:
    """Return one to four lines of a question's document."""
    said = _SAID.get(question)
    return said(answer) if said else ""


def _plan(answer: dict[str, Any]) -> str:
    name = f"{answer['model']} {answer['quant']} on {answer['engine']}"
    if not answer["fits"]:
        return (
            f"{name} does not fit on {answer['machine']}: {answer['why'][0] if answer['why'] else 'no room'}"
        )
    speed = answer["speed"]
    tps = speed["decode_tps"]
    lines = [
        f"{name} fits on {answer['machine']}: {gib(answer['memory']['total'])}, longest context "
        f"{context_about(answer['max_context'])}, {tps['expected']:.0f} tokens/s ({tps['low']:.0f}-{tps['high']:.0f})."
    ]
    if answer["command"]:
        lines.append(f"Start it: {answer['command']}")
    return "\n".join(lines)


def _check(answer: dict[str, Any]) -> str:
    plans = answer["plans"]
    if not plans:
        return "Nothing fits. " + " ".join(answer["notes"])
    lines = [f"On {answer['machine']['name']}, best first:"]
    for plan in plans[:3]:
        tps = plan["speed"]["decode_tps"]["expected"] if plan["speed"] else 0
        lines.append(
            f"{plan['model']} {plan['quant']} on {plan['engine']}: {gib(plan['memory']['total'])}, {tps:.0f} tokens/s"
        )
    lines.append(f"Start the first: {plans[0]['command']}")
    return "\n".join(lines)


def _buy(answer: dict[str, Any]) -> str:
    if not answer["options"]:
        return " ".join(answer["notes"]) or "Nothing with a known price does what was asked."
    return "\n".join(
        f"{o['profile']}: {o['price']:,.0f}, {o['decode_tps']['expected']:.0f} tokens/s ({o['price_note']})"
        for o in answer["options"][:4]
    )


def _buy_machine(answer: dict[str, Any]) -> str:
    lines = list(answer["notes"])
    if answer["advised"] is not None:
        best = answer["options"][answer["advised"]]
        lines.append(f"Get {_machine(best)} ({best['price_note']}), watts {best['watts']}")
    lines += [f"{_machine(o)}" for n, o in enumerate(answer["options"]) if n != answer["advised"]]
    return "\n".join(lines[:6]) or "Nothing with a known price does what was asked."


def _machine(option: dict[str, Any]) -> str:
    price = "no known price" if option["price"] is None else f"{option['price']:,.0f}"
    plan, tps = option["plan"], option["decode_tps"]
    if plan is None or tps is None:
        return f"{option['profile']}, {price}: {option['problem']}"
    return f"{option['profile']}, {price}: {plan['model']} {plan['quant']}, {tps['expected']:.0f} tokens/s"


def _diagnose(answer: dict[str, Any]) -> str:
    finding = answer["finding"]
    if finding is None:
        return (
            "Nothing in it is recognised." if not answer["recognised"] else "Recognised, but not explained."
        )
    lines = [finding["what"], *(f"Change: {change['do']}" for change in finding["changes"][:2])]
    if answer["command"]:
        lines.append(f"Start instead: {answer['command']}")
    return "\n".join([*lines, *(f"It would help to have {missing}" for missing in finding["ask"][:2])])


_SAID = {
    "plan": _plan,
    "launch": _plan,
    "check": _check,
    "buy": _buy,
    "buy-machine": _buy_machine,
    "diagnose": _diagnose,
}
