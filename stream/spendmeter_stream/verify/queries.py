"""SQL of `verify`. A query reads a few days or a slice of the ids, so memory does not grow with the store.

Table and column names come from `measures.py`; values are bound.
"""

from __future__ import annotations

from typing import Final

from spendmeter_stream.verify.measures import (
    EXTREMES,
    ROLLUPS,
    SUMS,
    CheckedRollup,
    of_event,
    raw_key,
    rolled_key,
    weight,
)

BOUNDED: Final = {"max_memory_usage": 2 * 2**30}
"""Memory limit of each query, in bytes: beyond it the check fails, not the server."""

MAX_LISTED: Final = 1000
"""Ids listed per query; all are counted."""
_ORGS_LISTED: Final = 50
"""Orgs listed per day and rollup; all are counted."""

_RAW_DAYS: Final = """toStartOfHour(event.occurred_at) >= {first:Date}
AND toStartOfHour(event.occurred_at) < {last:Date} + 1
AND toDate(event.occurred_at) IN {days:Array(Date)}"""
_ROLLED_DAYS: Final = """rolled.bucket >= {first:Date}
AND rolled.bucket < {last:Date} + 1
AND toDate(rolled.bucket) IN {days:Array(Date)}"""
_NO_LATENCIES: Final = "name = 'latency_daily' AND arrayAll(text -> text = '0', arrayConcat(raw, rolled))"
"""Calls without a latency are in no histogram, so an org with only such calls has no row there."""

DAYS: Final = "\nUNION ALL\n".join(
    [
        "SELECT toDate(occurred_at) AS day, count() AS events FROM usage_events"
        " WHERE toDate(occurred_at) BETWEEN {first:Date} AND {last:Date} GROUP BY day",
        *(
            f"SELECT DISTINCT toDate(bucket) AS day, 0 AS events FROM {rollup.table}"
            " WHERE toDate(bucket) BETWEEN {first:Date} AND {last:Date}"
            for rollup in ROLLUPS
        ),
    ]
)
"""UTC days with rows in any table, and their number of raw events."""

REPEATED_IDS: Final = f"""
SELECT event_id, count() OVER () AS total
FROM
(
    SELECT event_id
    FROM usage_events
    WHERE toDate(occurred_at) BETWEEN {{first:Date}} AND {{last:Date}}
        AND cityHash64(event_id) % {{slices:UInt32}} = {{slice:UInt32}}
    GROUP BY event_id
    HAVING count() > 1
)
ORDER BY event_id
LIMIT {MAX_LISTED}"""
"""Ids stored more than once. All copies of an id are in the same slice."""

REPEATED_EVENTS: Final = """
SELECT toDate(min(occurred_at)) AS day, any(org_id) AS org, event_id, count() AS copies
FROM usage_events
WHERE toDate(occurred_at) BETWEEN {first:Date} AND {last:Date} AND event_id IN (SELECT arrayJoin({ids:Array(UUID)}))
GROUP BY event_id
ORDER BY day, org, event_id"""


def compare_days() -> str:
    """Return SQL with one row per UTC day of {days}, rollup and org whose values differ from the day's events.

    Columns: day, rollup, org_id, values of raw events, values of the rollup (text, in the order of
    `CheckedRollup.measures`; empty if that side lacks the org), and the number of such rows of the day.
    """
    sides = "\nUNION ALL".join([_raw_side(), *(_rolled_side(rollup) for rollup in ROLLUPS)])
    return f"""
SELECT day, name, org_id, raw, rolled, count() OVER (PARTITION BY day) AS total
FROM
(
SELECT day, name, org_id, anyIf(found, is_raw) AS raw, anyIf(found, NOT is_raw) AS rolled
FROM
({sides}
)
GROUP BY day, name, org_id
)
WHERE raw != rolled AND NOT ({_NO_LATENCIES})
ORDER BY day, name, org_id
LIMIT {_ORGS_LISTED} BY day, name"""


def _raw_side() -> str:
    """Return SQL of the raw side: one pass over the events computes the values of every rollup."""
    sums = {measure: of_event(measure) for measure in SUMS}
    totals = _texts([*_sums(sums), *(f"{function}(event.occurred_at)" for function in EXTREMES.values())])
    sides = ",\n".join(f"('{rollup.table}', {_raw_texts(rollup)})" for rollup in ROLLUPS)
    return f"""
SELECT day, side.1 AS name, org_id, true AS is_raw, side.2 AS found
FROM
(
WITH {weight(sums)} AS weight
SELECT toDate(event.occurred_at) AS day, org_id, {totals} AS totals, [
{sides}
] AS sides
FROM usage_events AS event
WHERE {_RAW_DAYS}
GROUP BY day, org_id
)
ARRAY JOIN sides AS side"""


def _raw_texts(rollup: CheckedRollup) -> str:
    if rollup.sums == SUMS:
        return f"arrayPushBack(totals, toString(sum({raw_key(rollup)} * weight)))"
    sums = {measure: of_event(measure) for measure in rollup.sums}
    return _texts([*_sums(sums), f"sum({raw_key(rollup)} * ({weight(sums)}))"])


def _rolled_side(rollup: CheckedRollup) -> str:
    sums = {measure: f"rolled.{measure}" for measure in rollup.sums}
    extremes = [f"{EXTREMES[measure]}(rolled.{measure})" for measure in rollup.extremes]
    texts = _texts([*_sums(sums), *extremes, f"sum({rolled_key(rollup)} * ({weight(sums)}))"])
    return f"""
SELECT toDate(rolled.bucket) AS day, '{rollup.table}' AS name, org_id, false AS is_raw, {texts} AS found
FROM {rollup.table} AS rolled
WHERE {_ROLLED_DAYS}
GROUP BY day, org_id"""


def _sums(values: dict[str, str]) -> list[str]:
    return [f"sum({value})" for value in values.values()]


def _texts(values: list[str]) -> str:
    return "[\n" + ",\n".join(f"toString({value})" for value in values) + "]"
