"""Questions to servers that misbehave: bounded in bytes and seconds, one line each, and no key leaves its host."""

from __future__ import annotations

import gzip
import resource
import time

import pytest

from planner.bounded_http import MAX_REDIRECTS, NoAnswerError, open_url, origin
from planner.errors import InputError
from tests.file_server import serve
from tests.raw_server import raw_server, sending

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
KEY = {"Authorization": "Bearer SECRET"}
MIB = 1 << 20


def ask(url: str, seconds: float = 5.0, most: int = MIB, redirects: int = 0) -> bytes:
    with open_url(url, {}, KEY, seconds, redirects=redirects) as answer:
        return answer.whole(most)


def test_a_whole_answer_and_its_status() -> None:
    with serve() as site:
        site.files["/a"] = b"text"
        assert ask(site.url + "/a") == b"text"
        with open_url(site.url + "/none", {}, KEY, 5) as answer:
            assert answer.status == 404
        assert site.log[0][1]["authorization"] == "Bearer SECRET"
        assert site.log[0][1]["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GARBAGE\x1b[31m\r\n\r\n"],
        [b"HTTP/1.1 99999 what\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n"],
        [b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70000 + b"\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc"],
        [b""],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"],
    ],
    ids=["garbage", "status", "headers", "long header", "chunk size", "short chunk", "nothing", "short body"],
)
def test_a_broken_answer_is_one_line(pieces: list[bytes]) -> None:
    with raw_server(sending(*pieces)) as server:
        try:
            assert ask(server.url) == b"abc"  # a body that ends early is what came of it
        except NoAnswerError as error:
            assert str(error).isprintable() and len(str(error)) < 400


@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\nA: ", OK, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1"]
)
def test_dripping_ends_with_the_time_that_was_given(start: bytes) -> None:
    with raw_server(sending(start, pause=0.05, endless=b"1")) as server:
        began = time.monotonic()
        with pytest.raises(NoAnswerError):
            ask(server.url, seconds=0.6)
        assert time.monotonic() - began < 2


def test_an_endless_answer_ends_with_the_bytes_that_were_given() -> None:
    with (
        raw_server(sending(OK, endless=b"x" * 65536)) as server,
        pytest.raises(InputError, match="more than 1 MiB"),
    ):
        ask(server.url)


def test_a_small_answer_does_not_become_a_large_one() -> None:
    bomb = gzip.compress(b"0" * (64 * MIB))
    with raw_server(sending(OK[:-2] + b"Content-Encoding: gzip\r\n\r\n" + bomb)) as server:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert ask(server.url) == bomb
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024  # KiB


def test_no_key_along_a_redirect_to_another_host() -> None:
    with serve() as one, serve() as other:
        one.redirect["/to-other"] = f"{other.url}/a"
        one.redirect["/to-self"] = "/a"
        one.files["/a"] = other.files["/a"] = b"x"
        assert ask(f"{one.url}/to-other", redirects=3) == b"x"
        assert "authorization" in one.log[0][1]
        assert "authorization" not in other.log[0][1]
        assert ask(f"{one.url}/to-self", redirects=3) == b"x"
        assert one.log[-1][1]["authorization"] == "Bearer SECRET"


def test_redirects_that_are_not_followed() -> None:
    with serve() as site:
        site.redirect["/round"] = "/round"
        with pytest.raises(InputError, match=f"more than {MAX_REDIRECTS} redirects"):
            ask(f"{site.url}/round", redirects=MAX_REDIRECTS)
        with open_url(f"{site.url}/round", {}, KEY, 5) as answer:
            assert answer.status == 302
        for target in ("file:///etc/passwd", "ftp://127.0.0.1/x", "http://a b/", "http://[::1", "//"):
            site.redirect["/away"] = target
            with pytest.raises(InputError) as caught:
                ask(f"{site.url}/away", redirects=3)
            assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "url", ["", "file:///etc/passwd", "http://", "http://a b", "http://[::1", "http://a:99999", "http://a\n/"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(InputError, match="is not an http") as caught:
        ask(url)
    assert str(caught.value).isprintable()


def test_origins() -> None:
    assert origin("http://a") == origin("http://A:80/x") != origin("https://a:80")
    assert origin("https://a/") == ("https", "a", 443)


def test_nobody_there_is_one_line() -> None:
    with raw_server(sending()) as server:
        gone = server.url
    with pytest.raises(NoAnswerError, match=r"cannot reach 127\.0\.0\.1:\d+: Connection refused"):
        ask(gone)
