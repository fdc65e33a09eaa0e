"""`planner plan` on models of the hub and at web addresses: few requests, offline from the cache."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest

from tests.file_server import Site, serve

from .conftest import Cli
from .tiny_model import write_tiny

REPO = "someone/tiny-GGUF"


@pytest.fixture
def site(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE")
    path = tmp_path / "tiny-F16.gguf"
    write_tiny(path)
    with serve() as site:
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        files = [
            {"rfilename": f"tiny-{quant}.gguf", "size": path.stat().st_size} for quant in ("F16", "Q4_K_M")
        ]
        info = {"id": REPO, "modelId": REPO, "tags": [], "siblings": files, "private": False}
        site.files = {f"/{REPO}/resolve/main/{f['rfilename']}": path.read_bytes() for f in files}
        site.files[f"/api/models/{REPO}"] = json.dumps(info).encode()
        yield site


def _gguf_requests(site: Site) -> list[str]:
    return [path for path, _ in site.log if path.endswith(".gguf")]


def test_a_repository_with_and_without_a_quantisation(cli: Cli, site: Site) -> None:
    answer = cli("plan", f"hf:{REPO}:F16", "--ram", "8GiB", "--json")
    assert answer.code == 0, answer.err
    plan = json.loads(answer.out)
    assert plan["quant"] == "F16"
    assert len(_gguf_requests(site)) <= 3
    assert site.sent < 2 << 20  # not the whole file
    answer = cli("plan", REPO, "--ram", "8GiB", "--json")
    plan = json.loads(answer.out)
    assert plan["quant"] == "Q4_K_M"
    assert any("F16, Q4_K_M" in text for text in plan["warnings"])
    answer = cli("plan", f"{REPO}:Q2_K", "--ram", "8GiB")
    assert answer.code == 2
    assert "F16, Q4_K_M" in answer.err


def test_offline_from_the_cache(cli: Cli, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    online = cli("plan", REPO, "--ram", "8GiB", "--json")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    requests = len(site.log)
    assert cli("plan", REPO, "--ram", "8GiB", "--json").out == online.out
    assert len(site.log) == requests
    answer = cli("plan", "hf:someone/other-GGUF:Q8_0", "--ram", "8GiB")
    assert answer.code == 2
    assert "not in the cache" in answer.err
    assert len(answer.err.strip().splitlines()) == 1


def test_the_hub_is_down(cli: Cli, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    answer = cli("plan", REPO, "--ram", "8GiB")
    assert answer.code == 2
    assert "check the network" in answer.err
