# ruff: noqa: E501 - SQL is shown as it is sent
"""Golden statements of the call log and the audit log."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from inline_snapshot import snapshot

from spendmeter_rollups.calls.log_statement import Position, events
from spendmeter_rollups.query import lookups
from spendmeter_rollups.query.windows import Window

WINDOW = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 3, 0, 7, tzinfo=UTC))
EDGES = (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC))
DAYS = Window(EDGES[0], EDGES[2])


def test_the_log_is_read_from_its_newest_hour() -> None:
    query = events(DAYS, {"user_id": ("ann",)}, columns=("event_id", "cost"), before=Position(5, UUID(int=7)), limit=51)
    assert query.sql == snapshot("""\
SELECT event.event_id, event.cost
FROM usage_events AS event
WHERE event.occurred_at >= fromUnixTimestamp64Milli({window_start:Int64}, 'UTC') AND event.occurred_at < fromUnixTimestamp64Milli({window_end:Int64}, 'UTC') AND event.kind = 'usage' AND event.user_id IN {only_user_id:Array(String)} AND (toUnixTimestamp64Milli(event.occurred_at), UUIDToNum(event.event_id)) < ({before_ms:Int64}, UUIDToNum({before_id:UUID})) AND event.occurred_at <= fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC')
ORDER BY toStartOfHour(event.occurred_at) DESC, event.occurred_at DESC, UUIDToNum(event.event_id) DESC
LIMIT {row_limit:UInt64}
SETTINGS read_in_order_use_buffering = 0\
""")
    assert query.parameters == snapshot(
        {
            "row_limit": 51,
            "window_start": 1793491200000,
            "window_end": 1793664000000,
            "only_user_id": ["ann"],
            "before_ms": 5,
            "before_id": "00000000-0000-0000-0000-000000000007",
        }
    )


def test_the_audit_log_is_filtered_by_its_own_columns_alone() -> None:
    before = datetime(2026, 11, 2, tzinfo=UTC)
    query = lookups.audited({"org_id": ("acme",), "actor": ("admin' --",)}, before=before, limit=100)
    assert query.sql == snapshot("""\
SELECT at, request_id, actor, action, org_id, user_id
FROM audit_log
WHERE org_id IN {only_org_id:Array(String)} AND actor IN {only_actor:Array(String)} AND at < fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC')
ORDER BY at DESC, request_id DESC
LIMIT {row_limit:UInt64}\
""")
    assert query.parameters == snapshot(
        {"only_org_id": ["acme"], "only_actor": ["admin' --"], "before_ms": 1793577600000, "row_limit": 100}
    )
    with pytest.raises(ValueError, match="request_id"):
        lookups.audited({"request_id": ("x",)}, before=None, limit=1)
