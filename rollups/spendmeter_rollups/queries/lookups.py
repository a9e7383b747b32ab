"""What stands around the sums: the span of events, names, values to filter by."""

from __future__ import annotations

from collections.abc import Sequence

from spendmeter_rollups.dimensions import EVENTS
from spendmeter_rollups.queries.query import Query


def event_span(orgs: Sequence[str] | None) -> Query:
    """The first and the newest event of `orgs`, or of all: (first, newest, how many), from metadata where possible."""
    if orgs is None:
        sql = (
            "SELECT min(event.occurred_at) AS first, max(event.occurred_at) AS newest, count() AS events\n"
            f"FROM {EVENTS} AS event"
        )
        return Query(sql)
    sql = (
        "SELECT min(rollup.first_seen) AS first, max(rollup.last_seen) AS newest, count() AS events\n"
        "FROM usage_daily AS rollup\nWHERE rollup.org_id IN {orgs:Array(String)}"
    )
    return Query(sql, {"orgs": list(orgs)})


def org_names(org_ids: Sequence[str]) -> Query:
    """(org_id, name) of known orgs."""
    return Query(
        "SELECT org_id, name FROM org_directory WHERE org_id IN {orgs:Array(String)}",
        {"orgs": list(org_ids)},
    )
