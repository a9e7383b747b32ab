"""Generate traffic of all schools as Kafka records in time order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from spendmeter_events.traffic._activities import ACTIVITIES, night
from spendmeter_events.traffic._draw import poisson
from spendmeter_events.traffic._hour import HOUR_MS, Hour, TrafficRecord
from spendmeter_events.traffic._rhythm import growth
from spendmeter_events.traffic._sampler import SchoolSampler
from spendmeter_events.traffic._schools import SCHOOLS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def generate(*, seed: int, days: float, end: datetime, scale: float = 1.0) -> Iterator[TrafficRecord]:
    """Yield (key, value) of every usage event in the `days` days before `end`, in time order: the Kafka records that
    `UsageEvent.key` and `UsageEvent.to_json` would return. `scale` multiplies the traffic (1 is about 4,500 events
    per day).

    The same arguments yield the same bytes. The traffic of an hour depends only on `seed`, `scale` and the hour, so
    overlapping windows contain the same events, and seeding again on the next day only adds that day. Raises
    `ValueError` for an `end` without a time zone.
    """
    if end.tzinfo is None:
        raise ValueError("end has no time zone")
    last = (end - _EPOCH) // timedelta(milliseconds=1)
    first = last - round(days * 24 * HOUR_MS)
    samplers = [SchoolSampler(school, seed=seed) for school in SCHOOLS]
    return _between(first, last, samplers, f"traffic/{seed}/{scale!r}", scale)


def _between(first: int, last: int, samplers: list[SchoolSampler], seed: str, scale: float) -> Iterator[TrafficRecord]:
    """Yield calls in [first, last), Unix ms. An activity may extend into the next hour, so start one hour earlier."""
    pending: list[TrafficRecord] = []
    floor = _bound(first)
    for number in range(first // HOUR_MS - 1, -(-last // HOUR_MS)):
        pending += _hour(number, samplers, seed, scale)
        pending.sort()
        ready = bisect_left(pending, _bound(min(last, (number + 1) * HOUR_MS)))
        yield from pending[bisect_left(pending, floor) : ready]
        del pending[:ready]


def _bound(time_ms: int) -> TrafficRecord:
    """Return the lower bound of calls at or after a time in Unix ms."""
    return time_ms.to_bytes(6), b""


def _hour(number: int, samplers: list[SchoolSampler], seed: str, scale: float) -> list[TrafficRecord]:
    hour = Hour(hour=number, seed=seed)
    draw, bits = hour.random.random, hour.random.getrandbits
    for sampler in samplers:
        local = sampler.rhythm.local(number)
        for role, expected in sampler.rhythm.sessions(local):
            activities = ACTIVITIES[role]
            for _ in range(poisson(draw, expected * scale)):
                start = hour.start + int(draw() * HOUR_MS)
                activities[bits(6)](hour, sampler, sampler.caller(role, draw()), start)
        for _ in range(int(scale + draw()) if local.hour < 5 else 0):
            night(hour, sampler, local_hour=local.hour, weekday=local.weekday(), growth=growth(local.date()))
    return hour.calls
