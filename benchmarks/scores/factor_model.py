"""A factor model of published scores: what a model can do, and what each benchmark asks for, with their uncertainty.

A cell's figure y (a column's own mean and spread taken out) is a(column) · θ(model) + d(column) + noise of the column's
own size. θ are FACTORS abilities; before any benchmark they are expected at B · x(model) + u(vendor), with x of
benchmarks/scores/features.py. That expectation is the estimate of a model that nobody measured. Item response at the
level of whole benchmarks, as Epoch's capabilities index has it with one factor; fitted by Gibbs sampling, since every
conditional is normal or inverse gamma.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.scores.cells import Cell
from benchmarks.scores.features import Known

FACTORS: Final = 3
SWEEPS: Final = 1500
BURN_IN: Final = 500
THINNING: Final = 4
_LEAST_SPREAD: Final = 0.15
_LEAST_NOISE: Final = 0.01
_NOISE_SHAPE: Final = 1.5  # inverse gamma: weak, about a seventh of a column's variance
_NOISE_SCALE: Final = 0.225

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Samples:
    """Draws from the posterior, first axis the draw."""

    known: Known
    columns: tuple[str, ...]
    mean: Floats
    """Of each column's cells."""
    spread: Floats
    """Of each column's cells."""
    theta: Floats
    """Draws × models × factors."""
    loading: Floats
    """Draws × columns × factors."""
    offset: Floats
    """Draws × columns."""
    noise: Floats
    """Draws × columns: a cell's standard deviation around what its model should have."""

    def predict(self, column: str, *, seed: int = 1) -> Floats:
        """Return draws × models of what would be measured in a column, on its scale (cells.to_scale)."""
        j = self.columns.index(column)
        expected = self.theta @ self.loading[:, j, :, None]
        drawn = np.random.default_rng([seed, j]).standard_normal(expected.shape[:2])
        y = expected[:, :, 0] + self.offset[:, j, None] + drawn * self.noise[:, j, None]
        return np.asarray(self.mean[j] + self.spread[j] * y)


def fit(cells: Sequence[Cell], known: Known, *, factors: int = FACTORS, seed: int = 0) -> Samples:
    """Return draws from the posterior given the cells."""
    sampler = _Sampler(cells, known, factors, seed)
    draws = []
    for sweep in range(SWEEPS):
        sampler.sweep()
        if sweep >= BURN_IN and sweep % THINNING == 0:
            draws.append((sampler.theta, sampler.loading, sampler.offset, np.sqrt(sampler.noise)))
    theta, loading, offset, noise = (np.array(part) for part in zip(*draws, strict=True))
    return Samples(known, sampler.columns, sampler.mean, sampler.spread, theta, loading, offset, noise)


class _Sampler:
    """The state of the chain; every step draws one block given the others, for all models or columns at once."""

    def __init__(self, cells: Sequence[Cell], known: Known, factors: int, seed: int) -> None:
        self._known, self._k = known, factors
        self._rng = np.random.default_rng(seed)
        self.columns = tuple(sorted({cell.column for cell in cells}))
        place, n, m = known.position, len(known.ids), len(self.columns)
        at = {column: j for j, column in enumerate(self.columns)}
        value, self._seen = np.zeros((n, m)), np.zeros((n, m))
        for cell in cells:
            value[place[cell.model], at[cell.column]] = cell.z
            self._seen[place[cell.model], at[cell.column]] = 1.0
        self._count = self._seen.sum(axis=0)
        self.mean = value.sum(axis=0) / self._count
        off = (value - self.mean) * self._seen
        self.spread = np.maximum(np.sqrt((off**2).sum(axis=0) / self._count), _LEAST_SPREAD)
        self._y = off / self.spread
        self._member = np.eye(known.vendors)[known.vendor]  # models × vendors

        self.theta = np.zeros((n, factors))
        self.theta[:, 0] = 0.5 * known.features[:, 1] + 0.5 * known.features[:, 4]
        self.loading = np.zeros((m, factors))
        self.loading[:, 0] = 0.8
        self.offset, self.noise = np.zeros(m), np.full(m, 0.3)
        self._weights = np.zeros((known.features.shape[1], factors))
        self._vendor = np.zeros((known.vendors, factors))
        self._ability, self._between = np.full(factors, 0.7), np.full(factors, 0.2)  # variances
        # The first factor is the general one: every benchmark is expected to ask for it.
        self._usual, self._looseness = np.zeros(factors + 1), np.full(factors + 1, 0.3)
        self._usual[0], self._looseness[0], self._looseness[-1] = 0.8, 0.1, 4.0

    def sweep(self) -> None:
        """Draw every block once."""
        self._draw_abilities()
        self._draw_columns()
        self._draw_expectations()

    def _draw_abilities(self) -> None:
        prior = self._known.features @ self._weights + self._vendor[self._known.vendor]
        weight = self._seen / self.noise
        square = (self.loading[:, :, None] * self.loading[:, None, :]).reshape(len(self.columns), -1)
        precision = (weight @ square).reshape(-1, self._k, self._k) + np.diag(1 / self._ability)
        pull = (weight * (self._y - self.offset)) @ self.loading + prior / self._ability
        self.theta = self._normal(precision, pull)

    def _draw_columns(self) -> None:
        theta = np.concatenate([self.theta, np.ones((len(self.theta), 1))], axis=1)
        size = self._k + 1
        square = (theta[:, :, None] * theta[:, None, :]).reshape(len(theta), -1)
        precision = (self._seen.T @ square).reshape(-1, size, size) / self.noise[:, None, None]
        precision = precision + np.diag(1 / self._looseness)
        pull = (self._y.T @ theta) / self.noise[:, None] + self._usual / self._looseness
        drawn = self._normal(precision, pull)
        self.loading, self.offset = drawn[:, :-1], drawn[:, -1]
        left = (self._y - self.theta @ self.loading.T - self.offset) * self._seen
        self.noise = self._variance(_NOISE_SHAPE, _NOISE_SCALE, (left**2).sum(axis=0), self._count)
        self.noise = np.maximum(self.noise, _LEAST_NOISE)

    def _draw_expectations(self) -> None:
        x, member = self._known.features, self._member
        for k in range(self._k):
            of_features = self.theta[:, k] - self._vendor[self._known.vendor, k]
            precision = x.T @ x / self._ability[k] + 0.5 * np.eye(x.shape[1])
            self._weights[:, k] = self._normal(precision[None], (x.T @ of_features / self._ability[k])[None])[
                0
            ]
            left = self.theta[:, k] - x @ self._weights[:, k]
            certainty = member.sum(axis=0) / self._ability[k] + 1 / self._between[k]
            centre = (member.T @ left) / self._ability[k] / certainty
            self._vendor[:, k] = centre + self._rng.standard_normal(len(centre)) / np.sqrt(certainty)
            left = left - self._vendor[self._known.vendor, k]
            within = (self._vendor[:, k] ** 2).sum()
            self._between[k] = self._variance(2.0, 0.4, within, float(len(centre)))
            self._ability[k] = min(self._variance(2.0, 0.6, (left**2).sum(), float(len(left))), 1.0)

    def _normal(self, precision: Floats, pull: Floats) -> Floats:
        """Draw from normals given as precision matrices and precision × mean, one a row."""
        lower = np.linalg.cholesky(precision)
        mean = np.linalg.solve(precision, pull[..., None])
        drawn = self._rng.standard_normal(pull.shape)[..., None]
        return np.asarray((mean + np.linalg.solve(np.swapaxes(lower, -1, -2), drawn))[..., 0])

    def _variance(self, shape: float, scale: float, squares: Floats, count: Floats | float) -> Floats:
        """Draw variances from their inverse gamma, given sums of squares of so many residuals."""
        return np.asarray((scale + 0.5 * squares) / self._rng.gamma(shape + 0.5 * np.asarray(count)))
