"""Score an hour's spend with robust statistics over few, heavy-tailed values, in USD. See docs/alerts.md.

Most users spend nothing in most hours, so median and deviation of the same hours are often zero, and a first call
would get an infinite score. The spread therefore has two lower bounds: a busy hour, and a money floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Final

from spendmeter_stream.guard.values import Baseline

SPIKE_SCORE: Final = 6.0
"""Default spike threshold, in robust standard deviations above the usual."""
_MAD_TO_DEVIATION: Final = 1.4826
"""1 / Φ⁻¹(3/4): scales the median absolute deviation of a normal distribution to its standard deviation."""
_BUSY_HOURS: Final = 3.0
"""Busy hours above the usual that are not yet a spike, however regular the same hours were."""
_WEEK: Final = 7


def expected(same_hours: Sequence[float]) -> float:
    """Return the usual spend of this hour: the median over the days, or the minimum of the same weekdays if larger.

    The second term covers weekly jobs. It is a minimum, so that one past incident does not raise the expectation.
    """
    if not same_hours:
        return 0.0
    weekdays = same_hours[_WEEK - 1 :: _WEEK]
    return max(median(same_hours), min(weekdays, default=0.0))


def spread(baseline: Baseline, *, floor: float, limit: float = SPIKE_SCORE) -> float:
    """Return one robust standard deviation, USD: the MAD's, at least that of `busy` and `floor`; above 0 if `floor` is.

    :param floor: USD in an hour above the usual below which nothing is a spike.
    :param limit: the score above which an hour is a spike.
    """
    middle = median(baseline.same_hours) if baseline.same_hours else 0.0
    deviation = median(abs(hour - middle) for hour in baseline.same_hours) if baseline.same_hours else 0.0
    return max(_MAD_TO_DEVIATION * deviation, _BUSY_HOURS * baseline.busy / limit, floor / limit)


def score(hour: float, baseline: Baseline, *, floor: float, limit: float = SPIKE_SCORE) -> float:
    """Return the distance of `hour` (USD) from the usual in robust standard deviations; negative below it."""
    return (hour - expected(baseline.same_hours)) / spread(baseline, floor=floor, limit=limit)


def threshold(baseline: Baseline, *, floor: float, limit: float = SPIKE_SCORE) -> float:
    """Return the hourly spend, USD, above which an hour is a spike."""
    return expected(baseline.same_hours) + limit * spread(baseline, floor=floor, limit=limit)
