"""The exported site: the planner's own wheel alone answers as the command line does, in Python and in a browser."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from planner.web import export
from tests.cli.conftest import Cli
from tests.web.questions import questions

PACKAGE = os.environ.get("PLANNER_PYODIDE", "")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SAMPLE = list(questions())[5::29]  # plans, starts, lists
ALONE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from planner.api.questions.ask import ask
from planner.documents.text import document_text
for question, values in json.load(sys.stdin):
    print(json.dumps(document_text(ask(question, values))))
"""


def expected(cli: Cli) -> list[str]:
    return [cli(*words[:1], "--json", *words[1:]).out for _, _, words in SAMPLE]


def test_the_wheel_needs_nothing_that_is_installed(cli: Cli, tmp_path: Path) -> None:
    packed = export.wheel()
    assert packed == export.wheel()
    (tmp_path / "planner.zip").write_bytes(packed)
    shutil.unpack_archive(tmp_path / "planner.zip", tmp_path / "planner")
    asked = json.dumps([(question, values) for question, values, _ in SAMPLE])
    bare = [sys.executable, "-I", "-S", "-c", ALONE, str(tmp_path / "planner")]  # no site-packages
    done = subprocess.run(bare, input=asked, capture_output=True, text=True, check=True)
    assert [json.loads(line) for line in done.stdout.splitlines()] == expected(cli)


def test_another_package_than_the_one_known_is_refused(cli: Cli, tmp_path: Path) -> None:
    other = tmp_path / "pyodide.tgz"
    other.write_bytes(b"anything")
    answer = cli("web", "--export", str(tmp_path / "site"), "--pyodide", str(other))
    assert answer.code == 2
    assert "its hash differs" in answer.err and not (tmp_path / "site").exists()
    assert "npm pack pyodide@" in cli("web", "--export", str(tmp_path / "site")).err


@pytest.mark.skipif(
    not PACKAGE, reason=f"PLANNER_PYODIDE names no package: npm pack pyodide@{export.PYODIDE}"
)
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")
def test_the_site_answers_as_the_command_line_does_and_offline(cli: Cli, tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    export.export(tmp_path, Path(PACKAGE))
    handler = functools.partial(Quiet, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    asked: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(locale="en-US")
        context.set_default_timeout(180_000)
        context.on("request", lambda request: asked.append(request.url))
        page = context.new_page()
        page.goto(f"{address}#/model?profile=rtx-4090&model=gpt-oss-20b")
        page.wait_for_selector("svg.bar")
        assert "Computed in this browser" in page.inner_text("#footer")
        assert texts(page) == expected(cli)
        server.shutdown()
        server.server_close()  # nobody is there any more
        page.reload()
        page.wait_for_selector("svg.bar")
        page.goto(f"{address}#/model?profile=h100-80gb&model=qwen3-8b")
        page.wait_for_selector("h2:has-text('Qwen3-8B'), h3:has-text('Qwen3-8B'), main:has-text('Qwen3-8B')")
        browser.close()
    assert asked and [url for url in asked if not url.startswith(address)] == []


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Any file host."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def texts(page: Any) -> list[str]:
    """The sample's documents, asked of a worker as the page does, byte for byte."""
    told: list[str] = page.evaluate(
        """async (sample) => {
          const worker = new Worker("worker.js", { type: "module" });
          const ask = (question, values) => new Promise((resolve) => {
            worker.onmessage = ({ data }) => resolve(data.text ?? `refused: ${data.error}`);
            worker.postMessage({ id: 1, question, values });
          });
          const found = [];
          for (const [question, values] of sample) found.push(await ask(question, values));
          worker.terminate();
          return found;
        }""",
        [[question, values] for question, values, _ in SAMPLE],
    )
    return told
