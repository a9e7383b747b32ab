"""Compare the store with the ledger, to the last token and pico-dollar."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from aiokafka import AIOKafkaConsumer

from spendmeter_clickhouse import Session
from spendmeter_events import KafkaConnection
from spendmeter_events.topics import USAGE_DLQ
from tests.torture.ledger import AHEAD, Ledger, Measures, Sums, by_day
from tests.torture.patience import Progress

# An adjustment has an id but is not a call. If it is stored twice, the cost differs.
_RAW: Final = """
    SELECT
        org_id,
        toStartOfHour(occurred_at) AS start,
        uniqExactIf(event.event_id, event.kind = 'usage'),
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


Books = Mapping[str, Sums]
"""Table → its sums by hour, or by day if the table has no hours."""


async def differences(session: Session, ledger: Ledger) -> list[str]:
    """Return one line per org and hour (or day) in which a table and the ledger differ."""
    return compare(await read_books(session), ledger)


async def read_books(session: Session) -> Books:
    """Return the current sums of each table."""
    books = {"usage_events": await _raw(session)}
    for table in _HOURLY:
        books[table] = await _rollup(session, table, "toStartOfHour")
    for table in _DAILY:
        books[table] = await _rollup(session, table, "toStartOfDay")
    return books


def compare(books: Books, ledger: Ledger) -> list[str]:
    """Return one line per org and hour (or day) in which a table and the ledger differ."""
    raw = books["usage_events"]
    ahead = {where: measures for where, measures in raw.items() if where[0] == AHEAD}
    if ledger.ahead_counts is False:
        ahead = {}
    # Otherwise a clock decided their number. But each is stored once, and the rollups agree.
    found = list(_compare("usage_events", {**ledger.hours(), **_each_once(ahead)}, raw))
    for table in _HOURLY:
        found += _compare(table, _without_ids({**ledger.hours(), **ahead}), books[table])
    for table in _DAILY:
        found += _compare(table, _without_ids({**ledger.days(), **by_day(ahead)}), books[table])
    return found


async def missing_dead_letters(connection: KafkaConnection, ledger: Ledger) -> list[str]:
    """Return a line if an unreadable record has no dead letter; copies are allowed. No chunk may be open."""
    expected = ledger.bad_keys - ledger.lost_letters
    missing = expected - await _keys(connection, USAGE_DLQ)
    return [f"{USAGE_DLQ}: {len(missing)} of {len(expected)} unreadable records are missing"] if missing else []


async def _keys(connection: KafkaConnection, topic: str) -> set[bytes]:
    """Return the keys of all records of `topic`."""
    keys: set[bytes] = set()
    watch = Progress(f"records of {topic} are read")
    # Without a group, all partitions are assigned.
    async with AIOKafkaConsumer(topic, auto_offset_reset="earliest", **connection.client_options()) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(where) < end for where, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                keys.update(record.key for record in records)
            watch.see(len(keys))
    return keys


async def _raw(session: Session) -> Sums:
    rows = (await session.query(_RAW)).result_rows
    return {(org, start): Measures(*map(int, values)) for org, start, *values in rows}


async def _rollup(session: Session, table: str, start: str) -> Sums:
    rows = (await session.query(_ROLLUP.format(table=table, start=start))).result_rows
    return {(org, moment): Measures(0, *map(int, values)) for org, moment, *values in rows}


def _each_once(sums: Sums) -> Sums:
    return {where: measures._replace(requests=measures.ids) for where, measures in sums.items()}


def _without_ids(sums: Sums) -> Sums:
    """Return sums without ids, which rollups do not have."""
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


def as_json(books: Books) -> str:
    """Encode sums for another process."""
    return json.dumps(
        {table: [[org, str(start), *values] for (org, start), values in sums.items()] for table, sums in books.items()}
    )


def from_json(text: str) -> Books:
    """Decode the output of `as_json`."""
    return {
        table: {(org, datetime.fromisoformat(start)): Measures(*values) for org, start, *values in rows}
        for table, rows in json.loads(text).items()
    }


def _shown(start: datetime) -> str:
    return start.strftime("%Y-%m-%d %H:%M")
