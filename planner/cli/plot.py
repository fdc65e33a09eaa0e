"""Plots to a .png or .svg file: memory and speed over context depth, cumulative cost over months.

matplotlib is an extra (`pip install "open-weight-planner[plot]"`) and imported only here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from planner.errors import InputError
from planner.own_files import expanded
from planner.plan import Placement

if TYPE_CHECKING:
    from planner.api import CostAnswer, DepthPoint
    from planner.plan import Interval, Plan

_GIB: Final = float(1 << 30)
_SUFFIXES: Final = (".png", ".svg")


def checked_path(path: str) -> Path:
    """The file to write. Raises InputError for another ending or a folder that doesn't exist."""
    target = expanded(path)
    if target.suffix.lower() not in _SUFFIXES:
        raise InputError(f"--plot {path}: the name must end in .png or .svg")
    if not target.parent.is_dir():
        raise InputError(f"--plot {path}: there is no folder {target.parent}")
    return target


def check_plot(path: str) -> None:
    """Raise InputError before anything is printed where nothing could be drawn to this file."""
    checked_path(path)
    _figure()


def plot_depth(plan: Plan, path: str) -> None:
    """Draw memory, decode and prefill of a plan over context depth.

    Raises InputError for a file that can't be written, without matplotlib, or where nothing fits.
    """
    from planner.api import engine_title, over_depth

    target = checked_path(path)
    figure_of = _figure()
    points = over_depth(plan)
    if not points:
        raise InputError("--plot: nothing to draw, the plan does not fit at any context")
    figure, axes = figure_of(3, (7.0, 9.0))
    depths = [p.tokens for p in points]
    _draw_memory(axes[0], depths, points, plan)
    _draw_speed(axes[1], depths, [p.speed.decode_tps for p in points], "decode, tokens/s")
    _draw_speed(axes[2], depths, [p.speed.prefill_tps for p in points], "prefill, tokens/s")
    for axis in axes:
        axis.set_xscale("log", base=2)
        axis.set_xticks(depths, [_tokens(d) for d in depths])
        axis.grid(True, alpha=0.3)
    axes[2].set_xlabel("tokens in the context")
    axes[0].set_title(f"{plan.name} {plan.quant} with {engine_title(plan.engine)} on {plan.machine}")
    _save(figure, target)


def plot_cost(answer: CostAnswer, path: str) -> None:
    """Draw what each option has cost by each month. Raises InputError as `plot_depth` does."""
    from planner.api import cost_curves

    target = checked_path(path)
    figure, axes = _figure()(1, (7.0, 4.5))
    for name, points in cost_curves(answer).items():
        axes[0].plot([x for x, _ in points], [y for _, y in points], label=name)
    axes[0].set_xlabel("months")
    axes[0].set_ylabel(f"cumulative cost, {answer.currency}")
    axes[0].set_ylim(bottom=0)
    axes[0].grid(True, alpha=0.3)
    axes[0].legend()
    _save(figure, target)


def _figure() -> Any:
    """A function that makes a figure with n axes below each other."""
    import logging

    # It would tell of its font cache where the home can't be written.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            '--plot needs matplotlib; install it with: pip install "open-weight-planner[plot]"'
        ) from error

    def make(rows: int, size: tuple[float, float]) -> tuple[Any, list[Any]]:
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, 1, squeeze=False)
        return figure, [row[0] for row in axes]

    return make


def _draw_memory(axis: Any, depths: list[int], points: Sequence[DepthPoint], plan: Plan) -> None:
    total = [p.total / _GIB for p in points]
    rest = [(p.total - p.cache) / _GIB for p in points]
    axis.fill_between(depths, 0, rest, alpha=0.35, label="weights, buffers, overhead")
    axis.fill_between(depths, rest, total, alpha=0.35, label="KV cache and state")
    on_gpu = plan.placement is Placement.GPU
    devices = [d for d in plan.memory.devices if d.kind == "gpu" or not on_gpu]
    available = sum(d.available for d in devices if d.weights) / _GIB
    if available:
        axis.axhline(available, linestyle="--", linewidth=1, color="black", label="available")
    axis.set_ylabel("memory, GiB")
    axis.set_ylim(bottom=0)
    axis.legend(loc="lower left")


def _draw_speed(axis: Any, depths: list[int], speeds: list[Interval], label: str) -> None:
    axis.fill_between(
        depths, [s.low for s in speeds], [s.high for s in speeds], alpha=0.25, label="80 % of measurements"
    )
    axis.plot(depths, [s.expected for s in speeds], marker="o", markersize=3, label="expected")
    axis.set_ylabel(label)
    axis.set_ylim(bottom=0)
    axis.legend(loc="lower left")


def _tokens(count: int) -> str:
    return f"{count >> 10}k" if count >= 1024 else str(count)


def _save(figure: Any, target: Path) -> None:
    try:
        figure.savefig(target, dpi=150)
    except OSError as error:
        raise InputError(f"--plot {target}: cannot be written ({error.strerror or error})") from error
