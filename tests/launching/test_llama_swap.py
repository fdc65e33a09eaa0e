"""llama-swap's configuration: accepted by its own schema, and the matrix says what the plan counted with."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import planner
from planner.cli.main import run
from planner.engines.launch import Launch
from planner.errors import InputError
from planner.fast_dataclass import replace
from tests.launching.plans import HOSTILE, hostile

SCHEMA = json.loads(Path(__file__).with_name("llama_swap_schema.json").read_text(encoding="utf-8"))


def configuration(launch: Launch) -> dict[str, Any]:
    """The file's content, accepted by llama-swap's schema and by its matrix (internal/config/matrix.go)."""
    found: dict[str, Any] = yaml.safe_load(dict(launch.files)["llama-swap.yaml"])
    jsonschema.Draft7Validator(SCHEMA).validate(found)
    matrix = found["matrix"]
    assert set(matrix["vars"].values()) == set(found["models"])
    for expression in matrix["sets"].values():
        assert set(re.findall(r"[A-Za-z0-9]+", expression)) <= set(matrix["vars"])
    assert set(matrix["evict_costs"]) <= set(matrix["vars"])
    for model in found["models"].values():
        words = shlex.split(model["cmd"])
        assert words.count("--port") == 1
        assert words[words.index("--port") + 1] == "${PORT}"
    for name in found.get("hooks", {}).get("on_startup", {}).get("preload", ()):
        assert name in found["models"]
    return found


def swapped(models: list[Any], machine: str) -> dict[str, Any]:
    (launch,) = planner.launch_together(planner.plan_together(models, machine), format="llama-swap")
    assert launch.command.splitlines()[-1] == "llama-swap --config llama-swap.yaml --listen 127.0.0.1:8080"
    return configuration(launch)


def test_what_takes_turns_is_never_loaded_together() -> None:
    small = planner.wish("qwen2.5-coder-1.5b", role="completion")
    found = swapped(["qwen3-32b", "qwen3-14b", small], "rtx-4090")
    assert found["matrix"]["sets"] == {"together": "m1 & (m2 | m3)"}
    assert found["matrix"]["vars"]["m1"] == "qwen2.5-coder-1.5b"
    assert found["hooks"]["on_startup"]["preload"] == ["qwen2.5-coder-1.5b"]
    assert found["models"]["qwen3-14b"]["capabilities"]["context"] >= 8192


def test_what_has_room_is_loaded_together_and_from_the_start() -> None:
    found = swapped(["qwen3-4b", "qwen3-1.7b"], "rtx-4090")
    assert found["matrix"]["sets"] == {"together": "m1 & m2"}
    assert set(found["hooks"]["on_startup"]["preload"]) == set(found["models"])


def test_two_files_of_one_name_are_two_models() -> None:
    wishes = [planner.wish("qwen3-4b", quant=quant) for quant in ("Q8_0", "Q4_K_M")]
    assert set(swapped(wishes, "rtx-4090")["models"]) == {"qwen3-4b", "qwen3-4b-2"}


def test_each_server_of_vllm_has_its_fraction_and_time_to_load() -> None:
    wishes = [planner.wish(name, engine="vllm") for name in ("qwen3-8b", "qwen3-4b")]
    found = swapped(wishes, "h100-80gb")
    shares = [re.search(r"--gpu-memory-utilization (\S+)", m["cmd"]) for m in found["models"].values()]
    assert sum(float(share[1]) for share in shares if share) < 1
    assert found["healthCheckTimeout"] >= 120


def test_one_model_has_a_configuration_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["launch", "qwen3-4b", "--profile", "rtx-4090", "--format", "llama-swap"]) == 0
    assert "llama-swap --config" in capsys.readouterr().out


def test_ollama_swaps_its_models_itself() -> None:
    answer = planner.plan_together([planner.wish("qwen3-4b", engine="ollama")], "rtx-4090")
    with pytest.raises(InputError, match="itself"):
        planner.launch_together(answer, format="llama-swap")


def test_hostile_names_stay_one_word_or_are_refused() -> None:
    plan, model = hostile()
    with pytest.raises(InputError, match="macro"):
        planner.launch(plan, model, format="llama-swap")
    tamer = HOSTILE.replace("${HOME}", "$HOME").replace("\n", " ")
    found = configuration(planner.launch(plan, replace(model, path=tamer), format="llama-swap"))
    (server,) = found["models"].values()
    assert tamer in shlex.split(server["cmd"])
    assert server["env"] == ["SECRET=a b$(id)%i\"'\\"]
