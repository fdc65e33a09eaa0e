"""Numbers that JSON, TOML and text can hold and that are none."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.outside_numbers import MAX_BYTES, digits, elements, real, size, whole

NONE = [None, True, "1", "", [1], {}, math.inf, -math.inf, math.nan, 10**400, -(10**400), 1e300]


@pytest.mark.parametrize("value", NONE, ids=lambda v: str(v)[:12])
def test_what_is_no_number(value: object) -> None:
    assert whole(value) is None
    assert size(value) is None
    assert real(value, 0, 1e12) is None
    assert elements([2, value]) is None


def test_bounds() -> None:
    assert whole(5.0) == 5 and isinstance(whole(5.0), int)
    assert whole(5.5) is None and whole(-1) is None and whole(-1, -1) == -1 and whole(7, 0, 6) is None
    assert (
        size(0) is None and size(-1) is None and size(MAX_BYTES) == MAX_BYTES and size(MAX_BYTES + 1) is None
    )
    assert real(0.5, 0, 1) == 0.5 and real(1.01, 0, 1) is None and real(2, 0, 10) == 2.0
    assert elements([]) == 1 and elements([3, 4]) == 12 and elements([0, 5]) == 0
    assert elements([1 << 30] * 3) is None


def test_digits() -> None:
    assert digits("0042") == 42 and digits("12", 11) is None
    for text in ("", "+1", "-1", "1.0", "²", "٣", "1_0", " 1", "9" * 5000):
        assert digits(text) is None


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()), st.lists, max_leaves=5
)


@given(JSON)
def test_nothing_raises(value: object) -> None:
    for found in (whole(value), size(value), elements([value])):
        assert found is None or 0 <= found <= MAX_BYTES
    number = real(value, -10.0, 10.0)
    assert number is None or -10 <= number <= 10
