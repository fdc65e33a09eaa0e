"""Sizes, contexts and rates: what people type and what they read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.errors import InputError
from planner.units import (
    GIB,
    MIB,
    context_about,
    context_text,
    gib,
    parse_context,
    parse_size,
    rate_text,
    round_up,
    size_text,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("24GiB", 24 * GIB),
        ("24G", 24 * GIB),
        ("24", 24 * GIB),
        ("24000MiB", 24000 * MIB),
        ("24GB", 24 * 10**9),
        (" 1.5 GiB ", 1536 * MIB),
        ("80gb", 80 * 10**9),
        ("1T", 1024 * GIB),
        ("512b", 512),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "banana", "24XB", "0GiB", "-3GiB", "1e9GiB", "nan", "inf", "9999999T", "1,5G"]
)
def test_bad_sizes_say_how_to_mend(text: str) -> None:
    with pytest.raises(InputError, match="24GiB") as caught:
        parse_size(text, "--ram")
    assert str(caught.value).startswith("--ram")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "tokens"), [("32k", 32768), ("32K", 32768), ("1M", 1 << 20), ("5000", 5000), ("1.5k", 1536)]
)
def test_contexts(text: str, tokens: int) -> None:
    assert parse_context(text) == tokens


@pytest.mark.parametrize("text", ["banana", "0", "-1", "1.5", "32kb", "99999999999", "1e3"])
def test_bad_contexts_say_how_to_mend(text: str) -> None:
    with pytest.raises(InputError, match="for example"):
        parse_context(text, "--context")


@given(st.integers(1, 1 << 50))
def test_bytes_survive_a_round_trip(size: int) -> None:
    assert parse_size(f"{size}b") == size


@given(st.integers(1, 1 << 31))
def test_printed_contexts_parse_back(tokens: int) -> None:
    assert parse_context(context_text(tokens).replace(",", "")) == tokens


@given(st.integers(0, 10**9), st.integers(1, 10**6))
def test_round_up(value: int, multiple: int) -> None:
    rounded = round_up(value, multiple)
    assert rounded % multiple == 0
    assert value <= rounded < value + multiple


def test_printing() -> None:
    assert [context_about(n) for n in (131072, 43520, 700, 1 << 20, 3 << 19)] == [
        "128k",
        "42k",
        "700",
        "1M",
        "1.5M",
    ]
    assert gib(13 * GIB + GIB // 2) == "13.5 GiB"
    assert size_text(300 * MIB) == "300 MiB"
    assert size_text(2 << 40) == "2.00 TiB"
    assert [rate_text(x) for x in (0.417, 7.31, 58.2, 1238)] == ["0.42", "7.3", "58", "1,240"]
