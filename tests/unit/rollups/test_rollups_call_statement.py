# ruff: noqa: E501 - SQL is shown as it is sent
"""Golden tests of the SQL of calls and price cards."""

from __future__ import annotations

from datetime import UTC, datetime

from inline_snapshot import snapshot

from spendmeter_rollups.calls.call_statement import cards_in_use
from spendmeter_rollups.query.windows import Window

DAY = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))


def test_price_cards_are_grouped_by_their_key() -> None:
    query = cards_in_use(DAY, {"org_id": ("acme' --",)}, limit=3, offset=2)
    assert query.sql == snapshot("""\
SELECT event.provider AS provider, event.model AS model, event.service_tier AS service_tier,
    event.region AS region, event.kind = 'adjustment' AS repriced, event.price_card AS card,
    if(startsWith(event.price_version, {reported:String}), event.price_version, '') AS reported,
    arraySort(groupUniqArray(event.pricing_status)) AS statuses, count() AS calls,
    min(event.occurred_at) AS first_use, max(event.occurred_at) AS last_use
FROM usage_events AS event
WHERE event.occurred_at >= fromUnixTimestamp64Milli({window_start:Int64}, 'UTC') AND event.occurred_at < fromUnixTimestamp64Milli({window_end:Int64}, 'UTC') AND event.org_id IN {only_org_id:Array(String)}
GROUP BY provider, model, service_tier, region, repriced, reported, card
ORDER BY provider, model, service_tier, region, repriced, first_use, card, reported
LIMIT {row_limit:UInt64} OFFSET {row_offset:UInt64}\
""")
    assert query.parameters == snapshot(
        {
            "reported": "reported:",
            "row_limit": 3,
            "row_offset": 2,
            "window_start": 1793491200000,
            "window_end": 1793577600000,
            "only_org_id": ["acme' --"],
        }
    )
