"""What ran, put together again from a paste: engine, model, machine and settings; and what is missing for that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from planner.engines.commands import Command, Reader, readers
from planner.engines.evidence import Evidence, PastedCommand
from planner.engines.facts import Weights
from planner.engines.register import ENGINES, STARTERS, engine_facts, get_engine
from planner.errors import InputError, PlannerError
from planner.fast_dataclass import dataclass
from planner.models.model import Model
from planner.plan import PlanRequest, Workload
from planner.verify.diagnose.figures import find_model
from planner.verify.diagnose.machine import Found, machine_of

# llama.cpp's print_info: "file type = Q4_K - Medium"
_FILE_TYPE: Final = re.compile(
    r"file type\s*=\s*(?P<type>I?Q\d_[K\d](?: - (?P<size>Small|Medium|Large))?|F16|BF16)\b"
)


@dataclass(frozen=True, slots=True)
class Case:
    """A start as the engine's rules can plan it."""

    request: PlanRequest
    engine: str
    """The engine whose rules plan it."""
    found: Found
    command: Command


@dataclass(frozen=True, slots=True)
class Reconstructed:
    """The case, where the paste says enough; else what is missing, each as something to add."""

    case: Case | None
    missing: tuple[str, ...] = ()


def reconstruct(evidence: Evidence, given: Found | None = None) -> Reconstructed:
    """Return what ran, as far as the paste says it; what it leaves out has the engine's own default.

    `given` is the machine where the person named it.
    """
    reader = _reader(evidence)
    if reader is None:
        return Reconstructed(None)
    found = find_model(evidence.model) if evidence.model else None
    machine = given or machine_of(evidence)
    missing = []
    if evidence.command is None and not evidence.stated:
        missing.append("the whole command")
    if found is None:
        missing.append("the model's name, or its file's (--model)")
    if machine is None:
        missing.append("the GPU and what is free on it (nvidia-smi, or --profile 'RTX 3090' --free 20GiB)")
    if found is None or machine is None:
        return Reconstructed(None, tuple(missing))
    command = _command(reader, evidence)
    quant = found[1] or _file_type(evidence.text)
    if command is None:
        return Reconstructed(None, ("the whole command",))
    try:
        case = _case(command, reader, found[0], quant, machine)
    except (PlannerError, ArithmeticError):
        return Reconstructed(None, tuple(missing))
    if case is None:
        missing.append("the file's name with its quantisation (Q4_K_M …)")
    return Reconstructed(case, tuple(missing))


def _reader(evidence: Evidence) -> Reader | None:
    for reader in readers():
        if getattr(reader, "__name__", "").split(".")[-2] == evidence.engine:
            return reader
    return None


def _command(reader: Reader, evidence: Evidence) -> Command | None:
    """The command by its reader; flags that it refuses are left out, what a log states is added."""
    pasted = evidence.command
    own = pasted is not None and pasted.folder == evidence.engine
    program = pasted.program if own and pasted is not None and pasted.program else reader.STARTS.programs[0]
    sources: list[PastedCommand] = [pasted] if own and pasted is not None else []
    sources += [said for said in evidence.stated if said.folder == evidence.engine]
    table = reader.table(program)
    words: list[str] = []
    given: set[str] = set()
    for source in sources:
        for piece in source.pieces():
            rest = list(piece.words[1:])
            known = not piece.name or (
                piece.words[0] in table and table.take(piece.words[0], rest) is not None
            )
            if known and (not piece.name or piece.name not in given):
                words += piece.words
        given |= {piece.name for piece in source.pieces()}
    for env in (dict(evidence.env), {}):
        for tried in (words, [w for w in words if w.startswith("-") or w not in _positional(sources)]):
            try:
                return reader.read(program, tried, env)
            except InputError:
                continue
    return None


def _positional(sources: list[PastedCommand]) -> frozenset[str]:
    return frozenset(piece.words[0] for source in sources for piece in source.pieces() if not piece.name)


def _file_type(text: str) -> str | None:
    said = _FILE_TYPE.search(text)
    if said is None:
        return None
    return said["type"].split(" ")[0] + (f"_{said['size'][0]}" if said["size"] else "")


def _case(command: Command, reader: Reader, model: Model, quant: str | None, found: Found) -> Case | None:
    if command.engine not in ENGINES and command.engine not in STARTERS:
        return None
    facts = engine_facts(command.engine)
    rules = engine_facts(facts.starts_plans_of) if facts.starts_plans_of else facts
    if quant is None and rules.loads is Weights.CHECKPOINT:
        offered = get_engine(rules.name).quants(model)
        quant = offered[0] if offered else None
    if quant is None:
        return None
    settings: Mapping[str, Any] = reader.started(command, model, found.machine)
    request = PlanRequest(model, quant, found.machine, Workload(), settings)
    return Case(request, rules.name, found, command)
