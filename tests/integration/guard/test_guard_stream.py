"""The guard in a real worker: a runaway in the stream raises an alert in topic, metrics and webhook."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from spendmeter_clickhouse import Store, StoreUnreachableError
from spendmeter_clickhouse.budgets import write_budget
from spendmeter_events.alert import SpendAlert
from spendmeter_events.topics import ALERTS
from spendmeter_stream.guard import SpendGuard
from spendmeter_stream.guard.notify.webhook import SIGNATURE
from spendmeter_stream.guard.read.spend_reader import SpendReader
from spendmeter_stream.guard.values import Reading
from spendmeter_stream.kafka.topic_admin import ensure_topics
from spendmeter_stream.runtime.background import BackgroundTasks
from spendmeter_stream.runtime.health import WorkerHealth
from spendmeter_stream.settings import StreamSettings
from tests.support.endpoint import endpoint
from tests.support.kafka.topic import read_topic
from tests.support.metrics import metric
from tests.support.records import FakeRecord, record
from tests.support.spend import ACME, budget
from tests.support.until import until
from tests.support.worker import count, publish, stream_settings, working

USD_A_CALL = 0.251
"""100,000 input and 100 output tokens of gpt-4o."""


def loop(org_id: str, *, calls: int, over: timedelta) -> list[FakeRecord]:
    """Return the calls of a loop, spread evenly until now."""
    now = datetime.now(UTC)
    moments = [now - over * index / calls for index in range(calls)]
    return [
        record(
            index,
            event_id=str(uuid4()),
            occurred_at=moment.isoformat(),
            org_id=org_id,
            user_id="loop",
            input_tokens=100_000,
        )
        for index, moment in enumerate(moments)
    ]


async def published_alerts(settings: StreamSettings, *, alerts: int) -> list[SpendAlert]:
    records = await read_topic(settings.connection(), ALERTS, count=alerts)
    found = [SpendAlert.model_validate_json(stored.value or b"") for stored in records]
    assert [stored.key for stored in records] == [alert.record_key for alert in found]
    return found


class Trouble:
    """A store that hangs on the guard's reads, and then fails twice, once by a bug."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hangs, self.goes_on = asyncio.Event(), asyncio.Event()
        failures = iter([StoreUnreachableError("away"), RuntimeError("a bug")])
        read = SpendReader.read

        async def troubled(reader: SpendReader, now: datetime) -> Reading:
            self.hangs.set()
            await self.goes_on.wait()
            for error in failures:
                raise error
            return await read(reader, now)

        monkeypatch.setattr(SpendReader, "read", troubled)


async def test_a_runaway_is_reported_to_topic_metrics_and_webhook(
    tansu: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alert is sent once, not again by the next leader, and ingestion never waits for the guard."""
    trouble = Trouble(monkeypatch)
    async with endpoint([503]) as (url, got):
        settings = stream_settings(
            tansu.connection,
            group="guard-runaway",
            guard_interval_seconds=1,
            alert_webhook_url=url,
            alert_webhook_secret="a secret for tests",
        )
        async with working(settings, store):
            await trouble.hangs.wait()
            await publish(tansu.connection, loop("runaway", calls=20, over=timedelta(minutes=1)))
            await stored(store, "runaway", 20)
            trouble.goes_on.set()
            runaway = {"scope": "org", "org": "runaway", "key": "runaway"}
            await until(lambda: metric("spendmeter_spend_spike_score", **runaway) > 6, attempts=18000)
            assert metric("spendmeter_spend_usd", **runaway, window="1h") == pytest.approx(20 * USD_A_CALL)
            await until(lambda: len(got) >= 4, attempts=18000)
    alerts = await published_alerts(settings, alerts=3)
    assert {(alert.kind, alert.scope, alert.org_id, alert.key) for alert in alerts} == {
        ("spike", "org", "runaway", "runaway"),
        ("spike", "user", "runaway", "loop"),
        ("spike", "feature", "runaway", "chat"),
    }
    assert all(SIGNATURE in headers for headers, _ in got)
    assert [body for _, body in got[1:]] == [alert.to_json() for alert in alerts]
    # The first was rejected once, and retried unchanged.
    assert got[0][1] == got[1][1]
    assert await listed(store) == sorted(str(alert.alert_id) for alert in alerts)
    # The next leader stores what the former one may not have stored, and sends nothing.
    with store.session("test") as session:
        await session.command("DELETE FROM spend_alerts WHERE scope = 'user'")
    assert await lead(settings, store) == []
    assert await listed(store) == sorted(str(alert.alert_id) for alert in alerts)


async def listed(store: Store) -> list[str]:
    """Return the ids of the stored alerts."""
    with store.session("test") as session:
        found = await session.query("SELECT toString(alert_id) FROM spend_alerts FINAL ORDER BY 1")
        return [row[0] for row in found.result_rows]


async def stored(store: Store, org_id: str, events: int) -> None:
    """Wait until `count` events of an org are stored."""
    for _ in range(600):
        if await count(store, org_id) == events:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the events were never stored")


async def lead(settings: StreamSettings, store: Store, **options: Any) -> list[SpendAlert]:
    """Return the alerts of a guard that has just become the leader."""
    with store.session("guard") as session:
        guard = SpendGuard(
            settings=settings, session=session, leads=lambda: True, tasks=BackgroundTasks(WorkerHealth()), **options
        )
        try:
            return await guard.run_once()
        finally:
            await guard.on_stop()


async def test_a_budget_is_watched_from_the_run_after_it_was_set(tansu: Any, store: Store) -> None:
    settings = stream_settings(tansu.connection)
    await ensure_topics(settings.client_options(), usage_partitions=1)
    rows = "SELECT generateUUIDv4(), now64(3), 'acme', 'u', 'chat', 'platform', 95 FROM numbers(1)"
    columns = "event_id, occurred_at, org_id, user_id, feature, key_source, cost"
    with store.session("test") as session:
        await session.command(f"INSERT INTO usage_events ({columns}) {rows}")
        # Too large to be exceeded; lowered later.
        await write_budget(session, budget(ACME, 100_000))
        assert "budget" not in {alert.kind for alert in await lead(settings, store)}
        await write_budget(session, budget(ACME, 100))
    alerts = await lead(settings, store)
    assert [(alert.kind, alert.severity, alert.key) for alert in alerts] == [
        ("burn", "critical", "acme"),
        ("budget", "warning", "acme"),
    ]
    assert alerts[1].budget is not None
    assert alerts[1].budget.budget_id == UUID(int=1)
    assert alerts[1].budget.used_ratio == 0.95


async def test_a_worker_that_does_not_lead_looks_at_nothing(tansu: Any, store: Store) -> None:
    looked = asyncio.Event()

    def leads() -> bool:
        looked.set()
        return False

    before = metric("spendmeter_spend_guard_run_seconds_count")
    with store.session("guard") as session:
        guard = SpendGuard(
            settings=stream_settings(tansu.connection),
            session=session,
            leads=leads,
            tasks=BackgroundTasks(WorkerHealth()),
        )
        await guard.start()
        await looked.wait()
        await guard.stop()
    assert metric("spendmeter_spend_guard_run_seconds_count") == before
