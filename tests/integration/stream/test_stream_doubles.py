"""Calls that may be counted twice: conflicts of one id, and double reports, in a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pyarrow as pa
import pytest

from spendmeter_clickhouse import Session, Store
from spendmeter_clickhouse.scopes import ORG_READ
from spendmeter_rollups import Credential
from spendmeter_stream.ingest.conflicts import record_conflicts
from spendmeter_stream.ingest.decode import Events
from spendmeter_stream.maintenance.drop_doubles import drop_doubles
from spendmeter_stream.maintenance.rebuild import rebuild
from spendmeter_stream.verify import Days, Surroundings, verify
from spendmeter_stream.verify.doubles import CountingWarnings, find_warnings, watch_double_reports
from tests.support.blocks import HERE, block_of, empty, insert_block
from tests.support.chunks import Group, Owner, value
from tests.support.metrics import metric
from tests.support.records import event, record
from tests.support.service import answer, service

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
WINDOW = {"from": "2026-11-01", "to": "2026-11-03"}
JOURNAL = ("ingest_conflicts", "ingest_surplus", "ingest_suspect_blocks", "ingest_open_suspects")


class SchoolKey:
    """The key of one school."""

    async def authenticate(self, token: str) -> Credential | None:
        return Credential(token, frozenset((ORG_READ,)), org_id="school-1") if token == "school" else None


@pytest.fixture
async def session(store: Store) -> AsyncIterator[Session]:
    with store.session("test", size=2) as session:
        await empty(session)
        for table in JOURNAL:
            await session.command(f"TRUNCATE TABLE {table}")
        yield session


@pytest.fixture
def cpu() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as cpu:
        yield cpu


async def insert(session: Session, *calls: dict[str, Any]) -> None:
    """Store calls that occurred at noon plus `seconds` and arrived in this order, two hours ago."""
    events = []
    for number, call in enumerate(calls, 1):
        stamp = (NOON + timedelta(seconds=call.get("seconds", 0))).isoformat(timespec="milliseconds")
        fields = {name: text for name, text in call.items() if name != "seconds"}
        events.append(event(number, **{"occurred_at": stamp, **fields}))
    block = block_of(events, first_offset=1)
    start = datetime.now(UTC) - timedelta(hours=2)
    arrived = pa.array([start + timedelta(seconds=number) for number in range(len(events))], pa.timestamp("ms", "UTC"))
    await insert_block(
        session, block.set_column(block.schema.get_field_index("ingested_at"), "ingested_at", arrived), uuid4().hex
    )


async def found_warnings(session: Session) -> CountingWarnings:
    return await find_warnings(session, {date(2026, 11, 1): 1, date(2026, 11, 2): 1}, Days().parameters())


async def suspected(session: Session) -> list[tuple[str, int, int]]:
    """Return (evidence, suspected call, first call)."""
    found = await found_warnings(session)
    assert found.suspected == len(found.double_reports)
    return [(it.evidence, it.event_id.int, it.first_event_id.int) for it in found.double_reports]


SECOND_REPORTS: list[tuple[dict[str, Any], str | None]] = [
    # A wrapper and a proxy: the proxy has another name of the model, and splits the prompt.
    ({"request_id": "r", "model": "gpt-4o-2024-08-06", "cache_read_tokens": 400}, "request_id"),
    ({"request_id": "r", "seconds": 3600}, "request_id"),
    ({"request_id": "r", "seconds": 3601}, None),
    ({"request_id": "r", "output_tokens": 101}, None),
    ({"request_id": "r", "org_id": "school-2"}, None),
    ({"request_id": "r", "provider": "azure"}, None),
    ({"request_id": "other"}, None),
    ({"request_id": "", "service": "proxy", "seconds": 2}, "usage_and_time"),
    ({"request_id": "", "service": "proxy", "seconds": 2.001}, None),
    ({"request_id": "", "model": "gpt-4o-mini"}, None),
]


async def test_what_is_suspected(session: Session) -> None:
    """Row B12."""
    calls, expected = [], set()
    for number, (second, evidence) in enumerate(SECOND_REPORTS, 1):
        prompt = 1000 * number
        cached = second.get("cache_read_tokens", 0)
        calls += [{"request_id": "r", "input_tokens": prompt}, {**second, "input_tokens": prompt - cached}]
        expected |= {(evidence, 2 * number, 2 * number - 1)} if evidence else set()
    # Failed calls have no usage to compare; midnight separates nothing.
    calls += [{"request_id": "r", "input_tokens": 0, "output_tokens": 0, "status": "error"}] * 2
    calls += [
        {"request_id": "m", "occurred_at": f"2026-11-0{instant}", "output_tokens": 9}
        for instant in ("1T23:59:59Z", "2T00:00:01Z")
    ]
    await insert(session, *calls)
    expected.add(("request_id", len(calls), len(calls) - 1))
    assert set(await suspected(session)) == expected
    await watch_double_reports(session, datetime(2026, 11, 2, 0, 30, tzinfo=UTC))
    assert metric("spendmeter_suspected_double_reports", evidence="request_id") == 1
    assert metric("spendmeter_suspected_double_reports", evidence="usage_and_time") == 0


async def test_only_a_repeated_request_id_is_dropped_where_asked(session: Session) -> None:
    await insert(session, {"request_id": "r"}, {"request_id": "r"}, {"request_id": "", "seconds": 1})
    adjustment = (uuid4(), "adjustment", UUID(int=2), NOON)
    await session.insert("usage_events", [adjustment], ["event_id", "kind", "adjusts", "occurred_at"])
    assert await drop_doubles(session, Days()) == (1, {date(2026, 11, 2)})
    await rebuild(session, date(2026, 11, 1), stream=None, suspects=[date(2026, 11, 2)])
    assert [evidence for evidence, _, _ in await suspected(session)] == ["usage_and_time"]
    assert await value(session, "SELECT arraySort(groupArray(event_id)) FROM usage_events") == [
        UUID(int=1),
        UUID(int=3),
    ]
    assert await value(session, "SELECT (event_id, kept_offset) FROM ingest_surplus") == (UUID(int=2), 1)
    report = await verify(session, Days(), around=Surroundings(moving=False))
    assert (report.clean, report.warnings.suspected) == (True, 1)
    # A call that was just stored may be sent again.
    await insert_block(session, block_of([event(4, request_id="r")]), uuid4().hex)
    assert await drop_doubles(session, Days()) == (0, set())


async def test_an_id_with_other_content_is_counted_once_and_recorded(session: Session, cpu: ThreadPoolExecutor) -> None:
    """Row B11: through the protocol, in one chunk and in a later one."""
    log = [
        record(1, offset=0, audio_seconds=1.0004, provider_cost_usd=0.1),
        record(1, offset=1, audio_seconds=1.0001, provider_cost_usd=0.1, occurred_at="2026-11-02T10:05:00Z"),
        record(1, offset=2, output_tokens=7, user_id="someone"),
        record(1, offset=3, provider_cost_usd=0.2, org_id="school-2"),
    ]
    owner = Owner(session, Group(topic_id=uuid4().hex), log, cpu=cpu)
    await owner.assigned()
    before = metric("spendmeter_event_conflicts_total")
    assert (await owner.take(3)).stored == 1
    assert (await owner.take(4)).stored == 0
    assert metric("spendmeter_event_conflicts_total") == before + 2
    found = await found_warnings(session)
    assert [it.fields for it in found.conflict_list] == [
        ["user_id", "output_tokens", "audio_seconds", "provider_cost"],
        ["org_id", "audio_seconds", "provider_cost"],
    ]
    # A retry of the step records nothing twice.
    events = Events.of([event(1, provider_cost_usd=0.2, org_id="school-2")], [3])
    assert await record_conflicts(session, events, events.take([]), owner.coordinates) == 1
    assert found.conflicts == 2 == await value(session, "SELECT count() FROM ingest_conflicts FINAL")


async def test_the_service_lists_both_to_those_who_may_see_them(store: Store, session: Session) -> None:
    await insert(session, {"request_id": "r"}, {"request_id": "r"}, {"org_id": "school-2", "seconds": 9})
    kept = Events.of([])
    differing: list[dict[str, Any]] = [{"output_tokens": 7}, {"org_id": "school-2"}]
    for offset, changes in enumerate(differing, 90):
        events = Events.of([event(1, **{"occurred_at": NOON.isoformat(), "request_id": "r", **changes})], [offset])
        await record_conflicts(session, events, kept, HERE)
    with service(store, authenticators=(SchoolKey(),)) as client:
        doubles = answer(client, "/v1/usage/duplicates", **WINDOW)
        assert (doubles["calls"], len(doubles["rows"]), doubles["has_more"]) == (1, 1, False)
        assert doubles["cost"] == doubles["rows"][0]["cost"] == "0.0035"
        assert answer(client, "/v1/usage/duplicates", **WINDOW, org="school-2")["rows"] == []
        both = answer(client, "/v1/usage/conflicts", **WINDOW)["rows"]
        assert [(it["fields"], it["counted"], it["dropped"]) for it in both] == [
            (["output_tokens"], {"output_tokens": "100"}, {"output_tokens": "7"}),
            (["org_id"], {"org_id": "school-1"}, {"org_id": "school-2"}),
        ]
        client.headers["Authorization"] = "Bearer school"
        own = answer(client, "/v1/usage/conflicts", **WINDOW)["rows"]
        assert [it["fields"] for it in own] == [["output_tokens"]]
        assert len(answer(client, "/v1/usage/duplicates", **WINDOW)["rows"]) == 1
