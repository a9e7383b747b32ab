"""A partition's lag by time: exact while a chunk is under way, bounded otherwise, and never silent."""

from __future__ import annotations

from prometheus_client import REGISTRY

from spendmeter_stream.lag import Lag


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def shown(name: str) -> float | None:
    return REGISTRY.get_sample_value(f"spendmeter_consumer_lag_{name}", {"partition": "77"})


def test_a_chunk_that_hangs_grows_old_while_nothing_happens() -> None:
    clock = Clock()
    lag = Lag(partition=77, clock=clock)
    lag.begin(oldest=990.0)
    assert lag.report(5) == 10
    clock.now = 1600.0
    assert lag.report(5) == 610
    assert (shown("records"), shown("seconds")) == (5, 610)
    lag.end(newest=995.0)
    clock.now = 1601.0
    # What waits now came after the newest that is stored, and after we were even: nobody knows better.
    assert lag.report(2) == 601
    assert lag.report(0) == 0
    lag.hide()


def test_what_waits_in_the_broker_is_no_older_than_the_last_moment_without() -> None:
    clock = Clock()
    lag = Lag(partition=77, clock=clock)
    lag.begin(oldest=100.0)
    lag.end(newest=100.0)
    clock.now = 5000.0
    assert lag.report(0) == 0
    clock.now = 5030.0
    assert lag.report(3) == 30
    lag.hide()


def test_a_partition_that_went_to_another_worker_shows_nothing_here() -> None:
    lag = Lag(partition=77, clock=Clock())
    lag.report(3)
    lag.hide()
    assert shown("records") is None
    assert shown("seconds") is None
    # One that never reported can go, too.
    Lag(partition=77).hide()
