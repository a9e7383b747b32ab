"""Month-end projection: least squares on daily spend, with an 80 % prediction interval.

Each complete local day of the window, from the first day with a request on, is a point (x = days since then,
y = spend); days without spend are points too. The fit y = a + b·x by ordinary least squares gives the spend of
the remaining days, with weight w = 1 each and, for today, w = the remaining share of the day. With
c = Σ w·(1, x) over those days, s² the residual variance on n - 2 degrees of freedom, and X the design matrix,

    projected = spent + c·(a, b)
    interval  = projected ± t(0.9, n - 2) · s · sqrt(c'(X'X)⁻¹c + Σ w)

The first term under the root is the uncertainty of a and b, shared by all days; the second is the noise of the
days, independent of each other (Seber & Lee, Linear Regression Analysis, 2nd ed., 5.3). The spend so far is
certain, so neither the projection nor its lower bound is below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

MIN_POINTS: Final = 7
CONFIDENCE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Forecast:
    """A projection in the unit of the points. `days` are the weighted fitted values of the remaining days, and
    `margins` the half-widths of their own intervals: those of single days, which do not add up to that of the month."""

    projected: float
    lower: float
    upper: float
    days: tuple[float, ...]
    margins: tuple[float, ...]


def forecast(points: Sequence[float], *, spent: float, ahead: Sequence[float], weights: Sequence[float]) -> Forecast:
    """Project the sum of `spent` and the remaining days `ahead`.

    :param points: spend of consecutive complete days, x = 0, 1, …; at least `MIN_POINTS`.
    :param ahead: x of the remaining days, today first.
    :param weights: the remaining share of each day.
    """
    if len(points) < MIN_POINTS:
        raise ValueError(f"{len(points)} points are too few: {MIN_POINTS} are needed")
    design = np.column_stack((np.ones(len(points)), np.arange(len(points), dtype=float)))
    spend = np.asarray(points, dtype=float)
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ spend
    freedom = len(points) - 2
    residual = spend - design @ coefficients
    variance = float(residual @ residual) / freedom
    weight = np.asarray(weights, dtype=float)
    future = np.column_stack((np.ones(len(weight)), np.asarray(ahead, dtype=float)))
    combined = weight @ future
    spread = variance * float(combined @ inverse @ combined + weight.sum())
    # Imported here: scipy takes longer to load than the rest of the service, and only projections need it.
    from scipy.special import stdtrit

    quantile = float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
    margin = quantile * spread**0.5
    own = variance * (weight**2 * np.einsum("ij,jk,ik->i", future, inverse, future) + weight)
    projected = spent + float(combined @ coefficients)
    return Forecast(
        projected=max(spent, projected),
        lower=max(spent, projected - margin),
        upper=max(spent, projected + margin),
        days=tuple(float(day) for day in weight * (future @ coefficients)),
        margins=tuple(float(each) for each in quantile * np.sqrt(own)),
    )
