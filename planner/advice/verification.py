"""Verifying: what is planned for a file or a running server beside what the engine itself says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from planner.advice.plan.candidates import quants_for
from planner.advice.plan.one_plan import bare_plan
from planner.engines.allocated import Allocation
from planner.engines.register import get_engine, reading_gguf
from planner.engines.running import Running
from planner.errors import InputError
from planner.fast_dataclass import replace
from planner.hardware.detect import detect
from planner.hardware.machine import Machine
from planner.models.gguf.architecture import architecture_from_gguf, tensors_from_gguf
from planner.models.gguf.header import read_gguf
from planner.models.load import load_model, look_up
from planner.models.model import Model
from planner.plan import Plan, PlanRequest, Workload
from planner.units import context_text, mib
from planner.verify.compare import compare_allocation, compare_server
from planner.verify.comparison import Verification
from planner.verify.running_server import is_here, probe

DEFAULT_CONTEXT: Final = 8192  # where neither the person nor a short training context says otherwise
MAX_MODELS: Final = 16  # of one server; each is planned


def verify_gguf(file: Path, context: int | str | None, given: Mapping[str, Any]) -> Verification:
    """Return the prediction for a GGUF file beside what the engine that reads it allocates on this machine."""
    header = read_gguf(file)
    arch = architecture_from_gguf(header)
    tokens = Workload(context=context).context or min(arch.n_ctx_train, DEFAULT_CONTEXT)
    settings = {"n_parallel": 1, "kv_unified": False, **given}
    settings.setdefault("n_ctx", tokens * settings["n_parallel"])
    engine = reading_gguf()
    report = engine.allocated(header, settings)
    machine, notes = _machine_of(report)
    request = PlanRequest(
        Model(str(file), header.name, arch, quant=header.quant, tensors=tensors_from_gguf(header)),
        header.quant,
        machine,
        Workload(context=tokens, users=settings["n_parallel"]),
        settings if settings.get("embeddings") else {**settings, "n_outputs_max": settings["n_parallel"]},
    )
    estimate = get_engine(engine.name).estimate(request)
    return Verification(
        engine=engine.name,
        build=report.build,
        model=header.hub_id or header.name,
        quant=header.quant,
        source=str(file),
        parts=compare_allocation(estimate, report.devices),
        settings=settings,
        notes=tuple(notes),
    )


def _machine_of(report: Allocation) -> tuple[Machine, list[str]]:
    """Return this machine with as many GPUs as the engine used: a CPU build sees none."""
    machine = detect()
    used = sum(device.own_memory for device in report.devices)
    host = machine.hosts[0]
    notes = []
    if used < len(host.accelerators):
        notes.append(f"the installed engine used {used} of {len(host.accelerators)} GPUs")
    return replace(machine, hosts=(replace(host, accelerators=host.accelerators[:used]),)), notes


def verify_running(
    url: str, api_key: str | None, model: Model | None, settings: Mapping[str, Any]
) -> tuple[tuple[Verification, ...], tuple[str, ...]]:
    """Return the prediction for each model that a server runs beside what the server says of it, and notes."""
    running = probe(url, api_key)
    machine, here = detect(), is_here(url)
    notes = (
        (f"the server names {len(running)} models; the first {MAX_MODELS} are compared",)
        if len(running) > MAX_MODELS
        else ()
    )
    return tuple(
        _verified(one, url, model or model_of(one, here), machine, settings) for one in running[:MAX_MODELS]
    ), notes


def _verified(
    running: Running, url: str, model: Model, machine: Machine, settings: Mapping[str, Any]
) -> Verification:
    workload, known = asked_of(running, settings)
    quant = quant_of(running, model) or quants_for(model, running.engine)[-1]
    plan = bare_plan(running.engine, PlanRequest(model, quant, machine, workload, known))
    parts = compare_server(plan, running)
    notes = _notes(running, plan)
    if not parts:
        notes.insert(0, "nothing was compared: the server tells no figure that the plan has")
    return Verification(
        engine=running.engine,
        build=running.build,
        model=model.id,
        quant=plan.quant,
        source=url,
        parts=parts,
        settings=dict(plan.settings),
        notes=tuple(notes),
    )


def _notes(running: Running, plan: Plan) -> list[str]:
    """Say what the server told beside memory, and what it doesn't tell."""
    notes = []
    if running.context:
        slots = f", {running.sequences} at a time" if running.sequences else ""
        notes.append(
            f"the server gives each sequence {context_text(running.context)} tokens of context{slots}"
        )
    if running.process_ram:
        planned = sum(d.total for d in plan.memory.devices if d.kind != "gpu")
        notes.append(
            f"its process holds {mib(running.process_ram)} of RAM; the plan's host part is {mib(planned)}"
        )
    return [*notes, *running.notes]


def model_of(running: Running, here: bool) -> Model:
    """Return the model that a server runs, by the file or the name that it says.

    A file is opened (its header alone) for a server on this machine only; of any other's answer, and of every
    name, nothing is opened: it is looked up.
    """
    if here and running.path and running.path.lower().endswith(".gguf") and Path(running.path).is_file():
        return load_model(str(Path(running.path).resolve()))
    try:
        return look_up(running.model)
    except InputError as error:
        raise InputError(f"the server runs '{running.model}': {error}; name it with --model") from None


def quant_of(running: Running, model: Model) -> str | None:
    """Return the quantisation that a server runs: the file's, else what it says; None where neither tells."""
    if model.quant is not None or running.quant in (None, "unknown"):
        return model.quant
    return running.quant


def asked_of(running: Running, settings: Mapping[str, Any]) -> tuple[Workload, dict[str, Any]]:
    """Return the workload and settings that the server tells of; what the person says goes first."""
    known = {**running.settings, **settings}
    return Workload(context=running.context, users=running.sequences or 1), known
