"""Plots: files are written, and what can't be drawn is one clear line."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

import planner
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
    plan = planner.plan("llama-3.1-8b", "rtx-4090")
    plot_cost(planner.cost(plan, planner.CostTerms(months=24, cloud=0.5)), str(tmp_path / "cost.svg"))
    drawn = (tmp_path / "cost.svg").read_text()
    assert len(drawn) > 3000
    assert drawn.count('id="line2d') >= 3, "a line for each: the own machine, the subscription, the rent"


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
