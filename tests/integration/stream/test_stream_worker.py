"""The worker on a real broker and a real store counts each event once, whatever else arrives."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from spendmeter_clickhouse import Store, StoreUnreachableError
from spendmeter_events import DirectoryPublisher, OrgEntry, UserEntry
from spendmeter_events.topics import USAGE_DLQ
from spendmeter_stream.ingest.protocol import Chunk, ChunkProtocol
from spendmeter_stream.ingest.service import Ingest
from tests.support.kafka.topic import read_topic
from tests.support.metrics import metric
from tests.support.records import FakeRecord, record
from tests.support.service import answer, service
from tests.support.until import until
from tests.support.worker import count, publish, scalar, stream_settings, working


def of(org_id: str, numbers: range, **changes: Any) -> list[FakeRecord]:
    """Return records of one org. Ids differ between orgs, because the tests share a store."""
    first = 1_000_000 * (sum(org_id.encode()) + 1)
    return [record(first + number, org_id=org_id, **changes) for number in numbers]


async def arrived(store: Store, org_id: str, events: int) -> None:
    """Wait until `count` events of an org are stored, and check that no more follow."""
    for _ in range(600):
        if await count(store, org_id) >= events:
            break
        await asyncio.sleep(0.1)
    assert await count(store, org_id) == events


async def test_events_are_stored_once_in_raw_and_rollups(broker: Any, store: Store) -> None:
    """On both brokers: first copies, client retries, and the same again after a restart of the worker."""
    org = f"once-{broker.name}".lower()
    settings = stream_settings(broker.connection, group=f"group-{org}")
    async with working(settings, store):
        await publish(broker.connection, [*of(org, range(50)), *of(org, range(25)), *of(org, range(40, 60))])
        await arrived(store, org, 60)
    async with working(settings, store):
        await publish(broker.connection, [*of(org, range(70))])
        await arrived(store, org, 70)
    for table, value in (("usage_events", "count()"), *((f"usage_{g}", "sum(requests)") for g in GRAINS)):
        sql = f"SELECT {value}, sum(cost) FROM {table} WHERE org_id = {{org:String}}"
        with store.session("test") as session:
            assert (await session.query(sql, {"org": org})).result_rows == [(70, 70 * Decimal("0.0035"))]


GRAINS = ("15m", "hourly", "daily")


async def test_bad_records_are_dead_lettered_and_block_no_others(fresh_tansu: Any, store: Store) -> None:
    bad = {
        "not_json": b"{oops",
        "unknown_field": record(1, prompt="secret").value,
        "invalid_field": record(1, input_tokens=-1).value,
        "occurred_at_out_of_range": record(1, occurred_at="1999-01-01T00:00:00Z").value,
        "too_large": b"{" + b"x" * 2**21 + b"}",
    }
    records = [replace(record(1), value=value) for value in bad.values()]
    records.append(replace(record(1), value=b"[" + (record(2).value or b"") + b"]"))
    settings = stream_settings(fresh_tansu.connection)
    before = metric("spendmeter_events_total", outcome="dead_letter")
    async with working(settings, store):
        await publish(fresh_tansu.connection, [*records, *of("good", range(10))])
        await arrived(store, "good", 10)
        letters = await read_topic(fresh_tansu.connection, USAGE_DLQ, count=6)
    assert metric("spendmeter_events_total", outcome="dead_letter") == before + 6
    by_code = {dict(letter.headers)["error_code"].decode(): letter for letter in letters}
    assert by_code.keys() == {*bad, "batch"}
    for code, value in bad.items():
        assert (by_code[code].value, by_code[code].key) == (value, record(1).key)
    places = {(dict(x.headers)["partition"], dict(x.headers)["offset"]) for x in letters}
    assert len(places) == 6
    assert all(b"secret" not in dict(letter.headers)["error_message"] for letter in letters)


async def test_an_unknown_org_is_counted_and_stored_as_it_came(fresh_tansu: Any, store: Store) -> None:
    orgs, users = metric("spendmeter_unknown_orgs_total"), metric("spendmeter_unknown_users_total")
    async with working(stream_settings(fresh_tansu.connection), store):
        await publish(fresh_tansu.connection, of("nobody-knows", range(3)))
        await arrived(store, "nobody-knows", 3)
    assert metric("spendmeter_unknown_orgs_total") == orgs + 3
    assert metric("spendmeter_unknown_users_total") == users + 3


async def test_the_directory_stamps_events_and_names_orgs(fresh_tansu: Any, store: Store) -> None:
    settings = stream_settings(fresh_tansu.connection)
    school = OrgEntry(org_id="known", name="Known School", timezone="Asia/Kolkata", currency="INR")
    pupil = UserEntry(org_id="known", user_id="user-1", name="P", role="student", class_name="8", section="B")
    async with working(settings, store) as worker:
        async with DirectoryPublisher(connection=settings.connection()) as directory:
            await directory.publish(school, pupil)
        await until(lambda: ("known", "user-1") in worker.directory.users, attempts=18000)
        await publish(fresh_tansu.connection, of("known", range(2)))
        await arrived(store, "known", 2)
    with store.session("test") as session:
        rows = await session.query("SELECT DISTINCT role, class_name, section FROM usage_events WHERE org_id = 'known'")
        assert rows.result_rows == [("student", "8", "B")]
        name = await session.query("SELECT name FROM orgs FINAL WHERE org_id = 'known'")
        assert name.result_rows == [("Known School",)]
    async with working(settings, store) as worker:
        await until(lambda: ("known", "user-1") in worker.directory.users, attempts=18000)
        async with DirectoryPublisher(connection=settings.connection()) as directory:
            await directory.remove(school, pupil)
        await until(lambda: ("known", "user-1") not in worker.directory.users, attempts=18000)
        assert "known" not in worker.directory.orgs
        await publish(fresh_tansu.connection, of("known", range(2, 3)))
        await arrived(store, "known", 3)
    assert await scalar(store, "SELECT countIf(role = '') FROM usage_events WHERE org_id = 'known'") == 1
    with service(store) as client:
        assert answer(client, "/v1/directory/user", org="known")["entries"] == []
        user = answer(client, "/v1/usage/users/user-1", org="known", **{"from": "2026-11-01", "to": "2026-12-01"})[
            "user"
        ]
        assert (user["name"], user["email"], user["role"], user["org_name"]) == (None, None, None, None)


async def test_too_many_invalid_records_pause_the_partition(fresh_tansu: Any, store: Store) -> None:
    """A topic with messages of another kind is not dead-lettered as a whole; other partitions continue."""
    settings = stream_settings(fresh_tansu.connection, max_bad_in_a_row=20, usage_partitions=2, chunk_records=10)
    broken = [replace(record(1), value=b"other") for _ in range(200)]
    async with working(settings, store):
        await publish(fresh_tansu.connection, broken)
        await until(lambda: stopped_partitions() == 1, attempts=18000)
        before = metric("spendmeter_dead_letters_total", code="not_json")
        await publish(fresh_tansu.connection, [*of("others", range(40)), *broken])
        await asyncio.sleep(1)
        assert metric("spendmeter_dead_letters_total", code="not_json") == before
        assert 0 < await count(store, "others") < 40
    assert stopped_partitions() == 0


def stopped_partitions() -> float:
    return sum(metric("spendmeter_partition_stopped", partition=str(number)) for number in range(4))


async def test_an_outage_of_the_store_is_waited_out(fresh_tansu: Any, store: Store) -> None:
    """Inserts report errors after they were executed, as with a lost response: no event is lost or duplicated."""
    settings = stream_settings(fresh_tansu.connection)
    failures = iter(range(5))

    class LosesAnswers(ChunkProtocol):
        async def insert(self, chunk: Chunk, block: pa.Table) -> None:
            await super().insert(chunk, block)
            if next(failures, None) is not None:
                raise StoreUnreachableError("the answer was lost")

    class LossyIngest(Ingest):
        protocol = LosesAnswers

    async with working(settings, store, ingest_type=LossyIngest) as worker:
        await publish(fresh_tansu.connection, of("outage", range(30)))
        await until(worker.ingest.caught_up, attempts=18000)
        await arrived(store, "outage", 30)
        await until(lambda: next(failures, None) is None, attempts=18000)
    assert await scalar(store, "SELECT sum(requests) FROM usage_daily WHERE org_id = 'outage'") == 30


async def test_freshness_is_when_events_were_stored_not_when_they_say(fresh_tansu: Any, store: Store) -> None:
    """Row B14: an event half an hour ahead must not make a stalled pipeline look fresh."""
    start = datetime.now(UTC)
    ahead = (start + timedelta(minutes=28)).isoformat(timespec="milliseconds")
    async with working(stream_settings(fresh_tansu.connection), store):
        await publish(fresh_tansu.connection, of("fresh", range(1), occurred_at=ahead))
        await arrived(store, "fresh", 1)
    end = datetime.now(UTC)
    # Whole milliseconds.
    assert start.timestamp() - 0.001 <= metric("spendmeter_last_stored_timestamp_seconds") <= end.timestamp()
    with service(store, now=end + timedelta(minutes=10)) as client:
        lag = answer(client, "/v1/usage/summary")["freshness"]["lag_seconds"]
    assert 600 <= lag <= 600 + (end - start).total_seconds() + 1
