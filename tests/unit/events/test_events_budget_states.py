"""States of budgets in memory: which calls a used-up budget refuses, and which records count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from spendmeter_events import BudgetGate
from spendmeter_events.gate.budget_index import BudgetIndex, call_of
from spendmeter_events.gate.state_table import StateTable
from spendmeter_events.gate.status import HEARTBEAT_KEY, BudgetStatus, GuardHeartbeat

AT = datetime(2026, 11, 16, 9, tzinfo=UTC)
MONTH = {"month_start": datetime(2026, 11, 1, tzinfo=UTC), "month_end": datetime(2026, 12, 1, tzinfo=UTC)}


def status(number: int = 1, *, over: bool = True, at: datetime = AT, **conditions: Any) -> BudgetStatus:
    return BudgetStatus(
        budget_id=UUID(int=number),
        scope="user",
        conditions=conditions,
        spent_usd=Decimal(2 if over else 0),
        limit_usd=Decimal(1),
        over=over,
        at=at,
        **MONTH,
    )


@pytest.mark.parametrize(
    ("conditions", "refused"),
    [
        ({"org": "acme"}, True),
        ({"org": "beta"}, False),
        ({"org": "acme", "user": "ann"}, True),
        ({"org": "acme", "user": "bob"}, False),
        ({"feature": "chat"}, True),
        ({"org": "acme", "model": "gpt-4o"}, True),
        ({"org": "acme", "model": "gpt-4o", "role": "student"}, False),
        ({"tag:env": "prod"}, True),
        ({"tag:env": "test"}, False),
    ],
)
def test_a_used_up_budget_refuses_calls_that_match_all_of_its_conditions(
    conditions: dict[str, Any], refused: bool
) -> None:
    call = call_of("acme", "ann", "chat", {"model": "gpt-4o"}, {"env": "prod"})
    found = BudgetIndex.of([status(**conditions)]).refusing(call, now=AT.timestamp())
    assert (found is not None) is refused


def test_values_that_are_not_text_match_as_their_text() -> None:
    class_5: dict[str, Any] = {"tag:class": "5"}
    index = BudgetIndex.of([status(org="acme", user="7"), status(2, **class_5)])
    key: Any = 7
    assert index.refusing(call_of("acme", key), now=AT.timestamp()) is not None
    assert index.refusing(call_of("beta", tags={"class": key - 2}), now=AT.timestamp()) is not None


def test_a_budget_that_is_not_used_up_and_one_of_last_month_refuse_nothing() -> None:
    call = call_of("acme")
    assert BudgetIndex.of([status(over=False, org="acme")]).refusing(call, now=AT.timestamp()) is None
    last = BudgetIndex.of([status(org="acme")])
    assert last.refusing(call, now=MONTH["month_end"].timestamp() - 0.001) is not None
    assert last.refusing(call, now=MONTH["month_end"].timestamp()) is None


def test_the_newest_record_of_a_key_counts_until_its_tombstone() -> None:
    table = StateTable()
    for record in (status(org="acme"), status(2, org="beta")):
        assert not table.apply(record.record_key, record.to_json())
    assert table.apply(HEARTBEAT_KEY, GuardHeartbeat(at=AT, since=AT).to_json())
    assert [it.conditions["org"] for it in table.statuses()] == ["acme", "beta"]
    lower = status(2, over=False, org="beta")
    table.apply(lower.record_key, lower.to_json())
    table.apply(status(org="acme").record_key, None)
    assert list(table.statuses()) == [lower]


def test_a_budget_that_was_deleted_while_no_guard_ran_is_obsolete() -> None:
    table = StateTable()
    old, new = status(at=AT, org="acme"), status(2, at=AT + timedelta(hours=1), org="beta")
    for record in (old, new):
        table.apply(record.record_key, record.to_json())
    table.apply(HEARTBEAT_KEY, GuardHeartbeat(at=AT + timedelta(hours=1), since=AT + timedelta(hours=1)).to_json())
    assert list(table.statuses()) == [new]


@pytest.mark.parametrize("value", [b"", b"{}", b"[1]", b"\xff", b'{"schema_version": 2}'])
def test_an_unreadable_record_affects_no_other(value: bytes) -> None:
    table = StateTable()
    table.apply(status(org="acme").record_key, status(org="acme").to_json())
    for key in (b"other", HEARTBEAT_KEY, None):
        assert not table.apply(key, value)
    assert len(list(table.statuses())) == 1


def test_a_refused_call_is_reported_as_cancelled_by_its_budget() -> None:
    event = BudgetGate.refusal(org_id="acme", user_id="ann", feature="chat", provider="openai", model="gpt-4o")
    assert (event.status, event.error_type, event.input_tokens, event.output_tokens) == ("cancelled", "budget", 0, 0)
