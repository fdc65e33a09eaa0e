"""The Python API: everything that the command line uses, typed and documented.

import planner

machine = planner.detect()                      # or planner.load_profile("rtx-4090")
model = planner.load_model("gpt-oss-20b")
plan = planner.plan(model, machine)
print(plan.fits, plan.command)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planner.hardware.machine import Machine
from planner.models.model import Model
from planner.plan import Plan, Workload

if TYPE_CHECKING:
    from planner.advice.recommend.recommend import Recommendation
    from planner.engines.launch import Launch
    from planner.launching.run import Ended
    from planner.models.catalogue.catalogue import Entry
    from planner.verify.diagnose.diagnose import Diagnosed


def detect() -> Machine:
    """Return the machine in front of you: GPUs with free memory, RAM that this process may use, CPU.

    Never raises for what cannot be seen: the machine's notes say it.
    """
    from planner.hardware.detect import detect as detect_machine

    return detect_machine()


def load_profile(spec: str, *, ram: int | None = None, vram: int | None = None) -> Machine:
    """Return a machine described by a profile: "rtx-4090", "rtx-3090 x2", "2x rtx-3090 + 128GiB ddr5-6000".

    `ram` and `vram` (bytes) replace the host's RAM and each GPU's memory. Raises InputError for an unknown
    name (with those that are near) or an impossible number.
    """
    from planner.hardware.profiles.load import load_profile as load

    return load(spec, ram=ram, vram=vram)


def load_model(ref: str, *, progress: Callable[[str], None] | None = None) -> Model:
    """Return the model that a reference names.

    A catalogue name or alias ("gpt-oss-20b", "qwen3:30b-a3b"), a Hugging Face id, a path to a .gguf file or
    to a folder with a config.json. `progress` is told in words what is fetched where that takes time. Raises
    InputError with one line.
    """
    from planner.models.load import load_model as load

    return load(ref, progress)


def plan(
    model: Model | str,
    machine: Machine | str | None = None,
    workload: Workload | None = None,
    *,
    engine: str | None = None,
    quant: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Plan:
    """Plan one model on one machine: memory per device, longest context, speed, command.

    `machine` is a Machine, a profile's name, or None for the one in front of you. `engine`, `quant` and
    `settings` (the engine's own names) fix what the planner would choose otherwise. A plan that does not fit
    is returned with fits=False. Raises InputError, UnsupportedError or RefusedError, each with one line.
    """
    from planner.advice.plan.choose import plan_model
    from planner.advice.plan.question import PlanQuestion

    question = PlanQuestion(
        load_model(model) if isinstance(model, str) else model,
        _machine(machine),
        workload or Workload(),
        engine=engine,
        quant=quant,
        settings=with_draft(settings or {}),
    )
    return plan_model(question)


def with_draft(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings with the draft model that they name (llama.cpp's spec_draft_model) loaded."""
    named = settings.get("spec_draft_model")
    if not isinstance(named, str):
        return settings
    from planner.engines.base import DraftModel
    from planner.models.sources import gguf_repository

    model = load_model(named)
    quant = model.quant or "Q8_0"
    repository = gguf_repository(model, quant)
    source = model.path or (f"{repository}:{quant}" if repository else f"{model.name.lower()}-{quant}.gguf")
    return {**settings, "spec_draft_model": DraftModel(model, quant, source)}


def recommend(
    machine: Machine | str | None = None,
    workload: Workload | None = None,
    *,
    engine: str | None = None,
    limit: int = 8,
    entries: Sequence[Entry] | None = None,
) -> Recommendation:
    """Recommend what to run on a machine, best first, each plan with its reasons.

    An empty list of plans is an answer; the notes say why nothing fits.
    """
    from planner.advice.recommend.recommend import recommend as recommend_models

    return recommend_models(
        _machine(machine), workload or Workload(), engine=engine, limit=limit, entries=entries
    )


def launch(plan: Plan, model: Model | str | None = None, *, format: str = "shell") -> Launch:
    """Render a plan as what starts it: "shell", "compose", "systemd", "kubernetes" or "ray".

    `model` is the Model that was planned (its name is enough where the plan's own id finds it). Raises
    InputError for a format that the engine or the machine has no use for.
    """
    from planner.launching.render import render

    return render(plan, load_model(model or plan.model) if not isinstance(model, Model) else model, format)


def run(launch: Launch) -> Ended:
    """Start a launch on this machine and wait for its end: signals go to the engine, its last words are kept.

    Raises InputError where the engine is not installed, or a file that it needs is there with another content.
    """
    from planner.launching.run import run_launch

    return run_launch(launch)


def diagnose(text: str) -> Diagnosed:
    """Return what a pasted command, log or error shows: the cause with its numbers, and the smallest change.

    Nothing of the paste is run or opened. Raises InputError for an empty or an enormous paste.
    """
    from planner.verify.diagnose.diagnose import diagnose as diagnose_text
    from planner.verify.diagnose.figures import figures_for, is_model, released

    return diagnose_text(text, figures_for, released, is_model)


def _machine(machine: Machine | str | None) -> Machine:
    if isinstance(machine, Machine):
        return machine
    return detect() if machine is None else load_profile(machine)
