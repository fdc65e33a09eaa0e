"""Editors: Continue (in VS Code and JetBrains') and Zed."""

from __future__ import annotations

from typing import Any

from planner.launching.clients.connection import NO_KEY, ClientFile, Connection, as_json
from planner.launching.yaml_text import to_yaml


def continue_dev(server: Connection) -> tuple[ClientFile, ...]:
    """Return config.yaml of Continue (packages/config-yaml/src/schemas/models.ts at 007e4f52, 2026)."""
    able = [*(("tool_use",) if server.calls_tools else ()), *(("image_input",) if server.sees else ())]
    asked: dict[str, Any] = (
        {"provider": server.engine, "apiBase": server.address}
        if server.is_ollama
        else {"provider": "openai", "apiBase": server.openai, "apiKey": NO_KEY}
    )
    model = {
        "name": server.title,
        **asked,
        "model": server.model,
        "roles": ["chat", "edit", "apply"],
        "capabilities": able,
        "defaultCompletionOptions": {"contextLength": server.context, "maxTokens": server.output},
    }
    content = to_yaml({"name": "planner", "version": "0.0.1", "schema": "v1", "models": [model]})
    return (
        ClientFile(
            "continue", "~/.continue/config.yaml", content, r"on Windows: %USERPROFILE%\.continue\config.yaml"
        ),
    )


def zed(server: Connection) -> tuple[ClientFile, ...]:
    """Return Zed's settings (crates/settings_content/src/language_model.rs at 000b56b8, 2026).

    It reads a provider's key from the environment alone, and shows none of its models without one.
    """
    known = {"name": server.model, "display_name": server.title, "max_tokens": server.context}
    if server.is_ollama:
        provider = server.engine
        tools = {"supports_tools": server.calls_tools, "supports_images": server.sees}
        models: dict[str, Any] = {
            provider: {"api_url": server.address, "available_models": [{**known, **tools}]}
        }
        note = ""
    else:
        provider = "planner"
        able = {
            "tools": server.calls_tools,
            "images": server.sees,
            "parallel_tool_calls": False,
            "prompt_cache_key": False,
        }
        model = {**known, "max_output_tokens": server.output, "capabilities": able}
        models = {"openai_compatible": {provider: {"api_url": server.openai, "available_models": [model]}}}
        note = f"; start Zed with PLANNER_API_KEY={NO_KEY}"
    content = {
        "language_models": models,
        "agent": {"default_model": {"provider": provider, "model": server.model}},
    }
    return (
        ClientFile(
            "zed",
            "~/.config/zed/settings.json",
            as_json(content),
            rf"to merge into what is there; on Windows: %APPDATA%\Zed\settings.json{note}",
        ),
    )
