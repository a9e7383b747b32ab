"""Amounts, ratios, percentiles: pure arithmetic."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spendmeter_clickhouse.catalogue import ROW_MEASURES
from spendmeter_rollups.catalogue.aggregates import add, aggregates, change, zero
from spendmeter_rollups.catalogue.money import Rate, Rates, plain
from spendmeter_rollups.query.percentiles import percentiles


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("96.791325000000", "96.791325"),
        ("0E-12", "0"),
        ("0.000000000001", "0.000000000001"),
        ("-3.50", "-3.5"),
        ("100", "100"),
        ("99999999999999999999999999.123456789012", "99999999999999999999999999.123456789012"),
    ],
)
def test_amounts_are_plain_and_exact(amount: str, text: str) -> None:
    assert plain(Decimal(amount)) == text


@given(parts=st.lists(st.decimals(0, 10**20, places=12), min_size=1, max_size=20))
def test_converted_parts_add_up_to_the_converted_whole(parts: list[Decimal]) -> None:
    rate = Rate(currency="INR", per_usd=Decimal("88.123456789012"), on=date(2026, 11, 20))
    whole = sum((Fraction(part) for part in parts), Fraction(0))
    assert sum((Fraction(rate.convert(part)) for part in parts), Fraction(0)) == whole * Fraction(rate.per_usd)


def test_a_day_has_the_newest_rate_dated_on_or_before_it() -> None:
    rates = Rates("INR", tuple(Rate("INR", Decimal(day), date(2026, 11, day)) for day in (5, 10)))
    days = [date(2026, 11, day) for day in (1, 5, 9, 10, 30)]
    assert [rates.on(day).per_usd for day in days] == [5, 5, 5, 10, 10]
    assert rates.daily(days[2], days[3]) == [5, 10]
    assert [rate.per_usd for rate in rates.between(days[0], days[2])] == [5]
    assert [rate.per_usd for rate in rates.between(days[2], days[4])] == [5, 10]
    assert (Rates().on(days[0]), Rates().between(days[0], days[4])) == (Rate(), ())


def test_ratios_of_nothing_are_null() -> None:
    found = aggregates(zero(ROW_MEASURES))
    assert found["success_rate"] is None
    assert found["avg_latency_ms"] is None
    assert found["cost"] == 0
    assert found["last_seen"] is None


def test_tokens_are_counted_once() -> None:
    sums = zero(ROW_MEASURES) | {
        "input_tokens": 1,
        "cache_read_tokens": 10,
        "cache_write_5m_tokens": 100,
        "cache_write_1h_tokens": 1000,
        "output_tokens": 10_000,
        "input_audio_tokens": 100_000,
        "output_audio_tokens": 1_000_000,
    }
    found = aggregates(sums)
    assert found["prompt_tokens"] == 101_111
    assert found["completion_tokens"] == 1_010_000
    assert found["total_tokens"] == 1_111_111
    assert found["cached_tokens"] == 10


def test_rows_add_up() -> None:
    rows = [zero(("requests", "cost")) | {"requests": number, "cost": Decimal("0.1")} for number in range(4)]
    assert add(rows, ("requests", "cost")) == {"requests": 6, "cost": Decimal("0.4")}


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [(3, 2, 0.5), (Decimal("0.5"), Decimal(1), -0.5), (1, 0, None), (None, 1, None), (1, None, None), (0, 4, -1.0)],
)
def test_change_is_relative(now: object, before: object, expected: float | None) -> None:
    assert change(now, before) == expected


@given(latencies=st.lists(st.integers(0, 10**6), min_size=1, max_size=300), share=st.sampled_from([0.5, 0.95, 0.99]))
def test_percentiles_are_within_a_bin_of_the_truth(latencies: list[int], share: float) -> None:
    counts: dict[int, int] = {}
    for latency in latencies:
        number = math.floor(16 * math.log2(1 + latency))
        counts[number] = counts.get(number, 0) + 1
    (found,) = percentiles(counts.items(), (share,))
    exact = float(np.quantile(latencies, share, method="inverted_cdf"))
    assert found is not None
    assert abs(found - exact) <= (1 + exact) * (2 ** (1 / 16) - 1) + 0.05


def test_percentiles_of_nothing_are_null() -> None:
    assert percentiles([], (0.5, 0.95)) == [None, None]
