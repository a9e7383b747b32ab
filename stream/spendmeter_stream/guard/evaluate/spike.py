"""Is this hour's spend unusual? Robust statistics over few, heavy-tailed values, in USD. docs/alerts.md argues them.

Most people spend nothing in most hours, so the median and the deviation of the same hours are often both zero, and
any first call would look infinitely unusual. The spread is therefore never less than what a busy hour, or the
money worth getting up for, makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Final

from spendmeter_stream.guard.values import Baseline

SPIKE_SCORE: Final = 6.0
"""More robust standard deviations above the usual than this is a spike, where the thresholds say nothing else."""
_MAD_TO_DEVIATION: Final = 1.4826
"""1 / Φ⁻¹(3/4): makes the median absolute deviation of a normal distribution its standard deviation."""
_BUSY_HOURS: Final = 3.0
"""As many busy hours on top of the usual are no spike yet, however regular the same hours were."""
_WEEK: Final = 7


def expected(same_hours: Sequence[float]) -> float:
    """The usual spend of this hour: the median over the days, or where it is more, what the same weekdays all had.

    The second sees what happens once a week. It takes the least of the weekdays, so that one past incident does not
    excuse the next.
    """
    if not same_hours:
        return 0.0
    weekdays = same_hours[_WEEK - 1 :: _WEEK]
    return max(median(same_hours), min(weekdays, default=0.0))


def spread(baseline: Baseline, *, floor: float, limit: float = SPIKE_SCORE) -> float:
    """One robust standard deviation, USD: the MAD's, or what `busy` and `floor` make of it; never 0 for a `floor`
    above 0.

    :param floor: USD in an hour above the usual below which nothing is a spike.
    :param limit: the score above which something is.
    """
    middle = median(baseline.same_hours) if baseline.same_hours else 0.0
    deviation = median(abs(hour - middle) for hour in baseline.same_hours) if baseline.same_hours else 0.0
    return max(_MAD_TO_DEVIATION * deviation, _BUSY_HOURS * baseline.busy / limit, floor / limit)


def score(hour: float, baseline: Baseline, *, floor: float, limit: float = SPIKE_SCORE) -> float:
    """How many robust standard deviations `hour` (USD) lies above the usual; negative below it."""
    return (hour - expected(baseline.same_hours)) / spread(baseline, floor=floor, limit=limit)


def threshold(baseline: Baseline, *, floor: float, limit: float = SPIKE_SCORE) -> float:
    """The spend of an hour, USD, above which it is a spike."""
    return expected(baseline.same_hours) + limit * spread(baseline, floor=floor, limit=limit)
