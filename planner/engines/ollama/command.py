"""Ollama's commands: a tag to run, or a Modelfile where the plan needs what no tag holds."""

from __future__ import annotations

import shlex
from pathlib import Path

from planner.engines.launch import Launch, file_stem
from planner.engines.ollama.own_tags import library_tag
from planner.models.model import Model
from planner.models.sources import gguf_repository
from planner.plan import Plan
from planner.safe_text import modelfile_value


def ollama(plan: Plan, model: Model) -> Launch:
    """Return Ollama's commands for a plan: fetch or create the model where needed, then run it.

    The environment is the server's (`ollama serve`); options of one model go into a Modelfile. So does the
    context where it is not Ollama's own: a server that runs already would not hear of the environment.
    """
    source, from_file = _ollama_source(plan, model)
    env = dict(plan.env)
    names = ["num_gpu", "num_thread"]
    # A plan that has its command already has lost the variable to its Modelfile.
    if env.pop("OLLAMA_CONTEXT_LENGTH", None) is not None or plan.command.startswith("ollama create"):
        names.insert(0, "num_ctx")
    parameters = {key: plan.settings[key] for key in names if plan.settings.get(key) is not None}
    if not from_file and not parameters:
        return Launch(shlex.join(["ollama", "run", source]), env=env, source=source)
    name = f"{file_stem(model)}-planned"
    lines = [
        f"FROM {modelfile_value(source)}",
        *(f"PARAMETER {key} {value}" for key, value in parameters.items()),
    ]
    commands = [["ollama", "create", name, "-f", "Modelfile"], ["ollama", "run", name]]
    return Launch(
        command="\n".join(shlex.join(words) for words in commands),
        files=(("Modelfile", "\n".join(lines) + "\n"),),
        env=env,
        source=source,
        paths=(source,) if from_file else (),
    )


def _ollama_source(plan: Plan, model: Model) -> tuple[str, bool]:
    """What the model comes from, and whether that is a file that has to be imported."""
    if model.path is not None:
        return str(Path(model.path).resolve()), True
    tag = library_tag(model, plan.quant)
    if tag is not None:
        return tag, False
    repository = gguf_repository(model, plan.quant)
    if repository is not None:
        return f"hf.co/{repository}:{plan.quant}", False
    return f"./{file_stem(model)}-{plan.quant}.gguf", True
