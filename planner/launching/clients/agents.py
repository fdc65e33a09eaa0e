"""Coding agents in a terminal: opencode, Claude Code, Codex, aider."""

from __future__ import annotations

from typing import Any

from planner.launching.clients.connection import NO_KEY, ClientFile, Connection, as_json, toml_text
from planner.launching.yaml_text import to_yaml


def opencode(server: Connection) -> tuple[ClientFile, ...]:
    """Return opencode.json (opencode, packages/opencode/src/config/provider.ts at 020ac73e, 2026).

    `limit` is what it compacts a session by; `tool_call` offers the model its tools.
    """
    model: dict[str, Any] = {
        "name": server.title,
        "limit": {"context": server.context, "output": server.output},
        "tool_call": server.calls_tools,
    }
    if server.sees:
        model |= {"attachment": True, "modalities": {"input": ["text", "image"], "output": ["text"]}}
    content = {
        "$schema": "https://opencode.ai/config.json",
        "provider": {
            "planner": {
                "npm": "@ai-sdk/openai-compatible",
                "name": "planner",
                "options": {"baseURL": server.openai},
                "models": {server.model: model},
            }
        },
        "model": f"planner/{server.model}",
    }
    return (
        ClientFile(
            "opencode",
            "opencode.json",
            as_json(content),
            "in a project's folder; for all projects: ~/.config/opencode/opencode.json",
        ),
    )


def claude_code(server: Connection) -> tuple[ClientFile, ...]:
    """Return settings of Claude Code (code.claude.com/docs: settings, environment variables, model configuration).

    It asks by Anthropic's Messages API. Every name of a model that it uses by itself is set to this one: smaller
    ones for titles and searches would not be found.
    """
    names = ("ANTHROPIC_MODEL", *(f"ANTHROPIC_DEFAULT_{size}_MODEL" for size in ("OPUS", "SONNET", "HAIKU")))
    env = {
        "ANTHROPIC_BASE_URL": server.address,
        "ANTHROPIC_AUTH_TOKEN": NO_KEY,
        **dict.fromkeys((*names, "CLAUDE_CODE_SUBAGENT_MODEL"), server.model),
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(server.output),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    content = {"$schema": "https://json.schemastore.org/claude-code-settings.json", "env": env}
    return (
        ClientFile(
            "claude-code",
            ".claude/settings.local.json",
            as_json(content),
            "in a project's folder; for all projects: ~/.claude/settings.json. It takes every model for one of"
            f" 200,000 tokens: this one holds {server.context:,}, give /compact in time",
        ),
    )


def codex(server: Connection) -> tuple[ClientFile, ...]:
    """Return config.toml of Codex (codex-rs: config.schema.json, model-provider-info/src/lib.rs at b8a1c8f8, 2026).

    It asks by the Responses API alone; a provider without `env_key` sends no key.
    """
    lines = [
        f"model = {toml_text(server.model)}",
        'model_provider = "planner"',
        f"model_context_window = {server.context}",
        "",
        "[model_providers.planner]",
        'name = "planner"',
        f"base_url = {toml_text(server.openai)}",
        'wire_api = "responses"',
        "",
    ]
    return (
        ClientFile(
            "codex",
            "~/.codex/config.toml",
            "\n".join(lines),
            "where the file is there already: the first three lines go above its first table",
        ),
    )


def aider(server: Connection) -> tuple[ClientFile, ...]:
    """Return aider's options and what it knows of the model (aider 0.86.2: args.py, models.py).

    It speaks to Ollama natively, and would ask for a context of its own with every request: `num_ctx` in
    `extra_params` keeps the planned one.
    """
    provider = "ollama_chat" if server.is_ollama else "openai"
    name = f"{provider}/{server.model}"
    options: dict[str, Any] = {"model": name, "weak-model": name}
    if server.is_ollama:
        options["set-env"] = [f"OLLAMA_API_BASE={server.address}"]
    else:
        options |= {"openai-api-base": server.openai, "openai-api-key": NO_KEY}
    known = {
        "max_tokens": server.output,
        "max_input_tokens": server.context,
        "max_output_tokens": server.output,
        "input_cost_per_token": 0,
        "output_cost_per_token": 0,
        "litellm_provider": provider,
        "mode": "chat",
    }
    where = "in the folder of the git repository; for all: in the home folder"
    files = [
        ClientFile("aider", ".aider.conf.yml", to_yaml(options), where),
        ClientFile("aider", ".aider.model.metadata.json", as_json({name: known})),
    ]
    if server.is_ollama:
        settings = f"- {as_json({'name': name, 'extra_params': {'num_ctx': server.context}})}"
        files.append(
            ClientFile("aider", ".aider.model.settings.yml", settings.replace("\n", "\n  ").rstrip() + "\n")
        )
    return tuple(files)
