"""Names: of engines, quantisations and formats; and the JSON of every answer with its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.api.arguments import text_of, the_engine, the_model
from planner.errors import FieldError

if TYPE_CHECKING:
    from planner.models.model import Model


def backend_names() -> tuple[str, ...]:
    """Return the names of what may drive a GPU, and cpu.

    >>> planner.api.backend_names()
    ('cuda', 'rocm', 'metal', 'vulkan', 'sycl', 'cpu')
    """
    from planner.hardware.machine import Backend

    return tuple(b.value for b in Backend if b is not Backend.OTHER)


def engine_names() -> tuple[str, ...]:
    """Return the names of the engines that plans are made for.

    >>> planner.engine_names()
    ('llama.cpp', 'ollama', 'vllm', 'mlx', 'whisper.cpp')
    """
    from planner.engines.register import planning

    return tuple(facts.name for facts in planning())


def starter_names() -> tuple[str, ...]:
    """Return the names of the engines that `launch` starts with another's plan.

    >>> planner.api.starter_names()
    ('sglang', 'lm-studio')
    """
    from planner.engines.register import STARTERS

    return tuple(STARTERS)


def engine_title(name: str) -> str:
    """Return an engine's name as its makers write it.

    >>> planner.engine_title("vllm")
    'vLLM'
    """
    from planner.engines.register import title_of

    return title_of(text_of(name, "engine"))


def quants(model: Model | str | None = None, engine: str | None = None) -> tuple[str, ...]:
    """Return the quantisations of a model of the catalogue for an engine, the largest first; of any, without one.

    >>> planner.quants("gpt-oss-20b", "vllm")
    ('MXFP4',)
    """
    from planner.advice.plan.candidates import offered_quants, usual_quants
    from planner.engines.register import offered

    if model is None:
        return tuple(usual_quants())
    named = the_engine(engine)
    names = [facts.name for facts in offered()] if named is None else [named]
    return tuple(dict.fromkeys(q for name in names for q in offered_quants(the_model(model), name)))


def launch_formats() -> tuple[str, ...]:
    """Return the formats in which `launch` renders a plan.

    >>> planner.launch_formats()[:3]
    ('shell', 'compose', 'systemd')
    """
    from planner.launching.formats import launch_formats as formats

    return formats()


def client_names() -> tuple[str, ...]:
    """Return the clients whose configuration `connect` writes.

    >>> "opencode" in planner.client_names()
    True
    """
    from planner.launching.clients.register import CLIENTS

    return tuple(CLIENTS)


def document(answer: object) -> dict[str, Any]:
    """Return an answer as what the command of its name prints with --json; sizes are integer bytes.

    Raises InputError for what is no answer.

    >>> planner.document(planner.plan("gpt-oss-20b", "rtx-4090"))["schema_version"]
    1
    """
    from planner.documents.write import document as write

    try:
        return write(answer)
    except TypeError as error:
        raise FieldError("document", f"is of an answer: {error}") from None


def schema(name: str) -> dict[str, Any]:
    """Return the JSON schema of what a command prints with --json. Raises InputError for a name that none has."""
    from planner.documents.schema import schema as one

    return one(text_of(name, "schema"))


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON schemas of all documents by name."""
    from planner.documents.schema import schemas as every

    return every()


def schema_names() -> tuple[str, ...]:
    """Return the names of all documents that have a schema."""
    from planner.documents.register import DOCUMENTS

    return tuple(DOCUMENTS)
