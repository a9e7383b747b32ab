"""Lookups beside the sums: the span of events, audit log, currency rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final

from spendmeter_clickhouse.catalogue import EVENTS
from spendmeter_rollups.query.directory import ORG_EXISTS
from spendmeter_rollups.query.statement import Query, milliseconds

_RAW_FROM: Final = "(SELECT argMax(raw_kept_from, at) FROM ingest_raw_watermarks) AS raw_from"
"""1970-01-01 if no raw events were deleted."""
_STORED: Final = "(SELECT max(last_written_at) FROM ingest_newest_chunks) AS stored"
"""When the workers last stored a chunk; 1970-01-01 if none did."""


def event_span(orgs: Sequence[str] | None) -> Query:
    """Return the first and newest event of `orgs` (None: all), the event count, the watermark of raw events, and
    the time of the newest chunk.

    For all orgs, ClickHouse answers from metadata. If raw events were deleted, `first` is too late: see `first_day`.
    """
    if orgs is None:
        sql = (
            "SELECT min(event.occurred_at) AS first, max(event.occurred_at) AS newest, count() AS events,\n"
            f"    {_RAW_FROM},\n    {_STORED}\nFROM {EVENTS} AS event"
        )
        return Query(sql)
    sql = (
        "SELECT min(rollup.first_seen) AS first, max(rollup.last_seen) AS newest, count() AS events,\n"
        f"    {_RAW_FROM},\n    {_STORED}\n"
        "FROM usage_daily AS rollup\nWHERE rollup.org_id IN {orgs:Array(String)}"
    )
    return Query(sql, {"orgs": list(orgs)})


def first_day() -> Query:
    """Return the start of the UTC day of the first event of all orgs, also if its raw event was deleted."""
    return Query("SELECT toDateTime64(min(bucket), 3, 'UTC') AS first FROM usage_daily")


def audited(filters: Mapping[str, Sequence[str]], *, before: datetime | None, limit: int) -> Query:
    """Return rows of the audit log, newest first. Columns of `filters`: org_id, user_id, actor."""
    columns = ("at", "request_id", "actor", "action", "org_id", "user_id")
    return _newest("audit_log", columns, filters, ("org_id", "user_id", "actor"), before=before, limit=limit)


def sent_alerts(filters: Mapping[str, Sequence[str]], *, before: datetime | None, limit: int) -> Query:
    """Return sent alerts, newest first. Columns of `filters`: org_id, kind, severity."""
    columns = (
        *("alert_id", "at", "since", "kind", "severity", "scope", "org_id", "name", "span"),
        *("spend_usd", "limit_usd", "expected_usd", "summary"),
    )
    return _newest("spend_alerts FINAL", columns, filters, ("org_id", "kind", "severity"), before=before, limit=limit)


def _newest(
    table: str,
    columns: Sequence[str],
    filters: Mapping[str, Sequence[str]],
    known: Sequence[str],
    *,
    before: datetime | None,
    limit: int,
) -> Query:
    """Return rows of a table sorted by time and its first or second column."""
    unknown = filters.keys() - set(known)
    if unknown:
        raise ValueError(f"not a column to filter by: {', '.join(sorted(unknown))}")
    parameters: dict[str, object] = {f"only_{column}": list(values) for column, values in filters.items()}
    conditions = [f"{column} IN {{only_{column}:Array(String)}}" for column in filters]
    if before is not None:
        parameters["before_ms"] = milliseconds(before.astimezone(UTC))
        conditions.append("at < fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC')")
    where = f"WHERE {' AND '.join(conditions)}\n" if conditions else ""
    tie = next(column for column in columns if column != "at")
    sql = f"SELECT {', '.join(columns)}\nFROM {table}\n{where}ORDER BY at DESC, {tie} DESC\nLIMIT {{row_limit:UInt64}}"
    return Query(sql, {**parameters, "row_limit": limit})


def rate_in_force(currency: str, on: date) -> Query:
    """Return the newest rate of `currency` dated on or before `on`, or no row."""
    return Query(
        "SELECT rate_date, per_usd, source FROM fx_rates FINAL\n"
        "WHERE currency = {currency:String} AND rate_date <= {on:Date}\nORDER BY rate_date DESC LIMIT 1",
        {"currency": currency, "on": on},
    )


def rates_of(currency: str) -> Query:
    """Return all rates of `currency`, oldest first."""
    return Query(
        "SELECT rate_date, per_usd, source FROM fx_rates FINAL\nWHERE currency = {currency:String} ORDER BY rate_date",
        {"currency": currency},
    )


def stored_rates(currencies: Sequence[str], first: date, last: date, *, limit: int, offset: int) -> Query:
    """Return the rates dated from `first` to `last` of `currencies` (none: all), by currency, newest first."""
    return Query(
        "SELECT currency, rate_date, per_usd, source FROM fx_rates FINAL\n"
        "WHERE rate_date BETWEEN {first:Date32} AND {last:Date32}\n"
        "    AND (empty({currencies:Array(String)}) OR currency IN {currencies:Array(String)})\n"
        "ORDER BY currency, rate_date DESC\nLIMIT {row_limit:UInt64} OFFSET {row_offset:UInt64}",
        {"currencies": list(currencies), "first": first, "last": last, "row_limit": limit, "row_offset": offset},
    )


def currencies_of(orgs: Sequence[str] | None) -> Query:
    """Return the currencies of `orgs` (None: all) in the directory, each with one of its orgs."""
    of, parameters = ("", {}) if orgs is None else (" AND org_id IN {orgs:Array(String)}", {"orgs": list(orgs)})
    return Query(
        f"SELECT currency, min(org_id) AS example\nFROM orgs FINAL\nWHERE {ORG_EXISTS}{of}\n"
        "GROUP BY currency ORDER BY currency",
        parameters,
    )


def known_currencies() -> Query:
    """Return every currency with a rate, and the date of its first rate."""
    return Query("SELECT currency, min(rate_date) AS since FROM fx_rates GROUP BY currency ORDER BY currency")
