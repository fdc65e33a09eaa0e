"""`planner mcp`: the same answers as tools for agents, over stdio."""

from __future__ import annotations

from planner.errors import InputError


def mcp() -> int:
    """Answer agents as a server of the Model Context Protocol, over stdin and stdout."""
    try:
        import anyio

        from planner.mcp.server import serve
    except ImportError:
        raise InputError("agents' tools need their extra: pip install 'open-weight-planner[mcp]'") from None
    anyio.run(serve)
    return 0
