"""The hub: names, file lists, the choice of a quantisation, configurations, tensors; with a stub hub."""

from __future__ import annotations

import gzip
import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf_bytes as w
import huggingface_hub.constants
import pytest

from planner.errors import InputError
from planner.models.hub import client
from planner.models.hub import repository as hub
from planner.models.hub.cache import store_entry
from planner.models.hub.gguf_files import group_files, pick_gguf
from planner.models.hub.repository import (
    HubRef,
    fetch_config,
    list_gguf,
    parse_hub_ref,
    read_config,
)
from tests.file_server import Site, serve
from tests.raw_server import Sender, raw_server, sending

REPO = "someone/Model-GGUF"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with serve() as site:
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        yield site


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("hf:unsloth/gpt-oss-20b-GGUF:Q4_K_M", HubRef("unsloth/gpt-oss-20b-GGUF", "Q4_K_M")),
        ("unsloth/Qwen3-30B-A3B-GGUF", HubRef("unsloth/Qwen3-30B-A3B-GGUF")),
        ("unsloth/Qwen3-30B-A3B-GGUF:UD-Q4_K_XL", HubRef("unsloth/Qwen3-30B-A3B-GGUF", "UD-Q4_K_XL")),
        ("hf:a/b/sub/m.gguf", HubRef("a/b", None, "sub/m.gguf")),
        ("https://huggingface.co/a/b", HubRef("a/b")),
        ("https://huggingface.co/a/b/tree/main", HubRef("a/b")),
        ("https://huggingface.co/a/b/blob/main/x/m%201.gguf", HubRef("a/b", path="x/m 1.gguf")),
        ("https://huggingface.co/a/b/resolve/main/m.gguf?download=true", HubRef("a/b", path="m.gguf")),
        ("https://example.org/a/b/m.gguf", None),
        ("gpt-oss-20b", None),
        ("qwen3:30b-a3b", None),
        ("models/m.gguf", None),
        ("./a/b", None),
        ("../b", None),
        ("a/b/c", None),
        ("hf:a", None),
        ("a/b c", None),
    ],
)
def test_names(text: str, ref: HubRef | None) -> None:
    assert parse_hub_ref(text) == ref


LISTING = [
    ("README.md", 5),
    ("m-BF16/m-BF16-00001-of-00002.gguf", 40),
    ("m-BF16/m-BF16-00002-of-00002.gguf", 20),
    ("m-Q8_0.gguf", 30),
    ("m-Q4_K_M.gguf", 15),
    ("m-UD-Q4_K_XL.gguf", 16),
    ("mmproj-F16.gguf", 3),
    ("mmproj-Q8_0.gguf", 2),
    ("m-imatrix.gguf", 1),
    ("mtp-m-Q8_0.gguf", 1),
]


def test_files_of_a_repository() -> None:
    files = group_files(LISTING)
    assert [(f.quant, f.size, f.shards, f.mmproj) for f in files] == [
        ("BF16", 60, 2, False),
        ("Q8_0", 30, 1, False),
        ("Q4_K_M", 15, 1, False),
        ("UD-Q4_K_XL", 16, 1, False),
        ("F16", 3, 1, True),
        ("Q8_0", 2, 1, True),
    ]
    assert pick_gguf(REPO, files).quant == "Q4_K_M"
    assert pick_gguf(REPO, files, "bf16").path == "m-BF16/m-BF16-00001-of-00002.gguf"
    assert pick_gguf(REPO, files, "UD-Q4_K_XL").size == 16
    assert pick_gguf(REPO, files, "Q4_K_XL").quant == "UD-Q4_K_XL"  # as llama-server matches it
    with pytest.raises(InputError, match="has no Q2_K; it has BF16, Q8_0, Q4_K_M, UD-Q4_K_XL"):
        pick_gguf(REPO, files, "Q2_K")
    with pytest.raises(InputError, match="no GGUF model"):
        pick_gguf(REPO, [f for f in files if f.mmproj])
    without_default = group_files([("m-Q2_K.gguf", 1), ("m-Q6_K.gguf", 1)])
    assert pick_gguf(REPO, without_default).quant == "Q2_K"


def test_list_of_files_cached_and_offline(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    siblings = [{"rfilename": path, "size": size} for path, size in LISTING]
    info = {"id": REPO, "modelId": REPO, "tags": [], "siblings": siblings, "private": False}
    site.files[f"/api/models/{REPO}"] = json.dumps(info).encode()
    files = list_gguf(REPO)
    assert files == group_files(LISTING)
    assert site.log[0][1]["authorization"] == "Bearer hf_secret"
    site.status = 503
    assert list_gguf(REPO) == files
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert list_gguf(REPO) == files
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set"):
        list_gguf("someone/Other-GGUF")


def test_refusals_of_the_hub(site: Site) -> None:
    with pytest.raises(InputError, match="someone/Model-GGUF"):
        list_gguf(REPO)
    site.status = 401
    with pytest.raises(InputError, match="no such repository, or"):
        list_gguf(REPO)
    with pytest.raises(InputError, match="is not a repository's name"):
        list_gguf("../etc")


def test_a_header_with_the_users_token(site: Site) -> None:
    raw = w.header([w.pair("general.architecture", w.STRING, "llama")])
    site.files[f"/{REPO}/resolve/main/m-Q8_0.gguf"] = raw
    header = hub.read_hub_gguf(REPO, "m-Q8_0.gguf")
    assert header.quant == "Q8_0"
    assert site.log[0][1]["authorization"] == "Bearer hf_secret"


def test_configuration_cached_and_offline(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"model_type": "llama", "hidden_size": 64}
    site.files["/o/m/resolve/main/config.json"] = json.dumps(config).encode()
    assert fetch_config("o/m") == config
    site.status = 503
    assert fetch_config("o/m") == config
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert fetch_config("o/m") == config
    with pytest.raises(InputError, match=r"o/other: "):
        fetch_config("o/other")


def test_configuration_that_is_none(site: Site) -> None:
    site.files["/o/list/resolve/main/config.json"] = b"[1]"
    with pytest.raises(InputError, match="a JSON list, not an object"):
        fetch_config("o/list")
    site.files["/o/huge/resolve/main/config.json"] = b" " * (5 << 20)
    with pytest.raises(InputError, match=r"config\.json has more than 4 MiB"):
        fetch_config("o/huge")
    with pytest.raises(InputError, match=r"has no config\.json"):
        fetch_config("o/absent")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[]", "a JSON list"),
        (b'"x"', "a JSON str"),
        (b"[" * 100_000, "not JSON"),
        (b" " * (5 << 20), "larger than"),
    ],
)
def test_local_configurations(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_config(tmp_path)
    assert "\n" not in str(caught.value)


def test_local_configuration(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no config\.json"):
        read_config(tmp_path)
    (tmp_path / "config.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_config(tmp_path) == read_config(tmp_path / "config.json") == {"a": 1}


def test_a_configuration_that_does_not_end(tmp_path: Path) -> None:
    for name, make in (("fifo", os.mkfifo), ("zero", lambda path: Path(path).symlink_to("/dev/zero"))):
        folder = tmp_path / name
        folder.mkdir()
        make(folder / "config.json")
        with pytest.raises(InputError, match="not a regular file"):
            read_config(folder)


HOSTILE = [
    "a\ntouch PWN2\n.gguf",
    "\x1b[31mred-Q4_K_M.gguf",
    "../../etc/m-Q4_K_M.gguf",
    "/etc/m-Q4_K_M.gguf",
    "a//m-Q4_K_M.gguf",
    "right\u202eto-left-Q4_K_M.gguf",
    "",
    5,
    None,
    ["x"],
]


def test_files_with_hostile_names_are_left_out(site: Site) -> None:
    siblings: list[Any] = [{"rfilename": name, "size": 1} for name in HOSTILE]
    siblings += ["text", {"rfilename": "m-Q8_0.gguf", "size": float("inf")}, {"rfilename": "m-Q6_K.gguf"}]
    siblings += [{"rfilename": "m-Q5_K_M.gguf", "size": 5, "lfs": {"sha256": "$(touch x)"}}]
    site.files[f"/api/models/{REPO}"] = json.dumps({"siblings": siblings}).encode()
    assert [(f.path, f.size) for f in list_gguf(REPO)] == [
        ("m-Q8_0.gguf", 0),
        ("m-Q6_K.gguf", 0),
        ("m-Q5_K_M.gguf", 5),
    ]
    assert [f.sha256 for f in client.repository(REPO).files] == ["", "", ""]


@pytest.mark.parametrize("body", [b"", b"[]", b"5", b'{"siblings": 5}', b"[" * 100_000, b"\xff", b"no JSON"])
def test_answers_of_the_hub_that_are_none(site: Site, body: bytes) -> None:
    site.files[f"/api/models/{REPO}"] = site.files["/api/models"] = body
    try:
        assert list_gguf(REPO) == ()
    except InputError as error:
        assert str(error).isprintable()
    try:
        assert client.newest_models("someone", 5) == []
    except InputError as error:
        assert str(error).isprintable()


OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "send",
    [sending(OK, endless=b"[" * 65536), sending(OK, pause=0.1, endless=b" "), sending(b"GARBAGE\r\n\r\n")],
)
def test_a_hub_that_does_not_end(site: Site, monkeypatch: pytest.MonkeyPatch, send: Sender) -> None:
    monkeypatch.setattr(client, "SECONDS", 0.5)
    with raw_server(send) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        began = time.monotonic()
        for ask in (
            lambda: list_gguf("a/b"),
            lambda: fetch_config("a/b"),
            lambda: client.newest_models("a", 1),
        ):
            with pytest.raises(InputError) as caught:
                ask()
            assert str(caught.value).isprintable()
        assert time.monotonic() - began < 6


def test_a_packed_answer_is_not_unpacked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = gzip.compress(b" " * (64 << 20))
    with raw_server(sending(OK[:-2] + b"Content-Encoding: gzip\r\n\r\n" + bomb)) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        with pytest.raises(InputError, match="not JSON"):
            list_gguf("a/b")


def test_a_file_of_a_repository_leads_nowhere_else(site: Site) -> None:
    for path in ("../../../etc/passwd.gguf", "/etc/passwd.gguf", "a\nb.gguf", "a/./b.gguf"):
        with pytest.raises(InputError, match="no file's name"):
            hub.read_hub_gguf(REPO, path)
    assert site.log == []


def test_a_token_that_is_none_is_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_é")
    with pytest.raises(InputError, match="HF_TOKEN holds characters"):
        list_gguf(REPO)
    assert site.log == []


def test_the_token_stays_with_the_hub(site: Site) -> None:
    with serve() as other:
        other.files["/x"] = b"{}"
        for path in ("/o/m/resolve/main/config.json", f"/api/models/{REPO}"):
            site.redirect[path] = f"{other.url}/x"
        fetch_config("o/m")
        list_gguf(REPO)
        assert [head.get("authorization") for _, head in site.log] == ["Bearer hf_secret"] * 2
        assert [head.get("authorization") for _, head in other.log] == [None, None]


@pytest.mark.parametrize("files", [None, 5, [5], [["a", math.inf]], [["../a", 1]], [["a", -1]], [["a", "1"]]])
def test_a_damaged_list_in_the_cache(site: Site, files: Any) -> None:
    site.status = 503
    store_entry("listing", f"{site.url}/{REPO}", {"files": files})
    with pytest.raises(InputError, match="cached list of files is damaged"):
        list_gguf(REPO)


@pytest.mark.parametrize("text", ["https://[::1/x.gguf", "http://[/a/b"])
def test_an_address_that_is_none_names_no_repository(text: str) -> None:
    assert parse_hub_ref(text) is None
