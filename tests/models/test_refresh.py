"""What the hub answers about catalogued models, kept and shown; against a stub of the hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import jsonschema
import pytest

from planner.documents.schema import schema
from planner.documents.write import document
from planner.errors import InputError
from planner.models.catalogue.catalogue import load_catalogue
from planner.models.catalogue.refresh import LicenceChange, refresh_models, refreshed
from planner.models.hub.cache import store_entry
from tests.file_server import Site, serve

MODEL = "openai/gpt-oss-20b"
GGUF = "ggml-org/gpt-oss-20b-GGUF"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with serve() as site:
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        yield site


def _answer(repo: str, files: dict[str, int], licence: str = "apache-2.0") -> bytes:
    siblings = [
        {"rfilename": name, "size": size, "lfs": {"size": size, "sha256": "ab" * 32, "pointerSize": 135}}
        for name, size in files.items()
    ]
    return json.dumps(
        {"id": repo, "modelId": repo, "cardData": {"license": licence}, "siblings": siblings, "tags": []}
    ).encode()


def test_refresh_keeps_what_the_hub_says(site: Site) -> None:
    weights = {"model-00001-of-00002.safetensors": 9, "model-00002-of-00002.safetensors": 4, "README.md": 1}
    site.files[f"/api/models/{MODEL}"] = _answer(MODEL, weights)
    site.files[f"/api/models/{GGUF}"] = _answer(GGUF, {"gpt-oss-20b-mxfp4.gguf": 12_109_566_560})
    site.files["/api/models"] = json.dumps(
        [
            {"id": "openai/gpt-oss-9", "pipeline_tag": "text-generation", "tags": []},
            {"id": "openai/whisper-9", "pipeline_tag": "automatic-speech-recognition", "tags": []},
            {"id": MODEL, "pipeline_tag": "text-generation", "tags": []},
        ]
    ).encode()
    seen: list[tuple[int, int]] = []
    report = refresh_models([MODEL], lambda done, total: seen.append((done, total)))
    assert (report.answered, report.failed, report.licence_changes) == (1, {}, {})
    assert report.new == ["openai/gpt-oss-9"]
    assert seen == [(1, 1)]
    jsonschema.validate(document(report), schema("models-refresh"))
    kept = refreshed(MODEL)
    assert kept is not None
    assert kept.licence == "apache-2.0"
    assert kept.sizes(MODEL) == {"weights": 13}
    assert kept.sizes(GGUF) == {"MXFP4": 12_109_566_560}
    assert kept.repositories[GGUF][0].sha256 == "ab" * 32


def test_refresh_tells_of_a_changed_licence(site: Site) -> None:
    site.files[f"/api/models/{MODEL}"] = _answer(MODEL, {}, "mit")
    report = refresh_models([MODEL], look_for_new=False)
    jsonschema.validate(document(report), schema("models-refresh"))
    assert report.licence_changes == {MODEL: LicenceChange("Apache-2.0", "mit")}
    assert report.lines() == [f"{MODEL}: the hub states the licence mit, the card Apache-2.0"]


def test_refresh_names_the_models_without_an_answer(site: Site) -> None:
    report = refresh_models([MODEL], look_for_new=False)
    assert report.answered == 0
    assert MODEL in report.failed
    (line,) = report.lines()
    assert line.count(MODEL) == 1
    assert refreshed(MODEL) is None


def test_refresh_without_network_says_so_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="can't be reached"):
        refresh_models([e.id for e in load_catalogue().entries()])


def test_refresh_offline(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set"):
        refresh_models([MODEL])
    assert site.log == []


def test_a_damaged_answer_in_the_cache_is_no_answer(site: Site) -> None:
    for content in ({}, {"asked": 1, "licence": "x", "repositories": {"a/b": [["x"]]}}):
        store_entry("catalogue", MODEL, content)
        assert refreshed(MODEL) is None
