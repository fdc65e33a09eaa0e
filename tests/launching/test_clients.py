"""Configurations of clients, read as each client reads its own: by its schema's keys and types, its own file format."""

from __future__ import annotations

import json
import shlex
import tomllib
from functools import cache
from typing import Any

import jsonschema
import pytest
import yaml

import planner
from planner.api import Connected
from planner.errors import InputError
from planner.launching.clients.register import CLIENTS

TEXT, COUNT, FLAG = {"type": "string"}, {"type": "integer", "minimum": 1}, {"type": "boolean"}


def only(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """An object with these properties and no other: a key that a client doesn't know is one that it ignores."""
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


def each(value: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": value, "minProperties": 1}


def several(value: Any) -> dict[str, Any]:
    return {"type": "array", "items": value}


MODALITY = {"enum": ["text", "audio", "image", "video", "pdf"]}
# What each client's own source says of the keys that are written; planner/launching/clients names the files.
SCHEMAS: dict[str, dict[str, Any]] = {
    "opencode.json": only(
        {
            "$schema": TEXT,
            "model": {"type": "string", "pattern": "^[^/]+/.+"},
            "provider": each(
                only(
                    {"npm": TEXT, "name": TEXT, "options": only({"baseURL": {"pattern": "/v1$"}})},
                    models=each(
                        only(
                            {"name": TEXT, "limit": only({"context": COUNT, "output": COUNT})},
                            tool_call=FLAG,
                            attachment=FLAG,
                            modalities=only({"input": several(MODALITY), "output": several(MODALITY)}),
                        )
                    ),
                )
            ),
        }
    ),
    ".claude/settings.local.json": only({"$schema": TEXT, "env": each(TEXT)}),
    "~/.codex/config.toml": only(
        {
            "model": TEXT,
            "model_provider": TEXT,
            "model_context_window": COUNT,
            "model_providers": each(
                only({"name": TEXT, "base_url": {"pattern": "/v1$"}, "wire_api": {"const": "responses"}})
            ),
        }
    ),
    "~/.continue/config.yaml": only(
        {
            "name": TEXT,
            "version": TEXT,
            "schema": {"const": "v1"},
            "models": several(
                only(
                    {
                        "name": TEXT,
                        "provider": {"enum": ["openai", "ollama"]},
                        "model": TEXT,
                        "apiBase": TEXT,
                    },
                    apiKey=TEXT,
                    roles=several(
                        {"enum": ["chat", "autocomplete", "embed", "rerank", "edit", "apply", "summarize"]}
                    ),
                    capabilities=several({"enum": ["tool_use", "image_input"]}),
                    defaultCompletionOptions=only({"contextLength": COUNT, "maxTokens": COUNT}),
                )
            ),
        }
    ),
    "~/.config/zed/settings.json": only(
        {
            "agent": only({"default_model": only({"provider": TEXT, "model": TEXT})}),
            "language_models": only(
                {},
                openai_compatible=each(
                    only(
                        {
                            "api_url": {"pattern": "/v1$"},
                            "available_models": several(
                                only(
                                    {"name": TEXT, "max_tokens": COUNT},
                                    display_name=TEXT,
                                    max_output_tokens=COUNT,
                                    capabilities=only(
                                        {
                                            "tools": FLAG,
                                            "images": FLAG,
                                            "parallel_tool_calls": FLAG,
                                            "prompt_cache_key": FLAG,
                                        }
                                    ),
                                )
                            ),
                        }
                    )
                ),
                ollama=only(
                    {
                        "api_url": {"pattern": ":11434$"},
                        "available_models": several(
                            only(
                                {"name": TEXT, "max_tokens": COUNT},
                                display_name=TEXT,
                                supports_tools=FLAG,
                                supports_images=FLAG,
                            )
                        ),
                    }
                ),
            ),
        }
    ),
    ".aider.conf.yml": only(
        {"model": {"pattern": "^(openai|ollama_chat)/"}, "weak-model": TEXT},
        **{"openai-api-base": {"pattern": "/v1$"}, "openai-api-key": TEXT, "set-env": several(TEXT)},
    ),
    ".aider.model.metadata.json": each(
        only(
            {
                **dict.fromkeys(("max_tokens", "max_input_tokens", "max_output_tokens"), COUNT),
                "litellm_provider": {"enum": ["openai", "ollama_chat"]},
                "mode": {"const": "chat"},
            },
            input_cost_per_token={"const": 0},
            output_cost_per_token={"const": 0},
        )
    ),
    ".aider.model.settings.yml": several(only({"name": TEXT, "extra_params": only({"num_ctx": COUNT})})),
    "open-webui.env": only(
        {
            "ENABLE_OPENAI_API": {"enum": ["True", "False"]},
            "ENABLE_OLLAMA_API": {"enum": ["True", "False"]},
            "DEFAULT_MODELS": TEXT,
            "HOST": {"const": "127.0.0.1"},
            "PORT": {"pattern": "^[0-9]+$"},
        },
        OPENAI_API_BASE_URL={"pattern": "/v1$"},
        OPENAI_API_KEY=TEXT,
        OLLAMA_BASE_URL={"pattern": ":11434$"},
    ),
    # The form's fields and the bounds of its number (homeassistant/components/ollama/const.py).
    "Settings > Devices & services > Add integration > Ollama": only(
        {"url": TEXT, "model": TEXT, "num_ctx": {"type": "integer", "minimum": 2048, "maximum": 131072}},
        llm_hass_api=several({"const": "assist"}),
        keep_alive={"type": "integer", "minimum": -1},
    ),
}


def read(path: str, content: str) -> Any:
    """Read a file as its client does."""
    if path.endswith(".json"):
        return json.loads(content)
    if path.endswith(".toml"):
        return tomllib.loads(content)
    if path.endswith(".env"):
        return dict(line.split("=", 1) for line in content.splitlines())
    return yaml.safe_load(content)


ENGINES = {
    "llama.cpp": ("qwen3.6-27b", "rtx-4090"),
    "ollama": ("gpt-oss-20b", "rtx-4090"),
    "vllm": ("gpt-oss-20b", "rtx-4090"),
    "mlx": ("qwen3-8b", "apple-m4-max-64gb"),
}


@cache
def planned(engine: str) -> planner.Plan:
    name, machine = ENGINES[engine]
    return planner.plan(name, machine, planner.Workload(context="32k"), engine=engine)


def connected(engine: str, *clients: str, format: str = "shell") -> Connected:
    return planner.connect(planned(engine), clients, format=format)


def served_name(engine: str, found: Connected) -> str:
    """The name of the model, as the server's own command gives it."""
    words = shlex.split(found.launch.command.splitlines()[-1])
    option = {"llama.cpp": "--alias", "mlx": "--model"}.get(engine)
    return words[words.index(option) + 1] if option else words[2]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_accepts_its_file_and_asks_for_what_is_served(client: str, engine: str) -> None:
    try:
        found = connected(engine, client)
    except InputError as error:  # it asks by what this engine doesn't answer, and the line says which does
        assert (client, engine) in {
            ("home-assistant", "llama.cpp"), ("home-assistant", "vllm"), ("home-assistant", "mlx"),
            ("codex", "mlx"), ("claude-code", "mlx"),
        }  # fmt: skip
        assert "--engine" in str(error)
        return
    name, port = served_name(engine, found), {"ollama": 11434, "vllm": 8000}.get(engine, 8080)
    for file in found.files:
        jsonschema.validate(read(file.path, file.content), SCHEMAS[file.path])
    assert name in found.files[0].content
    assert f"127.0.0.1:{port}" in "".join(file.content for file in found.files)


@pytest.mark.parametrize("client", ["opencode", "continue", "zed", "aider", "codex"])
def test_context_is_the_planned_one_and_an_answer_leaves_room_for_the_question(client: str) -> None:
    text = "".join(file.content for file in connected("llama.cpp", client).files)
    assert "32768" in text
    assert client == "codex" or "8192" in text


def test_the_server_gets_the_name_and_the_templates_tools() -> None:
    """In its command, whichever supervisor starts it; and the planner reads that command as the same plan."""
    for format in ("shell", "systemd", "compose"):
        launch = connected("llama.cpp", "opencode", format=format).launch
        text = launch.command if format == "shell" else launch.files[0][1]
        assert "--alias" in text and "--jinja" in text
    command = connected("llama.cpp", "opencode").launch.command
    again = planner.plan_command(planner.read_command(shlex.split(command)), "rtx-4090")
    assert again.memory.total == planned("llama.cpp").memory.total


def test_vllm_calls_tools_only_with_the_models_parser() -> None:
    found = connected("vllm", "opencode")
    assert "--enable-auto-tool-choice --tool-call-parser" in found.launch.command
    assert json.loads(found.files[0].content)["provider"]["planner"]["models"]["openai/gpt-oss-20b"][
        "tool_call"
    ]


def test_what_an_agent_lacks_is_said() -> None:
    small = planner.plan("gpt-oss-20b", "rtx-4090", planner.Workload(context="8k"), engine="llama.cpp")
    assert "plan with --context 64k" in planner.connect(small, ["claude-code"]).notes[0]
    assert planner.connect(small, ["open-webui"]).notes == ()
    assert connected("llama.cpp", "claude-code").notes == ()


def test_aider_keeps_ollamas_planned_context() -> None:
    """It would send one of its own with every request, and the model would be loaded anew."""
    (settings,) = (f for f in connected("ollama", "aider").files if f.path.endswith("settings.yml"))
    assert yaml.safe_load(settings.content)[0]["extra_params"] == {"num_ctx": 32768}


def test_claude_code_finds_every_model_that_it_asks_for() -> None:
    (file,) = connected("llama.cpp", "claude-code").files
    env = json.loads(file.content)["env"]
    asked = {value for name, value in env.items() if name.endswith("_MODEL")}
    assert asked == {"qwen3.6-27b"} and len([n for n in env if n.endswith("_MODEL")]) == 5
    assert not env["ANTHROPIC_BASE_URL"].endswith("/v1"), "it adds /v1/messages itself"


@pytest.mark.parametrize(
    ("client", "format", "said"),
    [("emacs", "shell", "one of: opencode"), ("opencode", "kubernetes", "a server of this machine")],
)
def test_what_cannot_be_connected_is_said(client: str, format: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        connected("vllm", client, format=format)
