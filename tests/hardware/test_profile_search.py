"""`planner profiles WORDS` finds what a person means, and not what merely holds the letters."""

from __future__ import annotations

import pytest

from planner.hardware.profiles.load import list_profiles


def found(words: str) -> set[str]:
    return {info.id for info in list_profiles(words)}


@pytest.mark.parametrize(
    ("words", "there", "absent"),
    [
        ("4090", {"rtx-4090", "rtx-4090-laptop", "runpod-rtx4090"}, {"rtx-4080"}),
        ("4090 RTX", {"rtx-4090"}, set()),
        ("NVIDIA GeForce RTX4090", {"rtx-4090"}, set()),
        ("mac", {"apple-m4-32gb", "apple-m3-ultra-512gb", "macbook-neo-8gb"}, set()),
        (
            "Mac Studio",
            {"apple-m3-ultra-512gb", "apple-m4-max-128gb"},
            {"apple-m4-32gb", "apple-m4-pro-48gb"},
        ),
        ("macbook", {"apple-m4-max-64gb", "macbook-neo-8gb"}, {"apple-m3-ultra-512gb"}),
        ("64gb max m4", {"apple-m4-max-64gb"}, {"apple-m4-max-128gb"}),
        ("strix", {"strix-halo-395-128", "radeon-890m"}, {"rtx-4090"}),
        ("strixhalo", {"strix-halo-395-128"}, {"radeon-890m"}),
        ("h100", {"h100-sxm", "h100-pcie", "h100-nvl", "oci-h100"}, {"h200-sxm"}),
        ("80gb", {"h100-sxm", "a100-sxm-80"}, {"b200-sxm"}),
        ("b200", {"b200-sxm"}, {"gb200"}),
        ("pi", {"rpi5-16"}, {"xeon-4"}),
        ("3090 24", {"rtx-3090"}, set()),
        ("rtx 40", {"rtx-4090", "rtx-4070"}, {"rtx-3090"}),
    ],
)
def test_words_find_what_is_meant(words: str, there: set[str], absent: set[str]) -> None:
    ids = found(words)
    assert there <= ids
    assert not absent & ids


def test_nothing_but_macs_is_a_mac() -> None:
    assert {info.vendor for info in list_profiles("mac")} == {"apple"}


def test_order_and_case_do_not_matter() -> None:
    assert found("studio MAC m3") == found("m3 mac studio") != set()
    assert found("no such thing") == set()
