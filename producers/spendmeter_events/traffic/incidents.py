"""Incidents: extra calls that alerts must detect. The baseline of `generate` has none.

Each incident yields (key, value) pairs in time order from `start` on, deterministic for its arguments; `merged`
combines them with `generate`. Raises `ValueError` for an unknown org id.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from spendmeter_events.traffic._hour import HOUR_MS, Hour, TrafficRecord
from spendmeter_events.traffic._models import MODELS, Model
from spendmeter_events.traffic._sampler import SchoolSampler
from spendmeter_events.traffic._schools import SCHOOLS, School
from spendmeter_events.traffic._templates import SHARE, Caller, CallTemplate, template

_AddCall = Callable[[Hour, int], None]


class Incident(Protocol):
    """Signature of all incidents; defaults differ."""

    def __call__(self, *, seed: int, start: datetime, minutes: int = ...) -> Iterator[TrafficRecord]: ...


def runaway_loop(
    *, seed: int, start: datetime, minutes: int = 45, org_id: str = "sunrise-delhi"
) -> Iterator[TrafficRecord]:
    """Yield calls of an agent in an endless loop: the system calls a large model with a long context every 1.3 seconds.
    About 0.13 USD per call, 260 USD in 45 minutes."""
    school = _school(org_id)
    plan = template(school, "lesson", MODELS["gpt-5.4"])
    system = SchoolSampler(school, seed=seed).system
    return _run("runaway_loop", seed, start, minutes, 1300, _calls(plan, system, times=20))


def stolen_key_at_night(
    *, seed: int, start: datetime, minutes: int = 150, org_id: str = "niketan-bengaluru"
) -> Iterator[TrafficRecord]:
    """Yield calls of an unknown user, who calls the school's most expensive model without pause. Choose a `start` at
    night in the school's time zone (in Bengaluru, 20:30 UTC is 02:00)."""
    school = _school(org_id)
    write = template(school, "curriculum", MODELS["claude-opus-4-8"])
    unknown_user = Caller(who=f'"org_id":"{org_id}","user_id":"svc-export-7f3a",')
    return _run("stolen_key_at_night", seed, start, minutes, 900, _calls(write, unknown_user))


def error_storm(
    *, seed: int, start: datetime, minutes: int = 30, org_id: str = "sunrise-delhi", share: float = 0.7
) -> Iterator[TrafficRecord]:
    """Yield chats of students of which `share` fail."""
    school = _school(org_id)
    sampler = SchoolSampler(school, seed=seed)
    chat = replace(template(school, "chat", MODELS["gpt-5-mini"]), fails=round(share * SHARE))
    return _run("error_storm", seed, start, minutes, 1500, _students(chat, sampler))


def price_jump(
    *, seed: int, start: datetime, minutes: int = 240, org_id: str = "greenfield-pune"
) -> Iterator[TrafficRecord]:
    """Yield tutor calls with a model that costs many times the usual one: the same call rate at a higher price."""
    school = _school(org_id)
    tutor = template(school, "rag", MODELS["claude-opus-4-8"])
    return _run("price_jump", seed, start, minutes, 6000, _students(tutor, SchoolSampler(school, seed=seed)))


def unpriced_model(
    *, seed: int, start: datetime, minutes: int = 120, org_id: str = "riverside-kolkata"
) -> Iterator[TrafficRecord]:
    """Yield calls of a model without a price."""
    school = _school(org_id)
    unknown = Model(provider="openai", name="unreleased-model-preview", first=700, token=9)
    chat = template(school, "chat", unknown)
    return _run("unpriced_model", seed, start, minutes, 5000, _students(chat, SchoolSampler(school, seed=seed)))


INCIDENTS: Final[dict[str, Incident]] = {
    "runaway_loop": runaway_loop,
    "stolen_key_at_night": stolen_key_at_night,
    "error_storm": error_storm,
    "price_jump": price_jump,
    "unpriced_model": unpriced_model,
}


def merged(*streams: Iterable[TrafficRecord]) -> Iterator[TrafficRecord]:
    """Merge streams in time order into one. Keys sort by time."""
    return heapq.merge(*streams)


def _school(org_id: str) -> School:
    for school in SCHOOLS:
        if school.org_id == org_id:
            return school
    raise ValueError(f"unknown school {org_id!r}; schools: {', '.join(school.org_id for school in SCHOOLS)}")


def _calls(template: CallTemplate, caller: Caller, *, times: int = 1) -> _AddCall:
    def add_call(hour: Hour, at: int) -> None:
        hour.tokens(template, caller, at, times=times)

    return add_call


def _students(template: CallTemplate, sampler: SchoolSampler) -> _AddCall:
    def add_call(hour: Hour, at: int) -> None:
        hour.tokens(template, sampler.caller("student", hour.random.random()), at)

    return add_call


def _run(
    name: str, seed: int, start: datetime, minutes: int, pause: int, add_call: _AddCall
) -> Iterator[TrafficRecord]:
    """Yield the calls of `add_call`, about every `pause` milliseconds, for `minutes`."""
    if start.tzinfo is None:
        raise ValueError("start has no time zone")
    first = (start - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    calls: list[TrafficRecord] = []
    at = first
    for number in range(first // HOUR_MS, (first + minutes * 60_000) // HOUR_MS + 1):
        hour = Hour(hour=number, seed=f"{name}/{seed}/{first}")
        while at < min(first + minutes * 60_000, (number + 1) * HOUR_MS):
            add_call(hour, at)
            at += int(pause * (0.5 + hour.random.random()))
        calls += hour.calls
    return iter(sorted(calls))
