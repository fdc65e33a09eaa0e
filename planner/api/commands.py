"""Engines' own command lines as questions: `vllm serve …`, `llama-server …`, `ollama run …`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from planner.api.arguments import the_machine, the_workload
from planner.api.catalogue import load_model
from planner.api.planning import with_draft
from planner.errors import InputError

if TYPE_CHECKING:
    from planner.engines.commands import Command
    from planner.hardware.machine import Machine
    from planner.plan import Plan, Workload


def plan_command(
    command: str | Sequence[str] | Command,
    machine: Machine | str | None = None,
    workload: Workload | None = None,
    *,
    quant: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Plan:
    """Plan what an engine's own command line would start: "vllm serve …", "llama-server …", "ollama run …".

    What is written is planned, what isn't has the engine's own default; words that move no byte stay in the plan's
    command, and what no rule counts is named in its warnings. Raises InputError for what is no command and for a
    flag or value that the engine refuses, UnsupportedError for an engine without rules.

        >>> plan = planner.plan_command("vllm serve openai/gpt-oss-20b --max-model-len 8192", "h100-80gb")
        >>> plan.engine, plan.settings["max_model_len"]
        ('vllm', 8192)
    """
    from planner.advice.plan.asked_command import Loading
    from planner.advice.plan.asked_command import plan_command as plan_read

    load = Loading(lambda ref: load_model(ref, progress=progress), with_draft)
    return plan_read(read_command(command), the_machine(machine), the_workload(workload), load, quant)


def read_command(command: str | Sequence[str] | Command) -> Command:
    """Read an engine's own command line: settings, words that are kept, what isn't counted. Raises InputError."""
    from planner.engines.commands import Command
    from planner.engines.commands import read_command as read

    if isinstance(command, Command):
        return command
    if not isinstance(command, str) and not (
        isinstance(command, Sequence) and all(isinstance(word, str) for word in command)
    ):
        raise InputError(f"command must be a command line or its words, not {type(command).__name__}")
    return read(command)


def read_options(words: Sequence[str], engine: str | None = None) -> Command | None:
    """Read an engine's own options without their program; None where there are none. Raises InputError."""
    from planner.engines.commands import read_options as read
    from planner.engines.register import engine_facts

    return read(list(words), None if engine is None else engine_facts(engine).name)


def starts_engine(text: str) -> bool:
    """True for a text that begins with something that starts an engine.

    >>> planner.api.starts_engine("vllm serve Qwen/Qwen3-8B"), planner.api.starts_engine("gpt-oss-20b")
    (True, False)
    """
    from planner.engines.commands import starts_engine as starts

    return starts(text)


def short_options() -> frozenset[str]:
    """Options that the engines write with one dash and several letters, without the dash.

    >>> "ctk" in planner.api.short_options()
    True
    """
    from planner.engines.commands import short_names

    return short_names()


def engine_key(engine: str) -> str:
    """Return the registered name of an engine that is spelled as people do. Raises InputError for none.

    >>> planner.api.engine_key("llama-server")
    'llama.cpp'
    """
    from planner.engines.register import engine_facts

    return engine_facts(engine).name
