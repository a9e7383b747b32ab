"""Whether the store holds what the ledger says, to the last token and pico-dollar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from spendmeter_clickhouse import Session
from spendmeter_events import KafkaConnection
from spendmeter_events.topics import USAGE_DLQ
from tests.support.kafka.topic import read_topic
from tests.torture.ledger import Ledger, Measures, Sums

_RAW: Final = """
    SELECT
        org_id,
        toStartOfHour(occurred_at) AS start,
        uniqExact(event_id),
        sum(event.requests),
        sum(event.input_tokens + event.output_tokens),
        toInt128(sum(event.cost) * 1000000000000)
    FROM usage_events AS event
    GROUP BY org_id, start"""
_ROLLUP: Final = """
    SELECT
        org_id,
        {start}(rollup.bucket) AS start,
        sum(rollup.requests),
        sum(rollup.input_tokens + rollup.output_tokens),
        toInt128(sum(rollup.cost) * 1000000000000)
    FROM {table} AS rollup
    GROUP BY org_id, start"""
_HOURLY: Final = ("usage_15m", "usage_hourly")
_DAILY: Final = ("usage_daily", "user_daily")


async def differences(session: Session, ledger: Ledger) -> list[str]:
    """One line for each org and hour (or day) in which a table and the ledger disagree."""
    found = list(_compare("usage_events", ledger.hours(), await _raw(session)))
    for table in _HOURLY:
        sums = await _rollup(session, table, "toStartOfHour")
        found += _compare(table, _without_ids(ledger.hours()), sums)
    for table in _DAILY:
        sums = await _rollup(session, table, "toStartOfDay")
        found += _compare(table, _without_ids(ledger.days()), sums)
    return found


async def missing_dead_letters(connection: KafkaConnection, ledger: Ledger) -> list[str]:
    """A line if any unreadable record is not in the dead-letter topic; there may be copies of one."""
    letters = await read_topic(connection, USAGE_DLQ, count=len(ledger.bad_keys))
    missing = ledger.bad_keys - {letter.key for letter in letters}
    return [f"{USAGE_DLQ}: {len(missing)} of {len(ledger.bad_keys)} unreadable records are missing"] if missing else []


async def _raw(session: Session) -> Sums:
    rows = (await session.query(_RAW)).result_rows
    return {(org, start): Measures(*map(int, values)) for org, start, *values in rows}


async def _rollup(session: Session, table: str, start: str) -> Sums:
    rows = (await session.query(_ROLLUP.format(table=table, start=start))).result_rows
    return {(org, moment): Measures(0, *map(int, values)) for org, moment, *values in rows}


def _without_ids(sums: Sums) -> Sums:
    """Rollups keep no ids."""
    return {where: measures._replace(ids=0) for where, measures in sums.items()}


def _compare(table: str, expected: Sums, stored: Sums) -> Iterator[str]:
    for where in sorted(expected.keys() | stored.keys()):
        org, start = where
        wanted, found = expected.get(where, Measures()), stored.get(where, Measures())
        if wanted != found:
            yield f"{table} {org} {_shown(start)}: " + ", ".join(
                f"{name} {have} instead of {want}"
                for name, have, want in zip(Measures._fields, found, wanted, strict=True)
                if have != want
            )


def _shown(start: datetime) -> str:
    return start.strftime("%Y-%m-%d %H:%M")
