"""`planner bundle`: what to fetch for a machine without network, as a manifest and a script."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from planner.cli import completion
from planner.cli.options import (
    BackendOption,
    ContextOption,
    EngineOption,
    FreeOption,
    JsonOption,
    LicenseOption,
    LoadOption,
    MinSpeedOption,
    ProfileOption,
    QuantOption,
    RamOption,
    UseCaseOption,
    UsersOption,
    VramOption,
    make_workload,
)
from planner.cli.output import diagnostic, print_document, print_line, print_wrapped
from planner.errors import InputError, UnfitError
from planner.units import size_text


def bundle(
    models: Annotated[
        list[str], typer.Argument(help="The models to take along.", autocompletion=completion.models)
    ],
    profile: ProfileOption = None,
    ram: RamOption = None,
    vram: VramOption = None,
    free: FreeOption = None,
    backend: BackendOption = None,
    context: ContextOption = None,
    users: UsersOption = 1,
    load: LoadOption = "typical",
    use_case: UseCaseOption = "general",
    license: LicenseOption = "any",
    min_speed: MinSpeedOption = None,
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
    import planner
    from planner.cli.machine_options import chosen_machine, same_question

    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; name a folder")
    machine = chosen_machine(profile, ram, vram, free, backend)
    workload = make_workload(context, users, use_case, license=license, min_speed=min_speed, load=load)
    try:
        answer = planner.bundle(models, machine, workload, engine=engine, quant=quant, ask=ask)
    except UnfitError as error:
        same = same_question()
        explains = f"planner plan {error.model}{same} explains"
        raise UnfitError(f"{error} ({explains})", error.model) from None
    for problem in answer.problems:
        diagnostic(f"planner: {problem}")
    planner.write_bundle(answer, out)
    if json:
        print_document(answer)
        return 0
    for model in answer.models:
        size = size_text(model.size) if model.size else "size not known"
        where = model.repository or f"Ollama's {model.ollama_tag}"
        print_wrapped(
            f"{model.model}: {model.plan.quant} for {model.plan.engine} from {where}, {size}", bullet="- "
        )
        print_wrapped(f"licence {model.licence}: {model.licence_link or ''}", "  ")
        for note in model.notes:
            print_wrapped(note, "  ", "! ")
    print_line()
    print_wrapped(f"Written to {out}: {', '.join(answer.files)}.")
    print_wrapped(
        f"With network: sh {out}/fetch.sh. Then copy the folder to the target, and there: planner check, "
        f"sh {out}/{answer.models[0].start}"
    )
    return 0
