"""`planner verify FILE.gguf | --server URL`: what was predicted beside what the engine says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from planner.cli import completion
from planner.cli.engine_settings import CONTEXT_SETTINGS, parse_settings
from planner.cli.options import FormatOption, JsonOption
from planner.cli.output import PLAIN, diagnostic, print_document, print_heading, print_table, print_wrapped
from planner.errors import InputError
from planner.units import KIB, MIB, context_text, mib, parse_context

if TYPE_CHECKING:
    from planner.hardware.machine import Machine
    from planner.models.model import Model
    from planner.plan import Plan, Workload
    from planner.verify.comparison import Part, Verification
    from planner.verify.running_server import Running

__all__ = ["CONTEXT_SETTINGS", "verify"]

DEFAULT_CONTEXT = 8192  # where neither the person nor a short training context says otherwise

MAX_MODELS = 16  # of one server; each is planned


def verify(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE.gguf]", help="A local GGUF file.")] = None,
    server: Annotated[
        str | None,
        typer.Option("--server", metavar="URL", help="A running Ollama, llama-server or vLLM."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="Which model the server runs, where its name is not known.",
            autocompletion=completion.models,
        ),
    ] = None,
    context: Annotated[
        str | None, typer.Option("--context", "-c", metavar="TOKENS", help="Context to verify a file at.")
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key", metavar="KEY", envvar="PLANNER_API_KEY", help="Sent to the server as a bearer."
        ),
    ] = None,
    store: Annotated[
        bool, typer.Option("--store/--no-store", help="Remember the result on this machine.")
    ] = True,
    json: JsonOption = False,
    format: FormatOption = PLAIN,
) -> int:
    """Predicted memory beside what the real engine allocates for a file, or a running server uses.

    FILE.gguf needs the extra "verify"; only the file's header is read. Any other option is passed to the
    engine under its own name, for example --cache-type-k q8_0. Exit code 1 where prediction and engine disagree.
    """
    settings = parse_settings(ctx.args)
    if (file is None) == (server is None):
        raise InputError(
            "verify needs either a .gguf file or --server URL, for example --server localhost:11434"
        )
    if file is not None:
        results = [_verify_file(file, context, settings)]
    else:
        assert server is not None
        results = _verify_server(server, api_key, model, settings)
    if store:
        _store(results)
    if json:
        from planner.documents.verify import Verifications

        print_document(Verifications(tuple(results)))
    else:
        for result in results:
            _print(result, format)
    return 0 if all(result.agrees for result in results) else 1


def _verify_file(file: Path, context: str | None, settings: dict[str, Any]) -> Verification:
    from planner.engines.base import get_engine
    from planner.models.gguf.architecture import architecture_from_gguf, tensors_from_gguf
    from planner.models.gguf.header import read_gguf
    from planner.models.model import Model
    from planner.plan import PlanRequest, Workload
    from planner.verify.compare import compare_log
    from planner.verify.comparison import Verification
    from planner.verify.real_llama_cpp import allocated

    header = read_gguf(file)
    arch = architecture_from_gguf(header)
    tokens = parse_context(context, "--context") if context else min(arch.n_ctx_train, DEFAULT_CONTEXT)
    settings = {"n_parallel": 1, "kv_unified": False, **settings}
    settings.setdefault("n_ctx", tokens * settings["n_parallel"])
    report = allocated(header, settings)
    machine, notes = _machine_of(report.log.rows)
    request = PlanRequest(
        Model(str(file), header.name, arch, quant=header.quant, tensors=tensors_from_gguf(header)),
        header.quant,
        machine,
        Workload(context=tokens, users=settings["n_parallel"]),
        {**settings, "n_outputs_max": settings["n_parallel"]},
    )
    estimate = get_engine("llama.cpp").estimate(request)
    return Verification(
        engine="llama.cpp",
        build=report.build,
        model=header.hub_id or header.name,
        quant=header.quant,
        source=str(file),
        parts=compare_log(estimate, report.log),
        settings=settings,
        notes=tuple(notes),
    )


def _machine_of(rows: Any) -> tuple[Machine, list[str]]:
    """Return this machine with as many GPUs as the engine used: a CPU build sees none."""
    from planner.api import detect
    from planner.verify.compare import is_device

    machine = detect()
    used = sum(is_device(row.device) for row in rows)
    host = machine.hosts[0]
    notes = []
    if used < len(host.accelerators):
        notes.append(f"the installed engine used {used} of {len(host.accelerators)} GPUs")
    return replace(machine, hosts=(replace(host, accelerators=host.accelerators[:used]),)), notes


def _verify_server(
    url: str, api_key: str | None, name: str | None, settings: dict[str, Any]
) -> list[Verification]:
    from planner.api import detect
    from planner.verify.running_server import probe

    running = probe(url, api_key)
    if len(running) > MAX_MODELS:
        diagnostic(f"planner: the server names {len(running)} models; the first {MAX_MODELS} are compared")
    machine = detect()
    return [_verify_running(one, url, name, machine, settings) for one in running[:MAX_MODELS]]


def _verify_running(
    running: Running, url: str, name: str | None, machine: Machine, settings: dict[str, Any]
) -> Verification:
    from planner.advice.plan.candidates import quants_for
    from planner.advice.plan.one_plan import bare_plan
    from planner.plan import PlanRequest
    from planner.verify.compare import compare_server
    from planner.verify.comparison import Verification
    from planner.verify.running_server import is_here

    model = _model_of(running, name, is_here(url))
    workload, known = _asked(running, settings)
    quant = _quant_of(running, model) or quants_for(model, running.engine)[-1]
    plan = bare_plan(running.engine, PlanRequest(model, quant, machine, workload, known))
    parts = compare_server(plan, running)
    notes = _server_notes(running, plan)
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


def _server_notes(running: Running, plan: Plan) -> list[str]:
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
    if running.engine == "llama.cpp" and not running.process_vram:
        notes.append("llama-server doesn't tell what memory it uses; its log does (start it with -lv 5)")
    return notes


def _model_of(running: Running, name: str | None, here: bool) -> Model:
    """Return the model that a server runs: as the person says, else by its file or name as the server says.

    A file is opened (its header alone) for a server on this machine only; of any other's answer, and of every
    name, nothing is opened: it is looked up.
    """
    from planner.models.load import load_model, look_up

    if name is not None:
        return load_model(name)
    if here and running.path and running.path.lower().endswith(".gguf") and Path(running.path).is_file():
        return load_model(str(Path(running.path).resolve()))
    try:
        return look_up(running.model)
    except InputError as error:
        raise InputError(f"the server runs '{running.model}': {error}; name it with --model") from None


def _quant_of(running: Running, model: Model) -> str | None:
    if model.quant is not None or running.quant in (None, "unknown"):
        return model.quant
    return running.quant


def _asked(running: Running, settings: dict[str, Any]) -> tuple[Workload, dict[str, Any]]:
    """Return the workload and settings that the server tells of; what the person says goes first."""
    from planner.plan import Workload

    known = dict(settings)
    if running.engine == "vllm":
        if running.memory_utilization:
            known.setdefault("gpu_memory_utilization", running.memory_utilization)
        if running.cache_dtype not in (None, "auto"):
            known.setdefault("kv_cache_dtype", running.cache_dtype)
    return Workload(context=running.context, users=running.sequences or 1), known


def _store(results: list[Verification]) -> None:
    from planner.verify.comparison import measurements_file, record

    for result in results:
        if result.parts and record(result) is None:
            where = measurements_file()
            what = f"in {where}" if where is not None else "you have no home folder"
            diagnostic(f"planner: the result could not be stored: {what}")


def _print(result: Verification, fmt: str) -> None:
    rows = [
        (p.device, p.what, _figure(p, p.predicted), _figure(p, p.measured), _error(p), _verdict(p))
        for p in result.parts
    ]
    headers = ("device", "what", "predicted", "measured", "error", "")
    if fmt == PLAIN:
        print_heading(f"{result.model} {result.quant} on {result.engine} ({result.build})")
    if rows or fmt != PLAIN:
        print_table(rows, headers, fmt, ("left", "left", "right", "right", "right", "left"), wrap=0)
    if fmt == PLAIN:
        for note in result.notes:
            print_wrapped(note, indent="  ", bullet="- ")


def _figure(part: Part, value: float) -> str:
    if _is_small(part):  # of a toy model: whole MiB would all read 0
        return f"{value / KIB:,.1f} KiB"
    if part.unit == "bytes":
        return mib(int(value))
    return context_text(int(value))


def _error(part: Part) -> str:
    """The error in per cent; nothing for kibibytes, which are counted against 64 MiB."""
    return "" if _is_small(part) else f"{part.error:+.1%}"


def _is_small(part: Part) -> bool:
    return part.unit == "bytes" and max(part.predicted, part.measured) < MIB


def _verdict(part: Part) -> str:
    return "" if part.agrees else "differs"
