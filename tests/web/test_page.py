"""The page in a real browser: every view, by keyboard, on a phone, in the dark; nothing leaves the machine."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("fastapi", reason="the page's extra is not installed")
uvicorn = pytest.importorskip("uvicorn", reason="the page's extra is not installed")
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from planner.web.app import Served, create_app

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(create_app(Served()), host="127.0.0.1", port=port, log_level="error")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(100):
        if server.started:
            break
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


class Watched:
    """A page with all that it asked for and complained of."""

    def __init__(self, browser: Any, address: str, **how: Any) -> None:
        self.context = browser.new_context(locale=how.pop("locale", "en-US"), **how)
        self.page = self.context.new_page()
        self.address, self.asked, self.complaints = address, [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))

    def go(self, hash: str) -> Any:
        self.page.goto(f"{self.address}#/{hash}")
        return self.page

    def close(self) -> None:
        assert self.complaints == []
        assert [url for url in self.asked if not url.startswith(self.address)] == []
        self.context.close()


def test_what_runs_follows_its_address_and_its_sliders(browser: Any, address: str) -> None:
    watched = Watched(browser, address)
    page = watched.go("runs?profile=rtx-4090")
    page.wait_for_selector("article.card pre")
    assert "llama-server" in page.inner_text("article.card pre")
    page.get_by_text("Coding", exact=True).click()
    page.wait_for_url("**use_case=coding**")
    page.get_by_label("Users at once").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**users=2**")
    page.reload()  # the address is the answer
    page.wait_for_selector("article.card pre", timeout=60_000)
    assert page.locator("input[name=use_case]:checked").get_attribute("value") == "coding"
    watched.close()


def test_one_model_is_explained_and_its_command_copied(browser: Any, address: str) -> None:
    watched = Watched(browser, address, color_scheme="dark")
    page = watched.go("model?profile=2x+rtx-3090&model=gpt-oss-120b")
    page.wait_for_selector("svg.chart")
    assert page.locator("svg.bar").count() >= 3  # two cards and the RAM
    page.wait_for_selector("text=All quantisations here")
    page.get_by_role("tab", name="compose").click()
    page.wait_for_selector("pre:has-text('services:')")
    watched.close()


def test_a_phone_needs_no_sideways_scrolling(browser: Any, address: str) -> None:
    watched = Watched(browser, address, viewport={"width": 375, "height": 740})
    for hash in ("runs?profile=apple-m4-16gb", "model?profile=rtx-3060-12&model=qwen3-8b", "paste"):
        page = watched.go(hash)
        page.wait_for_selector("article.card, svg.bar, textarea")
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
    watched.close()


def test_the_keyboard_alone_is_enough_to_ask(browser: Any, address: str) -> None:
    watched = Watched(browser, address)
    page = watched.go("runs?profile=rtx-4090")
    page.wait_for_selector("article.card pre")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("#profile").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("h100-80gb")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Machine: NVIDIA H100")
    watched.close()


def test_a_paste_is_explained_and_markup_in_it_stays_text(browser: Any, address: str) -> None:
    watched = Watched(browser, address)
    page = watched.go("paste?profile=rtx-4090")
    page.fill(
        "#paste",
        "cudaMalloc failed: out of memory <img src=x onerror=alert(1)> allocating 9000.00 MiB",
    )
    page.get_by_role("button", name="Explain it").click()
    page.wait_for_selector("main .card, main .error, main p:has-text('not recognised')")
    assert page.locator("main img").count() == 0
    watched.close()


def test_german_browsers_read_german(browser: Any, address: str) -> None:
    watched = Watched(browser, address, locale="de-DE")
    page = watched.go("runs?profile=rtx-4090")
    page.wait_for_selector("article.card pre")
    assert page.get_by_role("heading", name="Was läuft").is_visible()
    assert page.evaluate("document.documentElement.lang") == "de"
    keys = page.evaluate(
        "import('./words.js').then(w => [Object.keys(w.catalogues.en), Object.keys(w.catalogues.de)])"
    )
    assert sorted(keys[0]) == sorted(keys[1])
    watched.close()
