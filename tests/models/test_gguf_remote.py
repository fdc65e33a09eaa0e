"""GGUF headers over HTTP: few requests, little read, the cache, and servers that misbehave."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf_bytes as w
import pytest

from planner import bounded_http
from planner.errors import InputError
from planner.models.gguf.header import GgufHeader, read_gguf
from planner.models.hub import gguf_header as remote
from planner.models.hub import range_request as remote_http
from planner.models.hub.cache import load_entry, store_entry
from planner.models.hub.gguf_header import read_remote_gguf
from tests.file_server import Site, serve

ARCH = w.pair("general.architecture", w.STRING, "llama")
DATA = 24 << 20


def _model(tokens: int = 150_000) -> bytes:
    pairs = [
        ARCH,
        w.array("tokenizer.ggml.tokens", w.STRING, [f"token{i}" for i in range(tokens)]),
        w.array("rope.sections", w.I32, [1, 2, 3]),
    ]
    infos = [w.info("a", [1 << 20, 3], 0, 0), w.info("b", [1 << 20, 3], 0, 3 << 22)]
    return w.padded(w.header(pairs, infos), data=DATA)


MODEL = _model()
SMALL = _model(10)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with serve() as site:
        site.files = {"/m.gguf": MODEL, "/small.gguf": SMALL}
        yield site


def _same(header: GgufHeader, raw: bytes, tmp_path: Path) -> bool:
    path = tmp_path / "local.gguf"
    path.write_bytes(raw)
    local = read_gguf(path)
    return (header.metadata, header.tensors, header.file_size, header.data_offset) == (
        local.metadata,
        local.tensors,
        local.file_size,
        local.data_offset,
    )


def test_one_request_that_ends_with_the_header(site: Site, tmp_path: Path) -> None:
    header = read_remote_gguf(site.url + "/m.gguf")
    assert _same(header, MODEL, tmp_path)
    assert len(site.log) == 1
    assert header.data_offset > 2 << 20
    assert site.sent < len(MODEL) // 2  # the weights stay where they are
    assert header.source == site.url + "/m.gguf"


def settled(site: Site) -> int:
    """Bytes that the server sent, once it has noticed that the reader closed."""
    sent = -1
    while sent != site.sent:
        sent = site.sent
        time.sleep(0.1)
    return sent


def _settled(site: Site) -> int:
    """Bytes sent, once the server has noticed that the reader went away."""
    sent = -1
    while sent != site.sent:
        sent = site.sent
        time.sleep(0.1)
    return sent


def test_the_cache_answers_while_the_etag_holds(site: Site, tmp_path: Path) -> None:
    first = read_remote_gguf(site.url + "/m.gguf")
    sent = settled(site)
    second = read_remote_gguf(site.url + "/m.gguf")
    assert second == first
    assert site.log[-1][1]["if-none-match"] == '"v1"'
    assert settled(site) == sent
    site.etag, site.files["/m.gguf"] = '"v2"', SMALL
    third = read_remote_gguf(site.url + "/m.gguf")
    assert _same(third, SMALL, tmp_path)


def test_without_a_network_the_cache_answers(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    url = site.url + "/small.gguf"
    first = read_remote_gguf(url)
    site.status = 503
    assert read_remote_gguf(url) == first
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    requests = len(site.log)
    assert read_remote_gguf(url) == first
    assert len(site.log) == requests
    with pytest.raises(InputError, match="not in the cache, and HF_HUB_OFFLINE"):
        read_remote_gguf(site.url + "/m.gguf")


def test_without_network_and_cache_one_clear_line(site: Site) -> None:
    with pytest.raises(InputError, match=r"cannot reach 127\.0\.0\.1:1: .*check the network"):
        read_remote_gguf("http://127.0.0.1:1/m.gguf")


def test_a_damaged_cache_is_ignored(site: Site, tmp_path: Path) -> None:
    first = read_remote_gguf(site.url + "/small.gguf")
    (entry,) = (tmp_path / "cache" / "planner" / "gguf").glob("*.json")
    text = entry.read_text()
    for damaged in ("", "[]", text[:50], text.replace('"tensors"', '"x"'), text.replace(": 3", ': "a"')):
        entry.write_text(damaged)
        assert read_remote_gguf(site.url + "/small.gguf") == first


def test_an_unwritable_cache_costs_nothing(site: Site, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert _same(read_remote_gguf(site.url + "/small.gguf"), SMALL, tmp_path)


def test_a_server_without_ranges_is_read_only_as_far_as_needed(site: Site, tmp_path: Path) -> None:
    site.ranges = False
    assert _same(read_remote_gguf(site.url + "/m.gguf"), MODEL, tmp_path)
    assert len(site.log) == 1
    assert site.sent < len(MODEL) // 2


def test_an_answer_without_a_length(site: Site, tmp_path: Path) -> None:
    site.ranges, site.chunked, site.etag = False, True, None
    header = read_remote_gguf(site.url + "/m.gguf")
    assert header.file_size == len(MODEL)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_dropped_connection_is_resumed(site: Site, tmp_path: Path, ranges: bool) -> None:
    site.drop_after, site.ranges = (1200 << 10, True) if ranges else (1 << 30, False)
    assert _same(read_remote_gguf(site.url + "/m.gguf"), MODEL, tmp_path)
    asked = site.ranges_asked()
    assert len(asked) <= 3
    if ranges:
        assert len(asked) > 1
        assert asked[1] == f"bytes={1200 << 10}-{(64 << 20) - 1}"


def test_a_server_that_always_drops_gets_three_requests(site: Site) -> None:
    site.drop_after = 1000
    with pytest.raises(InputError, match="broke 3 times"):
        read_remote_gguf(site.url + "/m.gguf")
    assert len(site.log) == 3


def test_a_file_that_changes_while_it_is_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.drop_after = 1200 << 10
    asked = remote._Reader.ask

    def change(self: remote._Reader, start: int) -> remote_http.Answer:
        if start:
            site.etag = '"v2"'
        return asked(self, start)

    monkeypatch.setattr(remote._Reader, "ask", change)
    with pytest.raises(InputError, match="changed while it was read"):
        read_remote_gguf(site.url + "/m.gguf")


@pytest.mark.parametrize("wrong", ["bytes 5-9/100", "bytes */100", "pages 0-9/100", "", "bytes 0-200/100"])
def test_a_range_that_was_not_asked_for(site: Site, wrong: str) -> None:
    site.content_range = wrong or "x"
    with pytest.raises(InputError, match=r"another range|no usable Content-Range"):
        read_remote_gguf(site.url + "/m.gguf")


def test_a_length_that_is_too_short(site: Site) -> None:
    site.ranges, site.claim = False, 5000
    with pytest.raises(InputError, match="truncated"):
        read_remote_gguf(site.url + "/m.gguf")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "hf auth login"),
        (403, "hf auth login"),
        (404, "not found"),
        (410, "not found"),
        (416, "shorter than a header"),
        (418, "answered 418"),
        (429, "too many requests"),
        (500, "server failed"),
    ],
)
def test_refusals(site: Site, status: int, words: str) -> None:
    site.status = status
    with pytest.raises(InputError, match=words) as caught:
        read_remote_gguf(site.url + "/m.gguf")
    assert "\n" not in str(caught.value)


def test_redirects_never_carry_the_token_to_another_host(site: Site, tmp_path: Path) -> None:
    with serve() as storage:
        storage.files = {"/blob": SMALL}
        site.redirect = {"/resolve/m.gguf": "/moved", "/moved": storage.url + "/blob"}
        header = read_remote_gguf(site.url + "/resolve/m.gguf", {"Authorization": "Bearer secret"})
        assert _same(header, SMALL, tmp_path)
        assert [h.get("authorization") for _, h in site.log] == ["Bearer secret"] * 2
        assert "authorization" not in storage.log[0][1]
        # The hub's own ETag is the one that is remembered.
        read_remote_gguf(site.url + "/resolve/m.gguf")
        assert site.log[-1][1]["if-none-match"] == '"linked"'
        assert len(storage.log) == 2


def test_redirects_end(site: Site) -> None:
    site.redirect = {"/m.gguf": "/m.gguf"}
    with pytest.raises(InputError, match="more than 6 redirects"):
        read_remote_gguf(site.url + "/m.gguf")
    site.redirect = {"/m.gguf": "file:///etc/passwd"}
    with pytest.raises(InputError, match="not an http"):
        read_remote_gguf(site.url + "/m.gguf")


def test_a_slow_server_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "DEADLINE", 0.4)
    site.pause = 0.1
    with pytest.raises(InputError, match="too slow"):
        read_remote_gguf(site.url + "/m.gguf")


def test_a_silent_server_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "TIMEOUT", 0.2)
    site.pause = 0.6
    with pytest.raises(InputError, match=r"broke|no answer"):
        read_remote_gguf(site.url + "/m.gguf")


@pytest.mark.parametrize("url", ["ftp://example.org/m.gguf", "http:///m.gguf", "https://"])
def test_addresses_of_other_kinds(site: Site, url: str) -> None:
    with pytest.raises(InputError, match="not an http"):
        read_remote_gguf(url)


def test_a_web_page_is_no_model(site: Site) -> None:
    site.files["/page.gguf"] = b"<!doctype html><html>Please log in</html>" * 10
    with pytest.raises(InputError, match="not a GGUF file"):
        read_remote_gguf(site.url + "/page.gguf")


def test_a_split_model_and_odd_names(site: Site) -> None:
    def shard(no: int, infos: list[bytes]) -> bytes:
        said = [w.pair("split.no", w.U16, no), w.pair("split.count", w.U16, 2)]
        return w.padded(w.header([*([ARCH] if no == 0 else []), *said], infos), data=256)

    site.files = {
        "/a%20b/m%2BQ8_0-00001-of-00002.gguf": shard(0, []),
        "/a%20b/m%2BQ8_0-00002-of-00002.gguf": shard(1, [w.info("x", [64], 0, 0)]),
    }
    seen: list[str] = []
    url = site.url + "/a%20b/m%2BQ8_0-00001-of-00002.gguf?download=true"
    header = read_remote_gguf(url, progress=seen.append)
    assert (header.shards, [t.shard for t in header.tensors]) == (2, [1])
    assert len(seen) == 2
    del site.files["/a%20b/m%2BQ8_0-00002-of-00002.gguf"]
    with pytest.raises(InputError, match="not found"):
        read_remote_gguf(url.replace("download=true", ""))


DAMAGE: list[tuple[list[Any], Any]] = [
    (["header", "tensors", 0, 4], math.inf),
    (["header", "tensors", 0, 4], -5),
    (["header", "tensors", 0, 4], 0),
    (["header", "tensors", 0, 4], 12),
    (["header", "tensors", 0, 3], 1 << 60),
    (["header", "tensors", 0, 1], [1 << 40, 1 << 40]),
    (["header", "tensors", 0, 1], [math.inf]),
    (["header", "tensors", 0, 1], 5),
    (["header", "tensors", 0, 2], [1]),
    (["header", "tensors", 0, 0], None),
    (["header", "tensors"], "x"),
    (["header", "metadata", "tokenizer.ggml.tokens"], {"of": "string", "length": math.inf}),
    (["header", "metadata", "tokenizer.ggml.tokens"], [["nested"]]),
    (["header", "metadata"], []),
    (["header", "alignment"], 0),
    (["header", "data_size"], math.nan),
    (["size"], math.inf),
    (["size"], "12"),
    (["etag"], ["a"]),
    (["etag"], "a\r\nX: y"),
    (["header"], None),
]


@pytest.mark.parametrize(("where", "value"), DAMAGE, ids=[f"{w[-1]}-{v}"[:40] for w, v in DAMAGE])
def test_a_damaged_entry_of_the_cache_is_read_again(
    site: Site, tmp_path: Path, where: list[Any], value: Any
) -> None:
    url = site.url + "/m.gguf"
    read_remote_gguf(url)
    entry: Any = load_entry("gguf", url)
    part = entry
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = value
    store_entry("gguf", url, entry)
    assert _same(read_remote_gguf(url), MODEL, tmp_path)
    assert "if-none-match" not in site.log[-1][1]


def test_a_dropped_connection_is_told_with_one_address(site: Site) -> None:
    site.drop_after = 1000
    site.chunked = True
    with pytest.raises(InputError) as caught:
        read_remote_gguf(site.url + "/m.gguf")
    assert str(caught.value).count(site.url) == 1


def test_the_cache_answers_when_the_connection_breaks(site: Site) -> None:
    url = site.url + "/m.gguf"
    first = read_remote_gguf(url)
    site.etag, site.drop_after = '"v2"', 1000
    assert read_remote_gguf(url) == first


def test_unchanged_without_having_been_asked(site: Site) -> None:
    site.status = 304
    with pytest.raises(InputError, match="answered 304 to a question without a condition"):
        read_remote_gguf(site.url + "/m.gguf")


def test_the_files_of_a_split_model_have_one_time_together(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "ALL_SECONDS", 0.5)
    site.pause = 0.2
    pairs = [ARCH, w.pair("split.count", w.U16, 900)]
    for no in range(900):
        site.files[f"/m-{no + 1:05d}-of-00900.gguf"] = w.header([*pairs, w.pair("split.no", w.U16, no)])
    began = time.monotonic()
    with pytest.raises(InputError, match="too slow"):
        read_remote_gguf(site.url + "/m-00001-of-00900.gguf")
    assert time.monotonic() - began < 3
