"""The local server: the command line's documents, and nothing that a stranger could use against its owner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli
from tests.web.questions import questions

pytest.importorskip("fastapi", reason="the page's extra is not installed")
from fastapi.testclient import TestClient

from planner.web.app import Served, create_app
from planner.web.limits import RateLimit


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(create_app(Served(here=False)), base_url="http://localhost")


def ask(client: TestClient, question: str, values: object) -> tuple[int, str]:
    answer = client.post(f"/api/v1/{question}", json=values)
    return answer.status_code, answer.text


def test_two_hundred_answers_are_those_of_the_command_line_byte_for_byte(
    client: TestClient, cli: Cli
) -> None:
    asked = list(questions())
    assert len(asked) >= 200
    differ = []
    for question, values, words in asked:
        typed = cli(words[0], "--json", *words[1:])
        code, text = ask(client, question, values)
        same = text == typed.out if typed.out else code == 400 and json.loads(text)["error"]
        if not same:
            differ.append((question, values))
    assert differ == []


@pytest.mark.parametrize(
    ("question", "values", "said"),
    [
        ("plan", {"model": "/etc/passwd", "profile": "rtx-4090"}, "not a path"),
        ("plan", {"model": "./model.gguf", "profile": "rtx-4090"}, "not a path"),
        ("plan", {"model": "https://example.org/x.gguf", "profile": "rtx-4090"}, "not a path"),
        ("plan", {"model": "llama-server -m /srv/x.gguf", "profile": "rtx-4090"}, "not a path"),
        ("plan", {"model": "gpt-oss-20b", "profile": "/tmp/x.toml"}, "not a file"),
        ("plan", {"model": "gpt-oss-20b", "profile": "x.toml"}, "not a file"),
        (
            "plan",
            {"model": "qwen3-32b", "profile": "rtx-4090", "settings": {"spec_draft_model": "/srv/x.gguf"}},
            "not a path",
        ),
        ("plan", {"model": "gpt-oss-20b"}, "name a machine"),
        ("plan", {"profile": "rtx-4090"}, "is missing"),
        ("plan", {"model": 3, "profile": "rtx-4090"}, "must be a text"),
        ("plan", {"model": "gpt-oss-20b", "users": 1e400}, "number"),
        ("plan", {"model": "gpt-oss-20b", "colour": "red"}, "no argument 'colour'"),
        ("buy", {"models": []}, "1 to 6"),
        ("check", {"profile": "rtx-4090", "limit": 100_000}, "more than"),
    ],
)
def test_a_stranger_gets_one_line_and_no_file(
    client: TestClient, question: str, values: dict[str, object], said: str
) -> None:
    body = json.dumps(values)
    answer = client.post(f"/api/v1/{question}", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_no_network_is_asked_for_a_stranger(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def forbidden(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", forbidden)
    code, text = ask(client, "plan", {"model": "nobody/never-published-GGUF", "profile": "rtx-4090"})
    assert code == 400 and "no model is called" in text


def test_other_sites_may_not_ask(client: TestClient) -> None:
    asked = client.post(
        "/api/v1/plan", content='{"model": "gpt-oss-20b"}', headers={"content-type": "text/plain"}
    )
    assert asked.status_code == 415  # what a form of another site could send
    answer = client.get("/api/v1/health", headers={"origin": "https://example.org"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert client.get("/api/v1/health", headers={"host": "rebound.example.org"}).status_code == 400
    assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_beyond_this_machine_a_token_is_asked_for() -> None:
    guarded = TestClient(create_app(Served(("*",), "s3cret", here=False)), base_url="http://box.lan")
    assert guarded.get("/api/v1/version").status_code == 401
    assert guarded.get("/api/v1/version", headers={"authorization": "Bearer other"}).status_code == 401
    said = guarded.get("/api/v1/version", headers={"authorization": "Bearer s3cret"})
    assert said.status_code == 200 and said.json()["here"] is False
    assert guarded.get("/").status_code == 200  # the page itself holds nothing


def test_files_of_the_page_are_the_only_ones_served(client: TestClient) -> None:
    for path in ("../app.py", "%2e%2e/app.py", "app.py", "static/index.html", "..%2fapp.py", "/etc/passwd"):
        assert client.get(f"/{path}").status_code == 404


def test_too_long_questions_are_refused(client: TestClient) -> None:
    assert ask(client, "diagnose", {"text": "x" * 300_000})[0] == 413
    assert ask(client, "diagnose", {"text": "x" * 201_000})[0] == 400
    deep = "[" * 100_000
    answer = client.post("/api/v1/plan", content=deep, headers={"content-type": "application/json"})
    assert answer.status_code == 400


def test_a_client_that_asks_too_often_waits() -> None:
    limit = RateLimit(rate=10, burst=3)
    assert [limit.allows("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert limit.allows("b", 0.0)
    assert limit.allows("a", 0.2) and limit.allows("a", 0.2) and not limit.allows("a", 0.2)


def test_the_description_is_a_valid_openapi_document(client: TestClient) -> None:
    """Every operation of it, asked with what its own schema makes up, answers as it says, and never with 5xx."""
    schemathesis = pytest.importorskip("schemathesis")
    described = client.get("/api/v1/openapi.json").json()
    assert set(described["paths"]) >= {"/api/v1/plan", "/api/v1/check", "/api/v1/diagnose", "/api/v1/health"}
    app = create_app(Served(("*",), here=False))
    from hypothesis import HealthCheck, given, settings
    from schemathesis import checks

    held = (checks.not_a_server_error, checks.response_schema_conformance, checks.status_code_conformance)

    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path == "/api/v1/claims" or operation.path == "/api/v1/buy":
            continue  # seconds each: asked above

        @given(case=operation.as_strategy())
        @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        def asked(case: Any) -> None:
            case.call_and_validate(checks=held)

        asked()


def test_the_pages_files_are_all_there() -> None:
    from planner.web import app

    folder = Path(app.__file__).parent / "static"
    assert (folder / "index.html").is_file()
