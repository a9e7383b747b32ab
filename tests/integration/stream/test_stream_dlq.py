"""Dead letters are listed, inspected and redriven; no stored event counts twice."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Container
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from spendmeter_clickhouse import Store
from spendmeter_events.topics import USAGE
from spendmeter_stream.dlq import (
    DeadLetter,
    Filter,
    RedrivePlan,
    count_dead_letters,
    dead_letters,
    redrive_dead_letters,
)
from spendmeter_stream.errors import SetupError
from spendmeter_stream.kafka.topic_admin import ensure_topics
from spendmeter_stream.settings import StreamSettings
from tests.support.kafka.topic import read_topic
from tests.support.metrics import metric
from tests.support.records import FakeRecord, record
from tests.support.until import until
from tests.support.worker import count, publish, stream_settings, working


async def letters_of(settings: StreamSettings) -> list[DeadLetter]:
    return [letter async for letter in dead_letters(settings)]


async def until_dead(
    settings: StreamSettings, number: int, keys: Container[bytes | None] | None = None
) -> list[DeadLetter]:
    for _ in range(200):
        letters = [it for it in await letters_of(settings) if keys is None or it.key in keys]
        if len(letters) >= number:
            break
        await asyncio.sleep(0.05)
    assert len(letters) == number
    return letters


def ahead(number: int, org: str) -> FakeRecord:
    """Return an event half an hour ahead of the worker's clock, as from an emitter with a wrong clock."""
    at = datetime.now(UTC) + timedelta(minutes=30)
    return record(number, org_id=org, occurred_at=at.isoformat(timespec="milliseconds"))


def duplicates() -> float:
    return metric("spendmeter_events_total", outcome="duplicate")


async def test_an_event_counts_once_its_reason_is_gone_and_only_once(broker: Any, store: Store) -> None:
    org = f"dlq-once-{broker.name}".lower()
    settings = stream_settings(broker.connection, group=f"group-{org}")
    strict = settings.model_copy(update={"max_future_seconds": 0})
    # Different ids on each broker, because both runs share the store.
    first = {"tansu": 9001, "kafka": 9006}[broker.name]
    records = [ahead(number, org) for number in range(first, first + 5)]
    # The broker is shared: a new group reads the records of other tests, and dead-letters their bad ones again.
    keys = {it.key for it in records}
    await ensure_topics(settings.client_options(), usage_partitions=settings.usage_partitions)
    async with working(strict, store) as worker:
        await publish(broker.connection, records)
        await until_dead(settings, 5, keys)
        await until(worker.ingest.caught_up)
    assert await count(store, org) == 0
    plan = RedrivePlan(filter=Filter(code="occurred_at_out_of_range"), per_second=1000)
    async with working(settings, store) as worker:
        outcome = await redrive_dead_letters(settings, plan)
        assert outcome.sent == 5
        await _stored(store, org, 5)
        await until(worker.ingest.caught_up)
        known = duplicates()
        await redrive_dead_letters(settings, plan)
        await until(lambda: duplicates() == known + 5)
        await until(worker.ingest.caught_up)
    assert await count(store, org) == 5
    assert len([it for it in await letters_of(settings) if it.key in keys]) == 5


async def test_an_event_that_was_stored_meanwhile_adds_nothing(fresh_tansu: Any, store: Store) -> None:
    """The emitter sends it again after the fault was fixed; then the dead letters are redriven."""
    settings = stream_settings(fresh_tansu.connection)
    strict = settings.model_copy(update={"max_future_seconds": 0})
    event = ahead(9101, "meanwhile")
    async with working(strict, store):
        await publish(fresh_tansu.connection, [event])
        await until_dead(settings, 1)
    async with working(settings, store):
        await publish(fresh_tansu.connection, [event])
        await _stored(store, "meanwhile", 1)
        known = duplicates()
        assert (await redrive_dead_letters(settings, RedrivePlan(filter=Filter()))).sent == 1
        await until(lambda: duplicates() == known + 1)
    assert await count(store, "meanwhile") == 1


async def test_invalid_records_return_until_their_attempts_are_used_up(fresh_tansu: Any, store: Store) -> None:
    settings = stream_settings(fresh_tansu.connection)
    plan = RedrivePlan(filter=Filter(), max_attempts=3)
    async with working(settings, store):
        await publish(fresh_tansu.connection, [replace(record(1), value=b"{oops")])
        await until_dead(settings, 1)
        for attempt in (2, 3):
            assert (await redrive_dead_letters(settings, plan)).sent == 1
            letters = await until_dead(settings, attempt)
            assert letters[-1].attempts == attempt
        outcome = await redrive_dead_letters(settings, plan)
    assert (outcome.sent, outcome.exhausted) == (0, 1)
    assert [letter.value for letter in letters] == [b"{oops"] * 3


async def test_a_redrive_sends_the_original_key_and_bytes(fresh_tansu: Any, store: Store) -> None:
    settings = stream_settings(fresh_tansu.connection, usage_partitions=1)
    odd = [
        replace(record(1), value=b'{"prompt": "\xff\x00"}', headers=[("attempts", b"2")]),
        # Records without a key are accepted, so this one is bad for another reason.
        replace(record(2), key=None, value=b"no JSON"),
        replace(record(3), key=b"another key", value=b"[]"),
    ]
    async with working(settings, store):
        await publish(fresh_tansu.connection, odd)
        await until_dead(settings, 3)
    await redrive_dead_letters(settings, RedrivePlan(filter=Filter()))
    published = await read_topic(fresh_tansu.connection, USAGE, count=6)
    assert [(it.key, it.value) for it in published[3:]] == [(it.key, it.value) for it in odd]
    assert [dict(it.headers)["attempts"] for it in published[3:]] == [b"3", b"1", b"1"]


async def test_filters_limit_and_dry_run(fresh_tansu: Any, store: Store) -> None:
    settings = stream_settings(fresh_tansu.connection, usage_partitions=1)
    records = [replace(record(number), value=b"{oops %d" % number) for number in range(5)]
    records += [replace(record(number), value=b"[%d]" % number) for number in range(5, 8)]
    async with working(settings, store):
        await publish(fresh_tansu.connection, records)
        await until_dead(settings, 8)
    counts = await count_dead_letters(settings)
    assert (counts.total, counts.by_code) == (8, {"not_json": 5, "batch": 3})

    async def would(limit: int | None = None, **chosen: Any) -> Counter[str]:
        plan = RedrivePlan(filter=Filter(**chosen), limit=limit, dry_run=True)
        return (await redrive_dead_letters(settings, plan)).codes

    assert await would() == {"not_json": 5, "batch": 3}
    assert await would(code="batch") == {"batch": 3}
    assert await would(limit=6) == {"not_json": 5, "batch": 1}
    assert await would(offset=2) == {"not_json": 1}
    assert await would(partition=4) == {}
    assert await would(since=datetime.now(UTC) + timedelta(hours=1)) == {}
    assert len(await read_topic(fresh_tansu.connection, USAGE, count=8)) == 8


async def test_a_redrive_keeps_to_its_rate(fresh_tansu: Any, store: Store) -> None:
    settings = stream_settings(fresh_tansu.connection)
    async with working(settings, store):
        await publish(fresh_tansu.connection, [replace(record(n), value=b"{oops %d" % n) for n in range(11)])
        await until_dead(settings, 11)
    started = time.monotonic()
    assert (await redrive_dead_letters(settings, RedrivePlan(filter=Filter(), per_second=20))).sent == 11
    assert time.monotonic() - started >= 10 / 20


async def test_an_empty_topic_and_a_missing_one(fresh_tansu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = stream_settings(fresh_tansu.connection)
    await ensure_topics(settings.client_options(), usage_partitions=1)
    assert await letters_of(settings) == []
    assert (await redrive_dead_letters(settings, RedrivePlan(filter=Filter()))).sent == 0
    monkeypatch.setattr("spendmeter_stream.dlq.reading.USAGE_DLQ", "no.such.topic")
    monkeypatch.setattr("spendmeter_stream.dlq.reading._SILENT_POLLS", 2)
    with pytest.raises(SetupError, match="cannot be read to its end"):
        await letters_of(settings)


async def _stored(store: Store, org: str, events: int) -> None:
    for _ in range(300):
        if await count(store, org) >= events:
            break
        await asyncio.sleep(0.05)
    assert await count(store, org) == events
