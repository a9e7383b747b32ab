"""The month-end sum: least squares on daily spend, with an 80 % prediction interval (features row 14).

Each complete local day of the window, from the first day with a request on, is a point (x = days since then,
y = spend); days without spend are points too. The fit y = a + b·x by ordinary least squares gives the spend of
the days that are left, with weight w = 1 each and, for today, w = the share of the day that is left. With
c = Σ w·(1, x) over those days, s² the residual variance on n - 2 degrees of freedom, and X the design matrix,

    projected = spent + c·(a, b)
    interval  = projected ± t(0.9, n - 2) · s · sqrt(c'(X'X)⁻¹c + Σ w)

The first term under the root is the uncertainty of a and b, which all days share; the second the noise of the
days themselves, independent of each other (Seber & Lee, Linear Regression Analysis, 2nd ed., 5.3). What is
already spent is certain, so neither the projection nor its lower end falls below it.
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
    """Amounts in the unit of the points. `days` are the fitted values of the days left, weights applied."""

    projected: float
    lower: float
    upper: float
    days: tuple[float, ...]


def forecast(points: Sequence[float], *, spent: float, ahead: Sequence[float], weights: Sequence[float]) -> Forecast:
    """Project the sum of `spent` and the days `ahead`.

    :param points: spend of consecutive complete days, x = 0, 1, …; at least `MIN_POINTS`.
    :param ahead: x of the days that are left, the rest of today first.
    :param weights: the share of each that is left.
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
    # Loading it takes longer than the rest of the service; only projections need it.
    from scipy.special import stdtrit

    margin = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * spread**0.5
    projected = spent + float(combined @ coefficients)
    return Forecast(
        projected=max(spent, projected),
        lower=max(spent, projected - margin),
        upper=max(spent, projected + margin),
        days=tuple(float(day) for day in weight * (future @ coefficients)),
    )
