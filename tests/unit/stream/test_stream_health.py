"""The registry behind the worker's /readyz."""

from __future__ import annotations

from spendmeter_stream.runtime.health import WorkerHealth


def test_the_newest_report_of_a_name_counts() -> None:
    health = WorkerHealth()
    assert health.failures() == {}
    health.report("kafka", "not joined yet")
    health.report("drift", ValueError("two\n  lines"))
    assert list(health.failures().items()) == [("drift", "ValueError: two lines"), ("kafka", "not joined yet")]
    health.report("kafka", None)
    health.report("drift", KeyError())
    assert health.failures() == {"drift": "KeyError"}


def test_a_reason_is_one_bounded_line() -> None:
    health = WorkerHealth()
    health.report("store", "x" * 10_000)
    assert len(health.failures()["store"]) <= 300
