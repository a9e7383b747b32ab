"""The projection against statsmodels (row 14)."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from spendmeter_rollups.forecast.projection import MIN_POINTS, forecast

amounts = st.lists(st.floats(0, 1000), min_size=MIN_POINTS, max_size=90)


@given(points=amounts)
def test_one_day_ahead_equals_the_prediction_of_statsmodels(points: list[float]) -> None:
    found = forecast(points, spent=0.0, ahead=[len(points)], weights=[1.0])
    fit = sm.OLS(points, sm.add_constant(np.arange(len(points), dtype=float))).fit()
    predicted = fit.get_prediction(np.array([[1.0, len(points)]]))
    (lower, upper) = predicted.conf_int(obs=True, alpha=0.2)[0]
    assert found.days[0] == pytest.approx(predicted.predicted_mean[0], abs=1e-6)
    assert found.projected == pytest.approx(max(0.0, predicted.predicted_mean[0]), abs=1e-6)
    assert found.lower == pytest.approx(max(0.0, lower), abs=1e-6)
    assert found.upper == pytest.approx(max(0.0, upper), abs=1e-6)
    assert found.margins[0] == pytest.approx(upper - predicted.predicted_mean[0], abs=1e-6)


@given(points=amounts, days=st.integers(1, 30), share=st.floats(0.01, 1), spent=st.floats(0, 10_000))
def test_the_sum_has_the_covariance_of_the_coefficients_and_the_noise_of_every_day(
    points: list[float], days: int, share: float, spent: float
) -> None:
    ahead = [float(len(points) + day) for day in range(days)]
    weights = [share, *[1.0] * (days - 1)]
    found = forecast(points, spent=spent, ahead=ahead, weights=weights)
    fit = sm.OLS(points, sm.add_constant(np.arange(len(points), dtype=float))).fit()
    combined = np.array(weights) @ np.column_stack((np.ones(days), ahead))
    centre = spent + float(combined @ fit.params)
    variance = float(combined @ fit.cov_params() @ combined) + float(fit.scale) * sum(weights)
    margin = stats.t.ppf(0.9, fit.df_resid) * np.sqrt(variance)
    assert found.projected == pytest.approx(max(spent, centre), rel=1e-6, abs=1e-5)
    assert found.lower == pytest.approx(max(spent, centre - margin), rel=1e-6, abs=1e-4)
    assert found.upper == pytest.approx(max(spent, centre + margin), rel=1e-6, abs=1e-4)


def test_a_straight_line_is_continued_without_doubt() -> None:
    found = forecast([float(day) for day in range(10)], spent=45.0, ahead=[10, 11], weights=[1.0, 1.0])
    assert found.projected == pytest.approx(45 + 10 + 11)
    assert found.upper - found.lower == pytest.approx(0.0, abs=1e-9)


def test_past_spend_has_no_interval() -> None:
    found = forecast([100.0, 80, 60, 40, 20, 5, 1], spent=306.0, ahead=[7, 8, 9], weights=[1.0] * 3)
    assert found.projected == found.lower == 306.0


def test_the_interval_contains_four_of_five_months() -> None:
    chance = np.random.default_rng(7)
    held = 0
    for _ in range(2000):
        month = 50 + 2 * np.arange(30) + chance.normal(0, 10, 30)
        found = forecast(list(month[:12]), spent=float(month[:12].sum()), ahead=list(range(12, 30)), weights=[1.0] * 18)
        held += found.lower <= month.sum() <= found.upper
    assert 0.77 < held / 2000 < 0.83


def test_too_few_points_are_refused() -> None:
    with pytest.raises(ValueError, match="7 are needed"):
        forecast([1.0] * 6, spent=0.0, ahead=[6], weights=[1.0])
