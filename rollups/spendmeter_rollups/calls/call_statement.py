"""SQL of one call (where it is, its row, its adjustments) and of price cards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from spendmeter_clickhouse.catalogue import EVENTS
from spendmeter_clickhouse.prices.price_cards import REPORTED
from spendmeter_rollups.query.statement import Filters, Query, event_within, filter_conditions, milliseconds
from spendmeter_rollups.query.windows import EARLIEST, LATEST, Window

_UUID7: Final = 7
_MOST_IDS: Final = 1000
"""ClickHouse rejects HTTP parameters above 128 KiB."""
_FIRST_MS, _LAST_MS = milliseconds(EARLIEST), milliseconds(LATEST)
_AROUND: Final = timedelta(hours=1)
_AT: Final = "event.occurred_at = fromUnixTimestamp64Milli({at_ms:Int64}, 'UTC')"
# The id alone is not enough: copies with one id may be stored in two partitions, by two orgs.
_ORG: Final = "event.org_id = {org:String}"
_CARD_KEY: Final = ("provider", "model", "service_tier", "region", "repriced", "reported", "card")


def place_of_call(event_id: UUID, orgs: Sequence[str] | None, *, near: datetime | None = None) -> Query:
    """Return org, call and time of a row: of the call itself, or of one of its adjustments.

    :param near: read only the hours around this time; None reads every id.
    """
    parameters: dict[str, object] = {"id": str(event_id)}
    conditions = ["event.event_id = {id:UUID}"]
    if near is not None:
        parameters |= {"first": near - _AROUND, "last": near + _AROUND}
        # Both are a prefix of the sorting key.
        conditions.append("UUIDToNum(event.event_id) = UUIDToNum({id:UUID})")
        conditions.append(
            "toStartOfHour(event.occurred_at) BETWEEN toStartOfHour({first:DateTime('UTC')})"
            " AND toStartOfHour({last:DateTime('UTC')})"
        )
    if orgs is not None:
        parameters["orgs"] = list(orgs)
        conditions.append("event.org_id IN {orgs:Array(String)}")
    sql = (
        "SELECT event.org_id AS org_id, if(event.kind = 'adjustment', event.adjusts, event.event_id) AS call_id,\n"
        "    event.occurred_at AS at\n"
        f"FROM {EVENTS} AS event\nWHERE {' AND '.join(conditions)}\nLIMIT 1"
    )
    return Query(sql, parameters)


def time_in(event_id: UUID) -> datetime | None:
    """Return the time in a version 7 id; None for any other id, or a time that no event has."""
    if event_id.version != _UUID7:
        return None
    ms = event_id.int >> 80
    return datetime.fromtimestamp(ms / 1000, UTC) if _FIRST_MS <= ms <= _LAST_MS else None


def call_row(org_id: str, call_id: UUID, at: datetime, columns: Iterable[str]) -> Query:
    """Return the org's call. If two copies are stored, the one that the daily scan keeps."""
    kept = "ORDER BY event.ingested_at, event.topic_id, event.topic_partition, event.topic_offset\nLIMIT 1"
    return _rows("event.event_id = {id:UUID} AND event.kind = 'usage'", kept, org_id, call_id, at, columns)


def adjustment_rows(org_id: str, call_id: UUID, at: datetime, columns: Iterable[str]) -> Query:
    """Return the adjustments of a call, oldest first. They occurred when the call did."""
    once = "ORDER BY event.adjustment\nLIMIT 1 BY event.event_id"
    return _rows("event.adjusts = {id:UUID} AND event.kind = 'adjustment'", once, org_id, call_id, at, columns)


def _rows(condition: str, order: str, org_id: str, call_id: UUID, at: datetime, columns: Iterable[str]) -> Query:
    chosen = ", ".join(f"event.{column}" for column in columns)
    sql = f"SELECT {chosen}\nFROM {EVENTS} AS event\nWHERE {_AT} AND {_ORG} AND {condition}\n{order}"
    return Query(sql, {"org": org_id, "id": str(call_id), "at_ms": milliseconds(at)})


def adjustment_sums(window: Window, filters: Filters, call_ids: Sequence[UUID]) -> Query:
    """Return the sum of the adjustments of each call that matches. Adjustments have the dimensions of their call.

    :param call_ids: restricts the answer to these calls, unless they are too many for one parameter.
    """
    parameters: dict[str, Any] = {}
    conditions = [event_within(window, "window", parameters), "event.kind = 'adjustment'"]
    conditions += filter_conditions("event", filters, parameters)
    if len(call_ids) <= _MOST_IDS:
        parameters["calls"] = [str(each) for each in call_ids]
        conditions.append("event.adjusts IN (SELECT arrayJoin({calls:Array(UUID)}))")
    sql = (
        f"SELECT event.adjusts AS event_id, sum(event.cost) AS adjustment\nFROM {EVENTS} AS event\n"
        f"WHERE {' AND '.join(conditions)}\nGROUP BY event.adjusts"
    )
    return Query(sql, parameters)


def price_cards(cards: Iterable[str]) -> Query:
    """Return (card, rates) of the stored price cards among `cards`."""
    return Query(
        "SELECT card, any(rates) AS rates FROM price_cards WHERE card IN {cards:Array(String)} GROUP BY card",
        {"cards": sorted(set(cards))},
    )


def cards_in_use(window: Window, filters: Filters, *, limit: int, offset: int) -> Query:
    """Return the price cards of calls and of adjustments, by model, tier and region.

    `reported` is the price version of calls with a reported cost; else empty, because every change of the book has
    another version.
    """
    parameters: dict[str, Any] = {"reported": REPORTED, "row_limit": limit, "row_offset": offset}
    conditions = [event_within(window, "window", parameters), *filter_conditions("event", filters, parameters)]
    sql = (
        "SELECT event.provider AS provider, event.model AS model, event.service_tier AS service_tier,\n"
        "    event.region AS region, event.kind = 'adjustment' AS repriced, event.price_card AS card,\n"
        "    if(startsWith(event.price_version, {reported:String}), event.price_version, '') AS reported,\n"
        "    arraySort(groupUniqArray(event.pricing_status)) AS statuses, count() AS calls,\n"
        "    min(event.occurred_at) AS first_use, max(event.occurred_at) AS last_use\n"
        f"FROM {EVENTS} AS event\nWHERE {' AND '.join(conditions)}\n"
        f"GROUP BY {', '.join(_CARD_KEY)}\n"
        "ORDER BY provider, model, service_tier, region, repriced, first_use, card, reported\n"
        "LIMIT {row_limit:UInt64} OFFSET {row_offset:UInt64}"
    )
    return Query(sql, parameters)
