"""Ollama's commands: its own tag where there is one, a Modelfile where the plan needs what no tag holds."""

from __future__ import annotations

from planner.engines.ollama.command import ollama
from planner.models.catalogue.catalogue import find_entry
from planner.models.load import from_entry
from planner.models.model import Model
from planner.plan import Plan
from tests.asked import plan_of
from tests.engines.llama_cpp.llama_shapes import shape


def plan(engine: str, quant: str, **settings: object) -> Plan:
    return plan_of(engine, quant, settings=settings)


def local(path: str) -> Model:
    return Model(id=path, name="my model", architecture=shape("LLAMA_1B"), path=path)


def test_tags_of_the_catalogue() -> None:
    model = from_entry(find_entry("gpt-oss-20b"))
    assert ollama(plan("ollama", "MXFP4"), model).command == "ollama run gpt-oss:20b"
    other = ollama(plan("ollama", "Q8_0"), model)
    assert other.command.startswith("ollama run hf.co/") and other.command.endswith(":Q8_0")


def test_a_file_becomes_a_modelfile() -> None:
    launch = ollama(plan("ollama", "Q4_K_M", num_gpu=20), local("/models/x.gguf"))
    assert launch.files == (("Modelfile", "FROM /models/x.gguf\nPARAMETER num_gpu 20\n"),)
    assert launch.command.splitlines() == [
        "ollama create my-model-planned -f Modelfile",
        "ollama run my-model-planned",
    ]
