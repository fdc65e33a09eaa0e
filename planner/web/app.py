"""The local server: the page, and every question under /api/v1 as the document that its command prints.

It opens no file that a caller names, fetches nothing, starts nothing. No other site may ask it from a browser: it
sends no CORS headers, takes JSON alone, and answers only to the names that it was started for.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any, Final

import anyio
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

import planner
from planner.api.questions.ask import QUESTIONS, ask
from planner.documents.text import document_text
from planner.fast_dataclass import dataclass
from planner.web.limits import AT_ONCE, RateLimit
from planner.web.openapi import openapi

MOST_BYTES: Final = 256 * 1024  # of a question
# What a browser may do with the page: load from here, compute, and nothing else.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": POLICY,
}
TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Served:
    """How a server is started."""

    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    """The names under which it answers."""
    token: str | None = None
    """What every question must bring; None: nothing, on the machine itself."""
    here: bool = True
    """True where "this machine" means the caller's own."""


def create_app(served: Served | None = None) -> FastAPI:
    """Return the application."""
    how = served or Served()
    app = FastAPI(
        title="planner", version=planner.__version__, docs_url=None, redoc_url=None, openapi_url=None
    )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(how.hosts))
    limit, waiting = RateLimit(), anyio.CapacityLimiter(AT_ONCE)
    document = json.dumps(openapi(planner.__version__), separators=(",", ":"))

    @app.middleware("http")
    async def guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        client = request.client.host if request.client else "?"
        if not limit.allows(client):
            response: Response = _error(429, "too many requests; ask again after a moment")
            response.headers["Retry-After"] = "1"
        elif request.url.path.startswith("/api/") and not _may(request, how.token):
            response = _error(401, "this server asks for its token: Authorization: Bearer TOKEN")
        else:
            response = await answer(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    @app.get("/api/v1/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/api/v1/version")
    async def version() -> dict[str, Any]:
        return {"planner": planner.__version__, "here": how.here}

    @app.get("/api/v1/openapi.json")
    async def description() -> Response:
        return Response(document, media_type="application/json")

    @app.post("/api/v1/{question}")
    async def answer(question: str, request: Request) -> Response:
        if question not in QUESTIONS:
            return _error(404, f"there is no question '{question[:40]}'")
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return _error(415, "send the question as application/json")
        body = await _body(request)
        if body is None:
            return _error(413, f"a question has at most {MOST_BYTES:,} bytes")
        try:
            values = json.loads(body)
        except (ValueError, RecursionError):
            return _error(400, "the question is not JSON")
        if not isinstance(values, dict):
            return _error(400, "the question must be a JSON object of its arguments")
        async with waiting:
            return await run_in_threadpool(_answered, question, values, how.here)

    @app.get("/{path:path}")
    async def page(path: str) -> Response:
        return _static(path or "index.html")

    return app


def _answered(question: str, values: dict[str, object], here: bool) -> Response:
    try:
        found = ask(question, values, here=here)
    except planner.PlannerError as error:
        return _error(400, str(error))
    except RecursionError:
        return _error(400, "the question is nested too deeply")
    return Response(document_text(found), media_type="application/json")


async def _body(request: Request) -> bytes | None:
    """The request's body; None where it is too long."""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > MOST_BYTES:
            return None
    return bytes(found)


def _may(request: Request, token: str | None) -> bool:
    if token is None:
        return True
    given = request.headers.get("authorization", "")
    return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())


def _static(path: str) -> Response:
    """A file of the page; names are looked up in what is shipped, never joined to a path."""
    folder = resources.files("planner.web") / "static"
    shipped = {file.name: file for file in folder.iterdir() if file.is_file()}
    file = shipped.get(path)
    kind = next((kind for ending, kind in TYPES.items() if path.endswith(ending)), None)
    if file is None or kind is None:
        return _error(404, "there is no such page")
    return Response(file.read_bytes(), media_type=kind, headers={"Cache-Control": "no-cache"})


def _error(status: int, said: str) -> JSONResponse:
    return JSONResponse({"error": said}, status)
