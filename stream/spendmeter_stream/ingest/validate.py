"""Records of the usage topic into events, or into reasons why not. Pure: no I/O, no clock of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import numpy as np
from pydantic import ValidationError

from spendmeter_events.event import MAX_EVENT_BYTES, UsageEvent
from spendmeter_stream.ingest.decode import Events, Int64, WireEvent, keys_match_ids, moments, read
from spendmeter_stream.poison import Record, Rejected

EARLIEST: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""No model that we price answered before; an earlier moment is a broken clock or a wrong unit."""


@dataclass(frozen=True, slots=True)
class Validated:
    """Every record is in one of the two, both in the order of the offsets."""

    events: Events
    rejected: list[Rejected]


def validate(records: Sequence[Record], *, now: datetime, max_future: timedelta) -> Validated:
    """Validate records of one partition, in their order.

    :param now: the worker's clock, UTC; an event may be `max_future` ahead of it.
    """
    events: list[WireEvent | None] = [read(record.key, record.value) for record in records]
    occurred_at = np.zeros(len(records), np.int64)
    _fast_path(records, events, occurred_at)
    # A plainly good event has its id as the record's key; the others get it as theirs.
    keys = [record.key or b"" for record in records]
    rejected = _slow_path(records, events, occurred_at, keys)
    rejected |= _out_of_range(records, events, occurred_at, latest=now + max_future)
    rows = [row for row in range(len(records)) if row not in rejected]
    everything = Events(events, keys, occurred_at, [record.offset for record in records])  # type: ignore[arg-type]
    return Validated(everything.take(rows), [rejected[row] for row in sorted(rejected)])


def _fast_path(records: Sequence[Record], events: list[WireEvent | None], occurred_at: Int64) -> None:
    """Fill in the moments of the events that are plainly good; of the others, leave nothing."""
    found = [(row, event) for row, event in enumerate(events) if event is not None]
    if not found:
        return
    rows = [row for row, _ in found]
    plain = [event for _, event in found]
    occurred_at[rows], good = moments(plain)
    good &= keys_match_ids(plain, [records[row].key or b"" for row in rows])
    for place in np.flatnonzero(~good):
        events[rows[place]] = None


def _slow_path(
    records: Sequence[Record], events: list[WireEvent | None], occurred_at: Int64, keys: list[bytes]
) -> dict[int, Rejected]:
    """Let the contract judge the records without an event, and key them; returns those it refuses, by row."""
    rejected: dict[int, Rejected] = {}
    judged: list[tuple[int, UsageEvent]] = []
    for row, event in enumerate(events):
        if event is None:
            verdict = _one(records[row])
            if isinstance(verdict, Rejected):
                rejected[row] = verdict
            else:
                judged.append((row, verdict))
    if judged:
        rows = [row for row, _ in judged]
        read_slowly = Events.of([event for _, event in judged])
        occurred_at[rows] = read_slowly.occurred_at_ms
        for row, fields, key in zip(rows, read_slowly.fields, read_slowly.keys, strict=True):
            events[row], keys[row] = fields, key
    return rejected


def _one(record: Record) -> UsageEvent | Rejected:
    value = record.value
    if not value:
        return Rejected(record.offset, "empty", "the record has no value")
    if len(value) > MAX_EVENT_BYTES:
        return Rejected(record.offset, "too_large", f"{len(value)} bytes; an event has {MAX_EVENT_BYTES} at most")
    try:
        event = UsageEvent.model_validate_json(value)
    except ValidationError as error:
        return Rejected(record.offset, *_reason(error))
    if not names(record.key, event.event_id):
        return Rejected(record.offset, "key_mismatch", "the record's key must be the 16 bytes of event_id")
    return event


def names(key: bytes | None, event_id: UUID) -> bool:
    """Whether a record's key is that of the event: its 16 bytes, its id as text, or none at all.

    Emitters of other languages write the last two. A copy may then be in another partition, where memory does not have
    it: such events are always looked up, and `surplus.py` finds what passed by.
    """
    if not key or key == event_id.bytes:
        return True
    try:
        return UUID(key.decode("ascii")) == event_id
    except ValueError:
        return False


def _reason(error: ValidationError) -> tuple[str, str]:
    """A code and one line for the first fault. Field names are cut: an unknown one may itself be content."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    first = faults[0]
    field = ".".join(str(part)[:40] for part in first["loc"]) or "the event"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    match first["type"]:
        case "json_invalid":
            return "not_json", first["msg"][:200]
        case "extra_forbidden":
            return "unknown_field", f"{field!r} is not a field of schema version 1{more}"
        case "missing":
            return "missing_field", f"{field!r} is required{more}"
        case _:
            return "invalid_field", f"{field}: {first['msg']}"[:300] + more


def _out_of_range(
    records: Sequence[Record], events: Sequence[WireEvent | None], occurred_at: Int64, *, latest: datetime
) -> dict[int, Rejected]:
    bounds = [int(moment.timestamp() * 1000) for moment in (EARLIEST, latest)]
    outside = np.flatnonzero((occurred_at < bounds[0]) | (occurred_at > bounds[1]))
    message = f"occurred_at must lie between {EARLIEST:%Y-%m-%d} and {latest:%Y-%m-%dT%H:%M:%SZ}"
    return {
        row: Rejected(records[row].offset, "occurred_at_out_of_range", message)
        for row in outside.tolist()
        if events[row] is not None
    }
