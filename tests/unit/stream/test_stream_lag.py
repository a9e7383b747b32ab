"""A partition's lag by time: exact during a chunk, bounded otherwise, and always exported."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from spendmeter_stream.kafka.lag import Lag

START = 1_790_000_000


class Clock:
    now = START + 1000.0

    def __call__(self) -> float:
        return self.now


def shown(name: str) -> float | None:
    return REGISTRY.get_sample_value(f"spendmeter_consumer_lag_{name}", {"partition": "77"})


def test_a_chunk_that_hangs_grows_old_while_nothing_happens() -> None:
    clock = Clock()
    lag = Lag(partition=77, clock=clock)
    lag.begin(oldest=1000 * (START + 990))
    assert lag.report(5) == 10
    clock.now = START + 1600.0
    assert lag.report(5) == 610
    assert (shown("records"), shown("seconds")) == (5, 610)
    lag.end(newest=1000 * (START + 995))
    clock.now = START + 1601.0
    # Waiting records arrived after the newest stored one, and after the lag was zero: no tighter bound is known.
    assert lag.report(2) == 601
    assert lag.report(0) == 0
    lag.hide()


def test_the_age_of_waiting_records_is_bounded_by_the_last_time_without_any() -> None:
    clock = Clock()
    lag = Lag(partition=77, clock=clock)
    lag.begin(oldest=1000 * (START + 100))
    lag.end(newest=1000 * (START + 100))
    clock.now = START + 5000.0
    assert lag.report(0) == 0
    clock.now = START + 5030.0
    assert lag.report(3) == 30
    lag.hide()


@pytest.mark.parametrize("timestamp", [None, -1, -5, 0, 2**45, 2**62])
def test_a_timestamp_that_cannot_be_true_makes_no_lag(timestamp: int | None) -> None:
    clock = Clock()
    lag = Lag(partition=77, clock=clock)
    lag.begin(timestamp)
    assert lag.report(5) == 0
    clock.now += 7
    assert lag.report(5) == 7
    lag.end(timestamp)
    clock.now += 2
    assert lag.report(1) == 2
    lag.hide()


def test_a_partition_that_went_to_another_worker_shows_nothing_here() -> None:
    lag = Lag(partition=77, clock=Clock())
    lag.report(3)
    lag.hide()
    assert shown("records") is None
    assert shown("seconds") is None
    # A partition that never reported can be removed, too.
    Lag(partition=77).hide()
