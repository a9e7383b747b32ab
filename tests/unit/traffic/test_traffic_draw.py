"""Tables and draws follow their distributions."""

from __future__ import annotations

import random
import statistics

import pytest

from spendmeter_events.traffic._draw import SIZE, factors, poisson, slots, spread


def test_a_spread_has_its_median_and_is_never_below_one() -> None:
    table = spread(400, 0.5)
    assert len(table) == SIZE
    assert statistics.median(table) == pytest.approx(400, rel=0.01)
    assert min(spread(1, 2.0)) == 1


def test_factors_are_around_one() -> None:
    assert statistics.median(factors(0.3)) == pytest.approx(1, rel=0.01)


def test_slots_hold_every_choice_by_its_share() -> None:
    places = slots([("a", 0.75), ("b", 0.24), ("c", 0.01)])
    assert len(places) == 64
    assert places.count("a") == 48
    assert places.count("c") == 1


@pytest.mark.parametrize("count", [1, 5, 40, 64])
def test_slots_are_always_full(count: int) -> None:
    places = slots([(number, 1.0) for number in range(count)])
    assert len(places) == 64
    assert set(places) == set(range(count))


def test_slots_keep_a_rare_choice_in_any_position() -> None:
    for order in (["rare", "usual"], ["usual", "rare"]):
        assert "rare" in slots([(name, 1e-6 if name == "rare" else 1.0) for name in order])


@pytest.mark.parametrize("mean", [0.01, 0.7, 8, 200])
def test_poisson_has_its_mean_and_variance(mean: float) -> None:
    draw = random.Random(1).random
    drawn = [poisson(draw, mean) for _ in range(20_000)]
    assert statistics.mean(drawn) == pytest.approx(mean, rel=0.08)
    assert statistics.variance(drawn) == pytest.approx(mean, rel=0.12)
