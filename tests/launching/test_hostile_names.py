"""Launches of files with hostile names, read back by each format's own parser: each name is one value."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.api import load_profile, plan
from planner.engines.launch import Launch
from planner.errors import InputError
from planner.fast_dataclass import replace
from planner.launching.render import render
from planner.models.load import load_model
from planner.models.model import Model
from planner.plan import Plan
from tests.hostile_text import NAMES
from tests.modelfile import parse_modelfile
from tests.test_safe_text import unit_reads

ENGINES = {"llama.cpp": "Q4_K_M", "ollama": "Q4_K_M", "vllm": "BF16"}
FORMATS = ("shell", "systemd", "compose")


@cache
def planned(engine: str) -> tuple[Plan, Model]:
    model = load_model("Qwen/Qwen3-0.6B")
    return plan(model, load_profile("rtx-4090"), engine=engine, quant=ENGINES[engine]), model


def rendered(engine: str, name: str, form: str, folder: Path) -> tuple[Launch, str]:
    """The launch of a model that lies under a hostile name, and its path."""
    answer, model = planned(engine)
    path = str(folder / name.replace("/", ":")) + ("" if engine == "vllm" else ".gguf")
    local = replace(model, id=path, name=Path(path).name, path=path, entry=None, repository=None)
    return render(replace(answer, model=path, source=path), local, form), path


def words_of(script: str, programs: tuple[str, ...]) -> list[bytes]:
    """The arguments that bash hands to any of the programs that a script calls."""
    functions = "".join(f"{name}() {{ printf '%s\\0' \"$@\"; }}\n" for name in programs)
    raw = (functions + script).encode("utf-8", "surrogateescape")
    done = subprocess.run(["bash"], input=raw, capture_output=True, check=True, timeout=20)
    return done.stdout.split(b"\0")


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in strings(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in strings(inner)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("engine", ENGINES)
def test_each_name_is_one_value(engine: str, form: str, tmp_path: Path) -> None:
    for name in NAMES:
        try:
            launch, path = rendered(engine, name, form, tmp_path)
        except InputError as error:
            # Only what the format cannot hold: YAML and a Modelfile hold characters, a Modelfile one line of them.
            assert engine == "ollama" or form == "compose", (name, error)
            assert not name.isprintable() or name.startswith('"'), name
            continue
        files = dict(launch.files)
        if "Modelfile" in files:
            assert dict(parse_modelfile(files["Modelfile"]))["model"] in (path, f"/models/{Path(path).name}")
        if form == "shell" and engine != "ollama":
            assert os.fsencode(path) in words_of(launch.command, ("llama-server", "vllm"))
        if form == "systemd":
            (unit,) = [text for file, text in files.items() if file.endswith(".service")]
            (start,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
            words = unit_reads(start.partition("/usr/bin/env ")[2])
            assert engine == "ollama" or os.fsencode(path) in words
            assert all(line.isprintable() for line in unit.splitlines())
        if form == "compose":
            for loader in (yaml.SafeLoader, yaml.CSafeLoader):
                document = yaml.load(files["compose.yaml"], Loader=loader)
                values = [text.replace("$$", "$") for text in strings(document)]
                inside = {path, f"/models/{Path(path).name}", str(Path(path).parent), "./Modelfile"}
                assert inside & set(values), (name, values)


def test_systemd_itself_reads_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    paths = []
    for number, name in enumerate(NAMES):
        launch, _ = rendered("llama.cpp", name, "systemd", tmp_path)
        text = next(text for file, text in launch.files if file.endswith(".service"))
        paths.append(tmp_path / f"unit-{number}.service")
        paths[-1].write_text(text)
    done = subprocess.run(
        [analyze, "verify", "--man=no", *map(str, paths)], capture_output=True, text=True, timeout=120
    )
    faults = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert faults == []
