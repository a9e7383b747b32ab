"""Ninety days in the life of some schools, as Kafka records in time order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from spendmeter_events.traffic._cast import Cast
from spendmeter_events.traffic._draw import poisson
from spendmeter_events.traffic._hour import HOUR_MS, Call, Hour
from spendmeter_events.traffic._rhythm import growth
from spendmeter_events.traffic._scenes import SCENES, night
from spendmeter_events.traffic._schools import SCHOOLS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def generate(*, seed: int, days: float, end: datetime, scale: float = 1.0) -> Iterator[Call]:
    """(key, value) of every usage event in the `days` days before `end`, in time order: the Kafka records that
    `UsageEvent.key` and `UsageEvent.to_json` would give. `scale` multiplies the traffic (1 is about 4,500 events
    a day).

    The same arguments give the same bytes. More than that: an hour's traffic follows from `seed`, `scale` and the
    hour alone, so a longer or later window holds the same events where the windows overlap, and seeding again
    tomorrow adds tomorrow. Raises `ValueError` for an `end` without a zone.
    """
    if end.tzinfo is None:
        raise ValueError("end has no time zone")
    last = (end - _EPOCH) // timedelta(milliseconds=1)
    first = last - round(days * 24 * HOUR_MS)
    casts = [Cast(school, seed=seed) for school in SCHOOLS]
    return _between(first, last, casts, f"traffic/{seed}/{scale!r}", scale)


def _between(first: int, last: int, casts: list[Cast], seed: str, scale: float) -> Iterator[Call]:
    """Calls in [first, last), Unix ms. A scene may run into the next hour, so the one before `first` counts too."""
    waiting: list[Call] = []
    floor = _bound(first)
    for number in range(first // HOUR_MS - 1, -(-last // HOUR_MS)):
        waiting += _hour(number, casts, seed, scale)
        waiting.sort()
        ready = bisect_left(waiting, _bound(min(last, (number + 1) * HOUR_MS)))
        yield from waiting[bisect_left(waiting, floor) : ready]
        del waiting[:ready]


def _bound(moment: int) -> Call:
    """Sorts before every call at or after this Unix millisecond, and after every one before it."""
    return moment.to_bytes(6), b""


def _hour(number: int, casts: list[Cast], seed: str, scale: float) -> list[Call]:
    hour = Hour(hour=number, seed=seed)
    draw, bits = hour.random.random, hour.random.getrandbits
    for cast in casts:
        moment = cast.rhythm.local(number)
        for role, expected in cast.rhythm.sessions(moment):
            scenes = SCENES[role]
            for _ in range(poisson(draw, expected * scale)):
                begins = hour.start + int(draw() * HOUR_MS)
                scenes[bits(6)](hour, cast, cast.someone(role, draw()), begins)
        for _ in range(int(scale + draw()) if moment.hour < 5 else 0):
            night(hour, cast, local_hour=moment.hour, weekday=moment.weekday(), growth=growth(moment.date()))
    return hour.calls
