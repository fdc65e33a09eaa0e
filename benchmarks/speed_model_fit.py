"""The fit: hierarchical, robust least squares on log times (maximum a posteriori).

A time is a sum of terms, each `seconds × exp(effects)`. Every effect has a Gaussian prior around zero (the
parts' own levels around a stated start) whose width says how far a narrower level may move from a wider one:
that is the shrinkage. Residuals are weighted as under a Student t (iteratively), so that a wrong row can't
pull a card.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from planner.speed.terms import Term

SIGMA = 0.10  # spread of clean repeated measurements, log scale
TAIL = 4.0  # degrees of freedom of the robust weights
START = {"w": 0.25, "k": 0.4, "s": 0.4, "b": 0.7, "a": 0.7, "i": 0.7, "P": 0.8, "X": 0.4, "A": 1.2, "B": 0.25,
         "hw": 0.4, "hx": 0.0, "H": 0.5, "x": 0.15, "O": 0.3, "C": 0.3, "cb": 0.3}  # fmt: skip
VENDORS = frozenset({"nvidia", "amd", "intel", "apple", "other"})
MEMORIES = frozenset({"hbm", "gddr", "unified", "nvlink", "pcie", "network", "desktop", "server", "small"})
HOST = frozenset({"hw", "hx", "hc", "H"})  # a processor's kernels differ more by quantisation than a GPU's
OVERHEADS = frozenset(["l", "m", "r", "t", "q", "c", "p", "L", "R", "XL", "hh"])
LINKS = frozenset(["C", "cb"])  # bytes over a link: a data sheet's rate less its protocol, no more
ATTENTION = frozenset(
    ["k", "a", "A"]
)  # its kernels are a backend's own, and differ more than matrix products do


# Standard deviations of the levels, log scale; chosen by the errors on left-out rows and hardware.
DECODE = {
    "part": 0.8, "vendor": 0.08, "memory": 0.5, "vendor backend": 0.05, "generation": 0.03, "backend": 0.02,
    "card": 0.04, "card backend": 0.02, "engine": 0.4, "engine generation": 0.03, "kind": 0.06,
    "kind vendor": 0.03, "kind backend": 0.015, "year": 0.2, "covariate": 0.1, "method": 0.6, "variant": 0.3,
    "overhead": 1.2, "host kind": 0.25, "host arithmetic": 0.6, "attention": 3.0, "link": 0.2, "arithmetic": 0.2,
}  # fmt: skip
PREFILL = {
    "part": 0.8, "vendor": 0.2, "memory": 0.2, "vendor backend": 0.3, "generation": 0.15, "backend": 0.15,
    "card": 0.12, "card backend": 0.08, "engine": 0.5, "engine generation": 0.2, "kind": 0.15,
    "kind vendor": 0.15, "kind backend": 0.15, "year": 0.3, "covariate": 0.2, "method": 0.6, "variant": 0.5,
    "overhead": 1.0, "host kind": 0.25, "host arithmetic": 0.6, "attention": 2.0, "link": 0.3, "arithmetic": 0.2,
}  # fmt: skip


def prior_width(name: str, widths: Mapping[str, float]) -> float:
    """Standard deviation of an effect around zero, by the level that its name shows."""
    part = re.split(r"[@#:~%+/-]", name, maxsplit=1)[0]
    wide = widths["overhead"] if part in OVERHEADS else widths["attention"] if part in ATTENTION else 1.0
    if part in LINKS:
        return widths["link"]
    if part == "a":  # beside the bytes of the same cache, which every row has as well
        return widths["arithmetic"]
    if "~year" in name:
        return widths["year"] * wide
    if "~" in name:
        return widths["covariate"]
    if "%" in name:
        return widths["method"]
    if "@@" in name:
        return widths["card backend" if "+" in name.split("@@")[1] else "card"] * wide
    if ":" in name and part in HOST:
        return widths["host arithmetic" if part == "hc" else "host kind"]
    if ":" in name:
        return widths["kind backend" if "+" in name else "kind vendor" if "@" in name else "kind"]
    if "#" in name:
        return widths["engine generation" if "@" in name else "engine"] * wide
    if "@" in name:
        group = name.split("@")[1]
        if "+" in group:
            return widths["vendor backend" if group.split("+")[0] in VENDORS else "backend"] * wide
        level = "vendor" if group in VENDORS else "memory" if group in MEMORIES else "generation"
        return widths[level] * wide
    if any(c in name for c in "/+-"):
        return widths["variant"]
    return widths["part"]


@dataclass
class Design:
    """All terms of all observations, as one sparse problem."""

    names: list[str]
    x: Any  # terms × effects
    base: Any  # log seconds of each term
    owner: Any  # observation of each term
    target: Any  # log seconds measured
    weight: Any
    start: Any
    width: Any

    @property
    def size(self) -> int:
        """Number of observations."""
        return len(self.target)


def design(observations: Sequence[tuple[list[Term], float, float]], widths: Mapping[str, float]) -> Design:
    """The problem of observations given as (terms, measured seconds, weight)."""
    index: dict[str, int] = {}
    rows: list[int] = []
    cols: list[int] = []
    values: list[float] = []
    base: list[float] = []
    owner: list[int] = []
    for i, (terms, _, _) in enumerate(observations):
        for term in terms:
            if term.seconds <= 0:
                continue
            m = len(base)
            base.append(np.log(term.seconds))
            owner.append(i)
            for name, value in term.effects:
                rows.append(m)
                cols.append(index.setdefault(name, len(index)))
                values.append(value)
    names = list(index)
    x = sparse.csc_matrix((values, (rows, cols)), shape=(len(base), len(names)))
    names, x = _useful(names, x, np.array(owner), widths)
    return Design(
        names=names,
        x=x,
        base=np.array(base),
        owner=np.array(owner),
        target=np.log([t for _, t, _ in observations]),
        weight=np.array([w for _, _, w in observations]),
        start=np.array([START.get(n, 0.0) for n in names]),
        width=np.array([prior_width(n, widths) for n in names]),
    )


def _useful(names: list[str], x: Any, owner: Any, widths: Mapping[str, float]) -> tuple[list[str], Any]:
    """Only effects that at least three observations know, and one of several that always come together."""
    seen: dict[bytes, int] = {}
    keep: list[int] = []
    order = sorted(range(len(names)), key=lambda i: -prior_width(names[i], widths))
    for i in order:
        column = slice(x.indptr[i], x.indptr[i + 1])
        if len(set(owner[x.indices[column]])) < 3:
            continue
        key = x.indices[column].tobytes() + x.data[column].tobytes()
        if key not in seen:
            seen[key] = i
            keep.append(i)
    keep.sort()
    return [names[i] for i in keep], x[:, keep].tocsr()


def predict(d: Design, beta: Any) -> tuple[Any, Any]:
    """Log seconds of each observation, and each term's share of its observation's time."""
    eta = np.clip(d.base + d.x @ beta, -60, 20)
    t = np.exp(eta)
    total = np.bincount(d.owner, t, minlength=d.size)
    return np.log(total), t / total[d.owner]


def fit(d: Design, keep: Any = None, beta: Any = None, iterations: int = 60) -> Any:
    """Effects that explain the observations where `keep`; `beta` starts the iteration."""
    weight = d.weight if keep is None else d.weight * keep
    b = d.start.copy() if beta is None else beta.copy()
    gather = sparse.csr_matrix(
        (np.ones(len(d.owner)), (d.owner, np.arange(len(d.owner)))), (d.size, len(d.owner))
    )
    precision = 1.0 / d.width**2

    def loss(at: Any) -> float:
        r = d.target - predict(d, at)[0]
        tail = 0.5 * (TAIL + 1) * np.log1p(r**2 / (TAIL * SIGMA**2))
        return float(weight @ tail + 0.5 * precision @ (at - d.start) ** 2)

    current = loss(b)
    damping = 1.0
    for _ in range(iterations):
        value, share = predict(d, b)
        r = d.target - value
        w = weight * (TAIL + 1) / (TAIL * SIGMA**2 + r**2)
        j = gather @ sparse.diags(share) @ d.x
        h = (j.T @ sparse.diags(w) @ j).toarray() + np.diag(precision)
        g = j.T @ (w * r) - precision * (b - d.start)
        step = np.linalg.solve(h + damping * 0.05 * np.diag(np.diag(h)), g)
        step = np.clip(step, -0.7, 0.7)
        scale = 1.0
        for _ in range(6):
            trial = loss(b + scale * step)
            if trial < current:
                break
            scale /= 2
        else:
            break
        b = b + scale * step
        damping = max(0.02, damping * (0.4 if scale == 1.0 else 2))
        if current - trial < 1e-3:
            break
        current = trial
    return b
