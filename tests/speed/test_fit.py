"""The fit itself, on data whose truth is known; and the shipped file against the data it states."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("scipy")

# below the skips: these modules import numpy and scipy themselves
from benchmarks.speed_model_fit import DECODE, PREFILL, design, fit, predict, prior_width  # noqa: E402
from planner.speed.terms import Term  # noqa: E402


def observation(card: str, base: float, true: float, weight: float = 1.0) -> tuple[list[Term], float, float]:
    effects = (("w", 1.0), ("w@ada", 1.0), (f"w@@{card}", 1.0))
    return [Term("w", base, effects), Term("l", 1e-4, (("l", 1.0),))], true, weight


def test_effects_and_overhead_are_recovered() -> None:
    rng = np.random.default_rng(1)
    seconds = np.exp(rng.uniform(np.log(1e-4), np.log(3e-2), 60))
    truth = seconds / 0.8 + 4e-4  # 80 % of the bandwidth, and 0.4 ms a token
    d = design(
        [observation(f"c{i % 3}", b, t) for i, (b, t) in enumerate(zip(seconds, truth, strict=True))], DECODE
    )
    error = predict(d, fit(d))[0] - np.log(truth)
    assert np.max(np.abs(error)) < 0.04


def test_one_wild_row_moves_nothing() -> None:
    seconds = np.geomspace(2e-3, 3e-2, 20)
    rows = [observation("c", b, b / 0.75) for b in seconds]
    d = design(rows, DECODE)
    before = predict(d, fit(d))[0]
    wild = design([*rows[:-1], observation("c", seconds[-1], seconds[-1] * 20)], DECODE)
    after = predict(wild, fit(wild))[0]
    assert np.max(np.abs(before - after)) < 0.03


def test_an_odd_card_is_shrunk_towards_its_generation() -> None:
    rows = [observation(f"c{i % 6}", 1e-2, 1.25e-2) for i in range(60)]
    rows += [observation("odd", 1e-2, 2.5e-2) for _ in range(3)]
    d = design(rows, DECODE)
    predicted = np.exp(predict(d, fit(d))[0])
    assert 1.25e-2 < predicted[-1] < 2.5e-2


def test_left_out_rows_do_not_count() -> None:
    rows = [observation(f"c{i % 6}", 1e-2, 1.25e-2) for i in range(30)]
    rows += [observation("odd", 1e-2, 2.5e-2) for _ in range(5)]
    d = design(rows, DECODE)
    keep = np.array([1.0] * 30 + [0.0] * 5)
    assert np.exp(predict(d, fit(d, keep))[0][-1]) == pytest.approx(1.25e-2, rel=0.05)


def test_narrower_levels_may_move_less() -> None:
    for widths in (DECODE, PREFILL):
        part, vendor = prior_width("w", widths), prior_width("w@nvidia", widths)
        generation, card = prior_width("w@ada", widths), prior_width("w@@rtx-4090", widths)
        assert part > vendor > 0 and vendor >= generation and card < part


def test_the_shipped_file_was_fitted_from_the_shipped_rows() -> None:
    from benchmarks.fit_speed import rows_of
    from benchmarks.speed_rows import data_files, load
    from planner.speed.coefficients import PATH

    shipped = json.loads(Path(PATH).read_text(encoding="utf-8"))
    cases, _ = load(data_files())
    # a card that joins the catalogue may name a few more rows; beyond that the fit must be run again
    assert abs(shipped["rows"] - len(cases)) <= 0.01 * len(cases)
    rows = rows_of(cases, "prefill")
    d = design([(r.terms, r.seconds, r.weight) for r in rows], PREFILL)
    effects = shipped["prefill"]["effects"]
    here, there = (predict(d, b)[0] for b in (fit(d), np.array([effects.get(n, 0.0) for n in d.names])))
    # a profile that is corrected moves its own rows, not the others
    assert np.quantile(np.abs(here - there), 0.9) < 0.03


def test_the_measurements_that_plans_show_are_those_of_the_shipped_rows() -> None:
    from benchmarks.measured_speeds import rows
    from benchmarks.speed_rows import data_files, load
    from planner.speed.measured import PATH

    shipped = json.loads(PATH.read_text(encoding="utf-8"))["rows"]
    found = rows(load(data_files())[0])
    assert shipped == found, "run python -m benchmarks.measured_speeds"
