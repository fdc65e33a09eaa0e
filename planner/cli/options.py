"""Options that several commands share, and what they mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from planner.api import engine_names
from planner.cli import completion
from planner.fast_dataclass import replace
from planner.plan import Workload


def either(names: Iterable[str]) -> str:
    """Return names as "a, b or c"."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


ModelArgument = Annotated[
    str,
    typer.Argument(help="A name, Hugging Face id, .gguf file or folder.", autocompletion=completion.models),
]
CommandOrModel = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="A name, Hugging Face id, .gguf file or folder; or an engine's own command after --.",
        autocompletion=completion.models,
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        "-p",
        metavar="NAME[xN]",
        autocompletion=completion.profiles,
        help="Answer for this device or machine instead of the one in front of you, "
        "for example rtx-4090, 'rtx-3090 x2' or '2x rtx-3090 + 128GiB ddr5-6000'.",
    ),
]
RamOption = Annotated[
    str | None, typer.Option("--ram", metavar="SIZE", help="RAM of the host, for example 64GiB.")
]
VramOption = Annotated[
    str | None,
    typer.Option("--vram", metavar="SIZE", help="One otherwise unknown GPU of this size, e.g. 24GiB."),
]
FreeOption = Annotated[
    str | None,
    typer.Option(
        "--free",
        metavar="SIZE[,SIZE]",
        help="Memory that is free: of every GPU, of each in turn, or of the host (20GiB,10GiB,ram=24GiB).",
    ),
]
BackendOption = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="NAME",
        help="What drives the GPUs: cuda, rocm, vulkan, sycl, metal; cpu leaves them idle.",
        autocompletion=completion.backends,
    ),
]
ContextOption = Annotated[
    str | None,
    typer.Option("--context", "-c", metavar="TOKENS", help="Context for each user: 32k, 131072 …"),
]
UsersOption = Annotated[
    int, typer.Option("--users", "-u", metavar="N", help="People (sequences) served at the same time.")
]
EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine",
        "-e",
        metavar="NAME",
        help=f"{either(engine_names())}.",
        autocompletion=completion.engines,
    ),
]
QuantOption = Annotated[
    str | None,
    typer.Option(
        "--quant",
        "-q",
        metavar="NAME",
        help="Quantisation, for example Q4_K_M.",
        autocompletion=completion.quants,
    ),
]
LicenseOption = Annotated[
    str,
    typer.Option(
        "--license",
        metavar="CLASS",
        help="permissive, commercial or any.",
        autocompletion=completion.licences,
    ),
]
MinSpeedOption = Annotated[
    float | None, typer.Option("--min-speed", metavar="TPS", help="Tokens per second a user must see.")
]
UseCaseOption = Annotated[
    str,
    typer.Option(
        "--use-case",
        metavar="NAME",
        help="general, coding, reasoning, multilingual, agents or vision.",
        autocompletion=completion.use_cases,
    ),
]
RoleOption = Annotated[
    str | None,
    typer.Option(
        "--role",
        metavar="NAME",
        help="What a model does beside others: chat, completion, embedding, reranker, speech.",
    ),
]
LoadOption = Annotated[
    str,
    typer.Option(
        "--load",
        metavar="NAME",
        help="How full several users' contexts are at once: light (an eighth), typical (a quarter), worst (all).",
        autocompletion=completion.loads,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
FormatOption = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="NAME",
        help="Table format: plain, github, csv, pipe, html …",
        autocompletion=completion.table_formats,
    ),
]


def make_workload(
    context: str | None, users: int, use_case: str = "general", *, prompt: int | None = None, **more: object
) -> Workload:
    """Build the workload from options, no longer a prompt than the context; raises InputError with one clear line.

    `more`: what else a workload holds, by its names.
    """
    fields: dict[str, Any] = {"context": context, "users": users, "use_case": use_case, **more}
    asked = Workload(prompt=1024 if prompt is None else prompt, **fields)
    return asked if asked.context is None else replace(asked, prompt=min(asked.prompt, asked.context))
