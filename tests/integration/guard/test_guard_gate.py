"""The budget gate on a real broker, worker and store: a runaway loop is stopped, others go on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.budgets import EACH_USER, Budget, write_budget
from spendmeter_events import BudgetGate, KafkaConnection
from spendmeter_events.gate.status import BudgetStatus
from spendmeter_events.topics import BUDGETS
from spendmeter_stream.guard.notify.state_topic import BudgetStateTopic, worth_publishing
from spendmeter_stream.kafka.topic_admin import ensure_topics
from tests.support.records import FakeRecord, record
from tests.support.until import until
from tests.support.worker import publish, scalar, stream_settings, working

ORG = "gate"


def budget(number: int, **subject: Any) -> Budget:
    fields = {"scope": "org", "org_id": ORG, "user_id": "", "feature": "", "currency": "USD", **subject}
    return Budget(budget_id=UUID(int=number), amount=Decimal(1), updated_at=datetime.now(UTC), **fields)


def call(user: str, **fields: Any) -> FakeRecord:
    """Return a call of 1.001 USD: 400,000 input and 100 output tokens of gpt-4o."""
    now = datetime.now(UTC).isoformat()
    return record(1, event_id=str(uuid4()), occurred_at=now, org_id=ORG, user_id=user, input_tokens=400_000, **fields)


async def test_a_runaway_loop_is_stopped_and_others_go_on(
    fresh_tansu: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each user of the org may spend 1 USD. The loop calls as long as the gate allows it; the refusal is stored."""
    monkeypatch.setattr("spendmeter_stream.guard.service._IDLE_FACTOR", 0.0)
    connection = fresh_tansu.connection
    settings = stream_settings(connection, group="gate", guard_interval_seconds=1)
    with store.session("budgets") as session:
        await write_budget(session, budget(1, scope="user", user_id=EACH_USER))
    async with working(settings, store), BudgetGate(connection=connection, when_stale="closed") as gate:
        await until(lambda: gate.allows(ORG, "loop", "chat"), attempts=18000)
        made = 0
        while gate.allows(ORG, "loop", "chat"):
            await publish(connection, [call("loop")])
            made += 1
            await asyncio.sleep(0.2)
        assert made >= 1
        decision = gate.check(ORG, "loop", "chat")
        assert (decision.reason, decision.budget and decision.budget.conditions) == (
            "over_budget",
            {"org": ORG, "user": "loop"},
        )
        assert gate.allows(ORG, "ann", "chat")
        assert gate.allows("another org", "loop", "chat")
        refusal = gate.refusal(org_id=ORG, user_id="loop", feature="chat", provider="openai", model="gpt-4o")
        await publish(connection, [FakeRecord(0, refusal.key, refusal.to_json())])
        await until_stored(store, made + 1)
    stored = "SELECT (status, error_type, cost, unpriced_requests) FROM usage_events WHERE event_id = {id:UUID}"
    assert await scalar(store, stored, id=str(refusal.event_id)) == ("cancelled", "budget", Decimal(0), 0)
    assert await scalar(store, "SELECT sum(errors) FROM usage_daily WHERE org_id = {org:String}", org=ORG) == 0


async def until_stored(store: Store, events: int) -> None:
    """Wait until the events of the org are stored."""
    for _ in range(600):
        if await scalar(store, "SELECT count() FROM usage_events WHERE org_id = {org:String}", org=ORG) == events:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the events were never stored")


def state(user: str, spent: float, *, number: int = 1) -> BudgetStatus:
    now = datetime.now(UTC)
    return BudgetStatus(
        budget_id=UUID(int=number),
        scope="user",
        conditions={"org": ORG, "user": user},
        spent_usd=Decimal(str(spent)),
        limit_usd=Decimal(1),
        over=spent >= 1,
        month_start=now - timedelta(days=1),
        month_end=now + timedelta(days=1),
        at=now,
    )


async def test_a_gate_follows_changes_tombstones_and_a_new_leader(fresh_tansu: Any) -> None:
    connection = fresh_tansu.connection
    await ensure_topics(stream_settings(connection).client_options(), usage_partitions=1)
    topic = BudgetStateTopic(client_options=connection.client_options())
    successor = BudgetStateTopic(client_options=connection.client_options())
    async with BudgetGate(connection=connection) as gate, BudgetGate(connection=connection, max_age_s=1e-9) as stale:
        # Without any state, an open gate allows every call.
        assert gate.check(ORG, "ann").reason == "stale"
        assert gate.allows(ORG, "ann")
        await topic.publish([state("ann", 1.5), state("bob", 2)], at=datetime.now(UTC), defaults=[])
        await until(lambda: not gate.allows(ORG, "ann"), attempts=18000)
        assert not gate.allows(ORG, "bob")
        assert gate.allows(ORG, "eve")
        await topic.publish([state("bob", 2)], at=datetime.now(UTC), defaults=[])
        await until(lambda: gate.allows(ORG, "ann"), attempts=18000)
        assert not gate.allows(ORG, "bob")
        # The budget was deleted before another guard led: its record has no tombstone.
        await successor.publish([state("ann", 3)], at=datetime.now(UTC), defaults=[])
        await until(lambda: not gate.allows(ORG, "ann"), attempts=18000)
        assert gate.allows(ORG, "bob")
        assert stale.check(ORG, "ann").reason == "stale"
    assert gate.check(ORG, "ann").reason == "stale"
    await topic.close()
    await successor.close()


@pytest.mark.parametrize("topic", ["not.a.topic", BUDGETS])
async def test_a_gate_without_states_logs_it_once(
    fresh_tansu: Any, topic: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("spendmeter_events.gate.budget_gate._GRACE_S", 0.0)
    monkeypatch.setattr("spendmeter_events.gate.budget_gate._POLL_MS", 20)
    await ensure_topics(stream_settings(fresh_tansu.connection).client_options(), usage_partitions=1)

    def warnings() -> list[str]:
        return [entry.getMessage() for entry in caplog.records if entry.name == "spendmeter_events"]

    async with BudgetGate(connection=fresh_tansu.connection, topic=topic):
        await until(lambda: bool(warnings()), attempts=18000)
        await asyncio.sleep(0.2)
    (warning,) = warnings()
    assert warning.startswith(f"Budget gate: no current evaluation on {topic}, decisions are stale: check that")


def test_a_gate_without_a_broker_decides_and_closes(unused_tcp_port: int) -> None:
    connection = KafkaConnection(bootstrap_servers=f"127.0.0.1:{unused_tcp_port}")
    with (
        BudgetGate(connection=connection) as opened,
        BudgetGate(connection=connection, when_stale="closed") as closed,
    ):
        assert opened.allows(ORG, "ann", "chat", model="gpt-4o", tags={"env": "prod"})
        assert not closed.allows(ORG, "ann")
        assert opened.age_s == float("inf")


def test_users_far_below_a_default_have_no_state() -> None:
    states = [state("ann", 0.1), state("bob", 0.6), state("eve", 1.2), state("own", 0.1, number=2)]
    chosen = [it.conditions["user"] for it in worth_publishing(states, {UUID(int=1)})]
    assert chosen == ["own", "eve", "bob"]
