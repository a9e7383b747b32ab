"""The score of an hour: robust against bursts, weekly work, past incidents and small change."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spendmeter_stream.guard.evaluate.spike import SPIKE_SCORE, expected, score, spread, threshold
from spendmeter_stream.guard.values import Baseline
from tests.support.spend import usual

FLOOR = 2.0
amounts = st.floats(min_value=0, max_value=1e6, allow_nan=False)
hours = st.lists(amounts, min_size=14, max_size=14).map(tuple)
baselines = st.builds(Baseline, hours, amounts)


def test_the_usual_is_the_median_of_the_same_hours() -> None:
    assert expected((3.0, 1.0, 2.0, 100.0, 0.0, 2.5, 0.0, 3.0, 1.0, 2.0, 2.0, 2.0, 2.0, 0.0)) == 2.0


def test_weekly_spend_is_usual_on_its_day() -> None:
    weekly = tuple(40.0 if day % 7 == 0 else 0.0 for day in range(1, 15))
    assert expected(weekly) == 40.0
    assert score(44.0, Baseline(weekly, 40.0), floor=FLOOR) < 1


def test_one_incident_a_week_ago_does_not_excuse_the_next() -> None:
    once = tuple(500.0 if day == 7 else 1.0 for day in range(1, 15))
    assert expected(once) == 1.0
    assert score(500.0, Baseline(once, 3.0), floor=FLOOR) > SPIKE_SCORE


@pytest.mark.parametrize(
    ("hour", "baseline", "spikes"),
    [
        # The first spend: the amount decides, because there is no usual spend.
        (1.99, Baseline((), 0.0), False),
        (2.01, Baseline((), 0.0), True),
        # MAD 0: all of these hours were equal, and yet 0.10 USD is no spike.
        (1.1, usual(1.0), False),
        (2.9, usual(1.0), False),
        (3.1, usual(1.0), True),
        # A user with bursts: three busy hours above the usual spend are no spike.
        (14.9, usual(0.0, busy=5.0), False),
        (15.1, usual(0.0, busy=5.0), True),
        # Large and steady: the deviation of the hours decides. MAD 10, so 100 + 6 * 14.826.
        (
            188.9,
            usual(90.0, 110.0, 90.0, 110.0, 90.0, 110.0, 90.0, 110.0, 90.0, 110.0, 90.0, 110.0, 90.0, 110.0),
            False,
        ),
        (189.1, usual(90.0, 110.0, 90.0, 110.0, 90.0, 110.0, 90.0, 110.0, 90.0, 110.0, 90.0, 110.0, 90.0, 110.0), True),
    ],
)
def test_spend_over_the_limit_is_a_spike(hour: float, baseline: Baseline, spikes: bool) -> None:
    assert (score(hour, baseline, floor=FLOOR) > SPIKE_SCORE) == spikes
    assert (hour > threshold(baseline, floor=FLOOR)) == spikes


@given(baselines, amounts, amounts)
def test_more_spend_is_never_less_unusual(baseline: Baseline, hour: float, more: float) -> None:
    assert score(hour + more, baseline, floor=FLOOR) >= score(hour, baseline, floor=FLOOR)


@given(hours, amounts, amounts)
def test_a_busier_past_excuses_more(same: tuple[float, ...], busy: float, more: float) -> None:
    calm, busier = (threshold(Baseline(same, value), floor=FLOOR) for value in (busy, busy + more))
    assert busier >= calm


@given(baselines)
def test_below_the_floor_above_the_usual_nothing_is_a_spike(baseline: Baseline) -> None:
    hour = expected(baseline.same_hours) + FLOOR
    assert score(hour, baseline, floor=FLOOR) <= SPIKE_SCORE * (1 + 1e-9)
    assert spread(baseline, floor=FLOOR) > 0


@given(baselines, st.integers(0, 13), amounts)
def test_one_day_moves_the_usual_no_further_than_its_neighbours(baseline: Baseline, day: int, value: float) -> None:
    """An hour of any size on one day leaves the median between the previous middle values."""
    assume(day not in (6, 13))
    changed = (*baseline.same_hours[:day], value, *baseline.same_hours[day + 1 :])
    ordered = sorted(baseline.same_hours)
    weekly = min(baseline.same_hours[6], baseline.same_hours[13])
    assert max(ordered[5], weekly) * (1 - 1e-9) <= expected(changed) <= max(ordered[8], weekly) * (1 + 1e-9)


@given(baselines, amounts, st.floats(min_value=0.01, max_value=1000))
def test_the_currency_does_not_matter(baseline: Baseline, hour: float, rate: float) -> None:
    """Scores are ratios: they are the same in paise, with a floor in paise."""
    other = Baseline(tuple(value * rate for value in baseline.same_hours), baseline.busy * rate)
    assert score(hour * rate, other, floor=FLOOR * rate) == pytest.approx(
        score(hour, baseline, floor=FLOOR), rel=1e-6, abs=1e-6
    )
