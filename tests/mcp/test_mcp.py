"""Agents' tools, asked through the official client over stdio as an agent does."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

import planner

mcp = pytest.importorskip("mcp", reason="the agents' extra is not installed")
anyio = pytest.importorskip("anyio")

ASKED: dict[str, dict[str, Any]] = {
    "check": {"profile": "rtx-4090", "limit": 2},
    "plan": {"model": "gpt-oss-20b", "profile": "rtx-4090"},
    "launch": {"model": "gpt-oss-20b", "profile": "rtx-4090", "format": "compose"},
    "quants": {"model": "qwen3.6-27b", "profile": "rtx-4090", "context": "16k"},
    "buy": {"models": ["gpt-oss-20b"], "budget": 1200},
    "buy-machine": {"among": ["rtx-4090", "apple-m4-16gb"], "use_case": "coding"},
    "cost": {"model": "gpt-oss-20b", "profile": "rtx-4090"},
    "compare": {"models": ["gpt-oss-20b", "qwen3.6-27b"], "profile": "rtx-4090"},
    "models": {"search": "gpt-oss"},
    "show": {"name": "gpt-oss-20b"},
    "profiles": {"search": "rtx 4090"},
    "diagnose": {"text": "cudaMalloc failed: out of memory, allocating 9000.00 MiB on device 0"},
}  # fmt: skip


def test_a_client_lists_and_calls_every_tool(tmp_path: Path) -> None:
    server = mcp.StdioServerParameters(
        command=sys.executable,
        args=["-m", "planner", "mcp"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        cwd=str(Path(planner.__file__).parent.parent),
    )

    async def talk() -> tuple[list[Any], dict[str, Any], Any, list[Any]]:
        async with mcp.Client(server) as client:
            tools = (await client.list_tools()).tools
            answers = {name: await client.call_tool(name, values) for name, values in ASKED.items()}
            refused = await client.call_tool("plan", {"model": "/etc/passwd", "profile": "rtx-4090"})
            listed = (await client.list_resources()).resources
            read = [await client.read_resource(str(resource.uri)) for resource in listed]
            return tools, answers, refused, read

    tools, answers, refused, read = anyio.run(talk)
    assert {tool.name for tool in tools} == set(ASKED)
    assert all(tool.description and tool.input_schema["additionalProperties"] is False for tool in tools)
    assert not [name for name, answer in answers.items() if answer.is_error]
    plan = answers["plan"]
    assert plan.structured_content == planner.document(planner.plan("gpt-oss-20b", "rtx-4090"))
    first = plan.content[0].text.splitlines()[0]
    assert first.startswith("openai/gpt-oss-20b MXFP4 on llama.cpp fits") and len(first) < 200
    assert answers["buy-machine"].content[0].text.startswith("Get rtx-4090, ")
    said = answers["diagnose"].content[0].text.splitlines()
    assert "did not fit" in said[0] and said[1].startswith("Change: ")
    assert refused.is_error and "not a path" in refused.content[0].text
    assert len(read) == 2 and all(json.loads(one.contents[0].text)["schema_version"] == 1 for one in read)
