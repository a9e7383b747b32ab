"""Validate records of the usage topic: each becomes an event or a rejection. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from spendmeter_events.event import MAX_EVENT_BYTES, UsageEvent
from spendmeter_events.normalize.record import EARLIEST, InvalidRecord, read_record
from spendmeter_stream.ingest.decode import Events, Int64, WireEvent, keys_match_ids, parse_timestamps, read
from spendmeter_stream.poison import Rejected, SourceRecord


@dataclass(frozen=True, slots=True)
class Validated:
    """Each record is in exactly one of the lists, both in offset order."""

    events: Events
    rejected: list[Rejected]


def validate(records: Sequence[SourceRecord], *, now: datetime, max_future: timedelta) -> Validated:
    """Validate records of one partition.

    :param now: the worker's clock, UTC. An event may be at most `max_future` ahead of it.
    """
    events: list[WireEvent | None] = [read(record.key, record.value) for record in records]
    occurred_at = np.zeros(len(records), np.int64)
    _fast_path(records, events, occurred_at)
    # On the fast path the record key equals the event id; the slow path sets it.
    keys = [record.key or b"" for record in records]
    rejected = _slow_path(records, events, occurred_at, keys)
    rejected |= _out_of_range(records, events, occurred_at, latest=now + max_future)
    rows = [row for row in range(len(records)) if row not in rejected]
    # Every row without an event is in `rejected`, so `take` leaves none.
    accepted = Events(events, keys, occurred_at, [record.offset for record in records])  # type: ignore[arg-type]
    return Validated(accepted.take(rows), [rejected[row] for row in sorted(rejected)])


def _fast_path(records: Sequence[SourceRecord], events: list[WireEvent | None], occurred_at: Int64) -> None:
    """Set the timestamps of events that pass the fast path, and reset all others to None."""
    decoded = [(row, event) for row, event in enumerate(events) if event is not None]
    if not decoded:
        return
    rows = [row for row, _ in decoded]
    candidates = [event for _, event in decoded]
    occurred_at[rows], valid = parse_timestamps(candidates)
    valid &= keys_match_ids(candidates, [records[row].key or b"" for row in rows])
    for index in np.flatnonzero(~valid):
        events[rows[index]] = None


def _slow_path(
    records: Sequence[SourceRecord], events: list[WireEvent | None], occurred_at: Int64, keys: list[bytes]
) -> dict[int, Rejected]:
    """Validate the remaining records with `read_record`, and set their keys; return the rejections by row."""
    rejected: dict[int, Rejected] = {}
    accepted: list[tuple[int, UsageEvent]] = []
    for row, event in enumerate(events):
        if event is None:
            result = _validate_one(records[row])
            if isinstance(result, Rejected):
                rejected[row] = result
            else:
                accepted.append((row, result))
    if accepted:
        rows = [row for row, _ in accepted]
        converted = Events.of([event for _, event in accepted])
        occurred_at[rows] = converted.occurred_at_ms
        for row, fields, key in zip(rows, converted.fields, converted.keys, strict=True):
            events[row], keys[row] = fields, key
    return rejected


def _validate_one(record: SourceRecord) -> UsageEvent | Rejected:
    value = record.value
    if not value:
        return Rejected(record.offset, "empty", "the record has no value")
    if len(value) > MAX_EVENT_BYTES:
        return Rejected(record.offset, "too_large", f"{len(value)} bytes; the limit is {MAX_EVENT_BYTES}")
    try:
        # The record's key is not part of the event: it only selected the partition. Copies of an event with another
        # key may be in a partition whose filter lacks them, so such events are always looked up (`protocol.py`).
        return read_record(value)
    except InvalidRecord as error:
        return Rejected(record.offset, error.code, error.message)


def _out_of_range(
    records: Sequence[SourceRecord], events: Sequence[WireEvent | None], occurred_at: Int64, *, latest: datetime
) -> dict[int, Rejected]:
    bounds = [int(limit.timestamp() * 1000) for limit in (EARLIEST, latest)]
    outside = np.flatnonzero((occurred_at < bounds[0]) | (occurred_at > bounds[1]))
    message = f"occurred_at must lie between {EARLIEST:%Y-%m-%d} and {latest:%Y-%m-%dT%H:%M:%SZ}"
    return {
        row: Rejected(records[row].offset, "occurred_at_out_of_range", message)
        for row in outside.tolist()
        if events[row] is not None
    }
