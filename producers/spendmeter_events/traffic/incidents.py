"""What goes wrong, on demand: extra calls that an alert must notice, to lay over the baseline, which has none.

Each incident gives (key, value) pairs in time order from `start` on, the same for the same arguments; `merged`
lays them over `generate`. A school is named by its org id, and a `ValueError` says when there is none.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from spendmeter_events.traffic._cast import Cast
from spendmeter_events.traffic._hour import HOUR_MS, Call, Hour
from spendmeter_events.traffic._lines import SHARE, Caller, Line, line
from spendmeter_events.traffic._models import MODELS, Model
from spendmeter_events.traffic._schools import SCHOOLS, School

_Act = Callable[[Hour, int], None]


class Incident(Protocol):
    """How every incident is called. The defaults differ."""

    def __call__(self, *, seed: int, start: datetime, minutes: int = ...) -> Iterator[Call]: ...


def runaway_loop(*, seed: int, start: datetime, minutes: int = 45, org_id: str = "sunrise-delhi") -> Iterator[Call]:
    """An agent that never finds its plan good enough: the system calls a large model with a long context every
    1.3 seconds. About 0.13 USD a call, 260 USD in 45 minutes."""
    school = _school(org_id)
    plan = line(school, "lesson", MODELS["gpt-5.4"])
    system = Cast(school, seed=seed).system
    return _run("runaway_loop", seed, start, minutes, 1300, _calls(plan, system, times=20))


def stolen_key_at_night(
    *, seed: int, start: datetime, minutes: int = 150, org_id: str = "niketan-bengaluru"
) -> Iterator[Call]:
    """A user whom nobody knows makes a school's dearest model write without pause. Give a `start` at which the
    school sleeps (in Bengaluru, 20:30 UTC is 2 in the morning)."""
    school = _school(org_id)
    write = line(school, "curriculum", MODELS["claude-opus-4-8"])
    thief = Caller(who=f'"org_id":"{org_id}","user_id":"svc-export-7f3a",')
    return _run("stolen_key_at_night", seed, start, minutes, 900, _calls(write, thief))


def error_storm(
    *, seed: int, start: datetime, minutes: int = 30, org_id: str = "sunrise-delhi", share: float = 0.7
) -> Iterator[Call]:
    """A provider in trouble: students' chats go on, and `share` of the answers fail."""
    school = _school(org_id)
    cast = Cast(school, seed=seed)
    chat = replace(line(school, "chat", MODELS["gpt-5-mini"]), fails=round(share * SHARE))
    return _run("error_storm", seed, start, minutes, 1500, _students(chat, cast))


def price_jump(*, seed: int, start: datetime, minutes: int = 240, org_id: str = "greenfield-pune") -> Iterator[Call]:
    """A tutor is set to a model that costs many times the usual one: as many calls as before, at another price."""
    school = _school(org_id)
    tutor = line(school, "rag", MODELS["claude-opus-4-8"])
    return _run("price_jump", seed, start, minutes, 6000, _students(tutor, Cast(school, seed=seed)))


def unpriced_model(
    *, seed: int, start: datetime, minutes: int = 120, org_id: str = "riverside-kolkata"
) -> Iterator[Call]:
    """A model that no price book knows comes into use."""
    school = _school(org_id)
    unknown = Model(provider="openai", name="unreleased-model-preview", first=700, token=9)
    chat = line(school, "chat", unknown)
    return _run("unpriced_model", seed, start, minutes, 5000, _students(chat, Cast(school, seed=seed)))


INCIDENTS: Final[dict[str, Incident]] = {
    "runaway_loop": runaway_loop,
    "stolen_key_at_night": stolen_key_at_night,
    "error_storm": error_storm,
    "price_jump": price_jump,
    "unpriced_model": unpriced_model,
}


def merged(*streams: Iterable[Call]) -> Iterator[Call]:
    """One stream in time order from several that are. Keys sort by time."""
    return heapq.merge(*streams)


def _school(org_id: str) -> School:
    for school in SCHOOLS:
        if school.org_id == org_id:
            return school
    raise ValueError(f"no school {org_id!r}; there are {', '.join(school.org_id for school in SCHOOLS)}")


def _calls(line: Line, caller: Caller, *, times: int = 1) -> _Act:
    def act(hour: Hour, at: int) -> None:
        hour.tokens(line, caller, at, times=times)

    return act


def _students(line: Line, cast: Cast) -> _Act:
    def act(hour: Hour, at: int) -> None:
        hour.tokens(line, cast.someone("student", hour.random.random()), at)

    return act


def _run(name: str, seed: int, start: datetime, minutes: int, pause: int, act: _Act) -> Iterator[Call]:
    """`act` about every `pause` milliseconds for so many minutes."""
    if start.tzinfo is None:
        raise ValueError("start has no time zone")
    first = (start - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    calls: list[Call] = []
    at = first
    for number in range(first // HOUR_MS, (first + minutes * 60_000) // HOUR_MS + 1):
        hour = Hour(hour=number, seed=f"{name}/{seed}/{first}")
        while at < min(first + minutes * 60_000, (number + 1) * HOUR_MS):
            act(hour, at)
            at += int(pause * (0.5 + hour.random.random()))
        calls += hour.calls
    return iter(sorted(calls))
