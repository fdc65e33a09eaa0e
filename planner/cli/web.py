"""`planner web`: the page and the API on this machine."""

from __future__ import annotations

import os
import secrets
from typing import Annotated

import typer

from planner.cli.output import diagnostic
from planner.errors import InputError
from planner.own_files import expanded
from planner.safe_text import one_line

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def web(
    port: Annotated[
        int, typer.Option("--port", metavar="N", help="Where it answers.", min=1, max=65535)
    ] = 8765,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Beyond this machine a token is asked for.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option(
            "--token", metavar="TEXT", help="What callers must bring; PLANNER_TOKEN in the environment."
        ),
    ] = None,
    export: Annotated[
        str | None,
        typer.Option(
            "--export", metavar="DIR", help="Write a site that computes in the browser, and serve nothing."
        ),
    ] = None,
    pyodide: Annotated[
        str | None,
        typer.Option(
            "--pyodide", metavar="FILE", help="With --export: Pyodide's package, as npm pack fetches it."
        ),
    ] = None,
) -> int:
    """Serve the page and the API on this machine, or write the page as a site: nothing leaves it."""
    if export is not None:
        return _export(export, pyodide)
    try:
        import uvicorn

        from planner.web.app import Served, create_app
    except ImportError:
        raise InputError("the page needs its extra: pip install 'open-weight-planner[web]'") from None
    asked = token or os.environ.get("PLANNER_TOKEN")
    beyond = host not in LOOPBACK
    if beyond and not asked:
        asked = secrets.token_urlsafe(24)
    names = ("localhost", "127.0.0.1", "[::1]") if not beyond else ("*",)
    shown = f"[{host}]" if ":" in host else host
    fragment = f"#token={asked}" if asked else ""
    diagnostic(f"planner: the page is at http://{shown}:{port}/{fragment}")
    diagnostic(f"planner: the API is at http://{shown}:{port}/api/v1, its description openapi.json there")
    app = create_app(Served(names, asked, here=not beyond))
    uvicorn.run(app, host=host, port=port, log_level="warning", server_header=False)
    return 0


def _export(folder: str, package: str | None) -> int:
    from planner.units import MIB
    from planner.web import export as site

    if package is None:
        raise InputError(
            f"--export needs Pyodide's package: npm pack pyodide@{site.PYODIDE}, "
            f"then --pyodide pyodide-{site.PYODIDE}.tgz"
        )
    size = site.export(expanded(folder), expanded(package))
    diagnostic(
        f"planner: the site is in {one_line(folder)}: {size / MIB:.1f} MiB; any file host can carry it"
    )
    return 0
