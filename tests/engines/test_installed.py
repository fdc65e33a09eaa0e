"""What is installed here: programs with their versions, pulled models, and no user's name."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from planner.engines.installed import (
    InstalledEngine,
    ModelStore,
    differences,
    installed_engines,
    model_stores,
    pulled_models,
)
from planner.engines.local_files import PulledModel
from planner.engines.vllm.installed import installed_vllm
from planner.hardware.host.system import System
from tests.hardware.replay import write_tree

HOME = "/home/somebody"


def with_engines(tmp_path: Path, **env: str) -> System:
    manifest = json.dumps({"layers": [{"size": 100}, {"size": 23}]})
    manifests = f"{HOME}/.ollama/models/manifests/some.host"
    write_tree(
        tmp_path,
        {
            "/usr/bin/ollama": "",
            "/usr/bin/llama-server": "",
            "/opt/venv/bin/vllm": "",
            "/opt/venv/lib/python3.11/site-packages/vllm-0.33.0.dist-info/METADATA": "",
            f"{manifests}/library/gpt-oss/20b": manifest,
            f"{manifests}/someone/model/latest": "not json",
            f"{HOME}/.cache/llama.cpp/model.gguf": "12345",
            f"{HOME}/.lmstudio/models/org/name/file-Q4_K_M.GGUF": "123",
            f"{HOME}/.cache/huggingface/hub/models--openai--gpt-oss-20b/blobs/abc": "1234567",
        },
    )
    answers = {
        "/usr/bin/ollama": "Warning: no running instance\nWarning: client version is 0.12.3\n",
        "/usr/bin/llama-server": "version: 11434 (3c2b8ac)\nbuilt with cc\n",
    }
    path = "/usr/bin:/opt/venv/bin:/nowhere"
    return System(
        root=tmp_path,
        platform="linux",
        env={"PATH": path, "HOME": HOME, **env},
        run=lambda command: answers.get(command[0]),
    )


def test_engines_and_their_versions(tmp_path: Path) -> None:
    found = {e.name: e.version for e in installed_engines(with_engines(tmp_path))}
    assert found == {"Ollama": "0.12.3", "llama.cpp": "b11434", "vLLM": "0.33.0"}


def test_an_installed_vllm_of_another_release_is_told(tmp_path: Path) -> None:
    system = with_engines(tmp_path)
    assert installed_vllm(system) == "0.33.0"
    assert differences(installed_engines(system)) == ()
    old = differences([InstalledEngine("vLLM", "0.19.1", "vllm on the PATH")])
    assert any("older" in line for line in old) and any("on top of the budget" in line for line in old)
    assert differences([InstalledEngine("Ollama", "0.12.3", "ollama on the PATH")]) == ()
    assert installed_vllm(System(root=tmp_path, platform="linux", env={"PATH": "/nowhere"})) is None


def test_models_of_every_store(tmp_path: Path) -> None:
    system = with_engines(tmp_path)
    assert set(pulled_models(system)) == {
        PulledModel("Ollama", "gpt-oss:20b", 123),
        PulledModel("Ollama", "someone/model:latest", None),
        PulledModel("llama.cpp", "model.gguf", 5),
        PulledModel("LM Studio", "org/name/file-Q4_K_M.GGUF", 3),
        PulledModel("Hugging Face", "openai/gpt-oss-20b", 7),
    }

    def usage(path: Path) -> Any:
        return SimpleNamespace(free=10, total=20)

    stores = model_stores(system, usage)
    assert ModelStore("Ollama", "~/.ollama/models", 10, 20) in stores
    assert all("somebody" not in store.folder for store in stores)


def test_stores_moved_by_variables(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/data/ollama/manifests/h/library/m/t": '{"layers": [{"size": 1}]}'})
    system = with_engines(tmp_path, OLLAMA_MODELS="/data/ollama", HF_HOME="/data/hf")
    assert PulledModel("Ollama", "m:t", 1) in pulled_models(system)
    assert not any(m.store == "Hugging Face" for m in pulled_models(system))
