"""A file of this machine in a container or a unit: mounted, named as it is seen from there, from any folder."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli
from tests.cli.tiny_model import write_tiny

yaml = pytest.importorskip("yaml", reason="PyYAML reads what the emitter wrote")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a tiny model, named relatively."""
    folder = tmp_path / "my models"
    folder.mkdir()
    write_tiny(folder / "tiny.gguf")
    monkeypatch.chdir(folder)
    return folder


def launched(cli: Cli, engine: str, format: str) -> dict[str, Any]:
    asked = ("launch", "./tiny.gguf", "--engine", engine, "--ram", "16GiB", "--context", "128")
    answer: dict[str, Any] = json.loads(cli(*asked, "--format", format, "--json").out)
    return answer


def service(answer: dict[str, Any]) -> dict[str, Any]:
    (found,) = yaml.safe_load(content(answer, "compose.yaml"))["services"].values()
    return dict(found)


def content(answer: dict[str, Any], name: str) -> str:
    return str({f["name"]: f["content"] for f in answer["files"]}[name])


def test_a_unit_names_the_file_from_the_root(cli: Cli, here: Path) -> None:
    """A user's unit runs in the home folder."""
    answer = launched(cli, "llama.cpp", "systemd")
    (unit,) = (f["content"] for f in answer["files"])
    words = re.findall(
        r'"((?:[^"\\]|\\.)*)"', next(x for x in unit.splitlines() if x.startswith("ExecStart="))
    )
    assert words[words.index("-m") + 1] == str(here / "tiny.gguf")


def test_a_container_mounts_the_folder_of_the_file(cli: Cli, here: Path) -> None:
    found = service(launched(cli, "llama.cpp", "compose"))
    assert found["command"][found["command"].index("-m") + 1] == "/models/tiny.gguf"
    mounts = {m["target"]: m["source"] for m in found["volumes"] if isinstance(m, dict)}
    assert mounts == {"/models": str(here)}


def test_ollamas_modelfile_names_what_its_container_sees(cli: Cli, here: Path) -> None:
    answer = launched(cli, "ollama", "compose")
    mounts = {m["target"]: m["source"] for m in service(answer)["volumes"] if isinstance(m, dict)}
    source = content(answer, "Modelfile").splitlines()[0].removeprefix("FROM ").strip('"')
    assert mounts == {"/Modelfile": "./Modelfile", source: str(here / "tiny.gguf")}
    creates = shlex.split(answer["command"].splitlines()[1])
    assert creates[-2:] == ["-f", "/Modelfile"], "the server in the container creates the model"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd reads its own units")
@pytest.mark.parametrize("engine", ["llama.cpp", "ollama"])
def test_systemd_accepts_the_unit(cli: Cli, here: Path, engine: str) -> None:
    answer = launched(cli, engine, "systemd")
    (unit,) = (f for f in answer["files"] if f["name"].endswith(".service"))
    (here / unit["name"]).write_text(unit["content"], encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", str(here / unit["name"])],
        env={**os.environ, "XDG_RUNTIME_DIR": str(here)},
        capture_output=True,
        text=True,
        check=False,
    )
    # The user's other units are checked with it; what they lack on this machine is not ours.
    said = [line for line in done.stderr.splitlines() if unit["name"] in line]
    assert (done.returncode, said) == (0, [])
    wanted = re.findall(r"^(?:Wants|After|Requires)=(.*)$", unit["content"], re.MULTILINE)
    assert wanted == [], "a user's manager has no target for the network"
