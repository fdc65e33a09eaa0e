"""The server: a tool a question, resources for profiles and models. Built on the official SDK."""

from __future__ import annotations

import json
from typing import Any, Final

import anyio
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

import planner
from planner.api.questions.ask import QUESTIONS, about, ask
from planner.api.questions.forms import question_schema
from planner.mcp.short import in_short

INSTRUCTIONS: Final = (
    "Which open-weight language model runs on which machine, in which quantisation, on which engine: computed by "
    "the engines' own rules, offline. Ask `check` for what runs on a machine (leave out `profile` for this one), "
    "`plan` for one model, `launch` for the command, `buy` for hardware for a model, `buy-machine` without one in "
    "mind, `diagnose` for an error with its log. Sizes "
    "are bytes, contexts tokens, speeds tokens a second with the interval that holds 80 % of measurements."
)
# What agents are offered, the most asked first; the rest is for pages.
TOOLS: Final = (
    "check", "plan", "launch", "quants", "buy", "buy-machine", "cost", "compare", "models", "show", "profiles",
    "diagnose",
)  # fmt: skip
LONGEST_TEXT: Final = 8_000  # characters
_LISTS: Final = {"planner://profiles": "profiles", "planner://models": "models"}


def create_server() -> Server[Any]:
    """Return the server, not yet connected."""
    assert set(TOOLS) <= set(QUESTIONS)
    return Server(
        "planner",
        version=planner.__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=_list_tools,
        on_call_tool=_call_tool,
        on_list_resources=_list_resources,
        on_read_resource=_read_resource,
    )


async def serve() -> None:
    """Answer over stdin and stdout until they are closed."""
    server = create_server()
    async with stdio_server() as (received, sent):
        await server.run(received, sent, server.create_initialization_options())


async def _list_tools(_: object, __: object) -> types.ListToolsResult:
    return types.ListToolsResult(
        tools=[
            types.Tool(name=name, description=about(name), input_schema=question_schema(name))
            for name in TOOLS
        ]
    )


async def _call_tool(_: object, asked: types.CallToolRequestParams) -> types.CallToolResult:
    return await anyio.to_thread.run_sync(_called, asked.name, dict(asked.arguments or {}))


def _called(name: str, values: dict[str, object]) -> types.CallToolResult:
    try:
        if name not in TOOLS:
            raise planner.InputError(f"there is no tool '{name[:40]}'; there are {', '.join(TOOLS)}")
        answer = ask(name, values, here=True)
    except planner.PlannerError as error:
        return types.CallToolResult(content=[types.TextContent(type="text", text=str(error))], is_error=True)
    whole = json.dumps(answer)
    # Clients that read no structured content get it as text, as long as it is short.
    text = f"{in_short(name, answer)}\n\n{whole if len(whole) <= LONGEST_TEXT else ''}".strip()
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], structured_content=answer
    )


async def _list_resources(_: object, __: object) -> types.ListResourcesResult:
    return types.ListResourcesResult(
        resources=[
            types.Resource(name=question, uri=uri, description=about(question), mime_type="application/json")
            for uri, question in _LISTS.items()
        ]
    )


async def _read_resource(_: object, asked: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    question = _LISTS.get(str(asked.uri))
    if question is None:
        raise planner.InputError(f"there is no resource of that name; there are {', '.join(_LISTS)}")
    text = json.dumps(ask(question, {}))
    return types.ReadResourceResult(
        contents=[types.TextResourceContents(uri=str(asked.uri), mime_type="application/json", text=text)]
    )
