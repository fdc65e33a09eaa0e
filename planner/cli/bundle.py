"""`planner bundle`: what to fetch for a machine without network, as a manifest and a script."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from planner.bounded_read import read_text
from planner.cli import completion
from planner.cli.options import (
    ContextOption,
    EngineOption,
    JsonOption,
    ProfileOption,
    QuantOption,
    RamOption,
    UsersOption,
    VramOption,
    make_workload,
)
from planner.cli.output import diagnostic, print_document, print_line, print_wrapped
from planner.errors import InputError
from planner.own_files import write_files
from planner.units import size_text

MOST = 20
_MAX_MANIFEST = 4 << 20


def bundle(
    models: Annotated[
        list[str], typer.Argument(help="The models to take along.", autocompletion=completion.models)
    ],
    profile: ProfileOption = None,
    ram: RamOption = None,
    vram: VramOption = None,
    context: ContextOption = None,
    users: UsersOption = 1,
    engine: EngineOption = None,
    quant: QuantOption = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the manifest and the script go.")
    ] = Path("planner-bundle"),
    ask: Annotated[
        bool, typer.Option("--ask/--no-ask", help="Ask the hub for exact files, sizes and checksums.")
    ] = True,
    json: JsonOption = False,
) -> int:
    """What to fetch for a machine without network: manifest, script, checksums, how to start there.

    Say with --profile which machine it is for. Nothing large is fetched now: the script does that.
    """
    from planner.advice.bundle import checksums, fetch_script, make_item
    from planner.advice.plan.choose import plan_model
    from planner.advice.plan.one_plan import shortage
    from planner.advice.plan.question import PlanQuestion
    from planner.cli.machine_options import asked, chosen_machine
    from planner.documents.bundle import manifest
    from planner.documents.write import document
    from planner.models.catalogue.refresh import refreshed
    from planner.models.load import load_model

    if len(models) > MOST:
        raise InputError(f"a bundle takes at most {MOST} models, not {len(models)}")
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; name a folder")
    machine = chosen_machine(profile, ram, vram)
    workload = make_workload(context, users)
    loaded = [load_model(name) for name in models]
    if ask:
        _ask([m.id for m in loaded if m.entry is not None])
    items = []
    for model in loaded:
        plan = plan_model(PlanQuestion(model, machine, workload, engine, quant))
        if not plan.fits:
            explains = f"planner plan {model.id}{asked(profile, ram, vram, context, users)} explains"
            diagnostic(f"planner: {model.name} does not fit on {machine.name}: {shortage(plan)} ({explains})")
            return 1
        items.append(make_item(model, plan, refreshed(model.id)))
    whole = manifest(items)
    files = {
        "manifest.json": json_module.dumps(document(whole), indent=2, ensure_ascii=False) + "\n",
        "fetch.sh": fetch_script(items),
        **{f"start-{i.name}.sh": i.start for i in items},
    }
    sums = checksums(items)
    if sums:
        files["SHA256SUMS"] = sums
    write_files(out, files, replace=_is_bundle(out))
    if json:
        print_document(whole)
        return 0
    for item in items:
        size = size_text(item.size) if item.size else "size not known"
        where = item.download.repo if item.download else f"Ollama's {item.ollama_tag}"
        print_wrapped(
            f"{item.model}: {item.plan.quant} for {item.plan.engine} from {where}, {size}", bullet="- "
        )
        print_wrapped(f"licence {item.licence}: {item.licence_link}", "  ")
        for note in item.notes:
            print_wrapped(note, "  ", "! ")
    print_line()
    print_wrapped(f"Written to {out}: {', '.join(files)}.")
    print_wrapped(
        f"With network: sh {out}/fetch.sh. Then copy the folder to the target, and there: planner check, "
        f"sh {out}/start-{items[0].name}.sh"
    )
    return 0


def _is_bundle(folder: Path) -> bool:
    """True for a folder that this command has written: another run may write it again."""
    try:
        document = json_module.loads(read_text(folder / "manifest.json", _MAX_MANIFEST))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and {"models", "engines"} <= document.keys()


def _ask(ids: list[str]) -> None:
    """Ask the hub; without an answer, what is shipped has to do."""
    from planner.models.catalogue.refresh import refresh_models

    try:
        report = refresh_models(ids, look_for_new=False)
    except InputError as error:
        diagnostic(f"planner: {error}")
        return
    for why in report.failed.values():  # each names its repository
        diagnostic(f"planner: {why}")
