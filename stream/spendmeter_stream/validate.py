"""Records of the usage topic into events, or into reasons why not. Pure: no I/O, no clock of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from pydantic import TypeAdapter, ValidationError

from spendmeter_events.event import MAX_EVENT_BYTES, UsageEvent

EARLIEST: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""No model that we price answered before; an earlier moment is a broken clock or a wrong unit."""
_BATCH: Final = 500
"""Events validated in one call. The interpreter lock is held for about 5 ms, so heartbeats get their turn."""

_events = TypeAdapter(list[UsageEvent])


class Record(Protocol):
    """What validation needs of a Kafka record."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why the record at `offset` is not an event. `message` never quotes the record's content."""

    offset: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Validated:
    """`events[i]` came from `offsets[i]`; every record is in one of the two lists."""

    events: list[UsageEvent]
    offsets: list[int]
    rejected: list[Rejected]


def validate(records: Sequence[Record], *, now: datetime, max_future: timedelta) -> Validated:
    """Validate records of one partition, in their order.

    :param now: the worker's clock, UTC; an event may be `max_future` ahead of it.
    """
    result = Validated([], [], [])
    latest = now + max_future
    for start in range(0, len(records), _BATCH):
        batch = records[start : start + _BATCH]
        events = _all_at_once(batch)
        pairs = zip(batch, events if events is not None else map(_one, batch), strict=True)
        _sort_out(pairs, latest, result)
    return result


def _all_at_once(batch: Sequence[Record]) -> list[UsageEvent] | None:
    """All events of `batch` by one call of the parser, or None where any record needs a closer look.

    The records are joined by a comma and a line break. No record can hide in its neighbour: a string cannot
    span a raw line break, a key cannot begin with a brace, and the contract has no field that is a list.
    So as many events as records means one event a record.
    """
    values = [record.value for record in batch]
    if not all(value and len(value) <= MAX_EVENT_BYTES and value[0] == 0x7B and value[-1] == 0x7D for value in values):
        return None
    try:
        events = _events.validate_json(b"[" + b",\n".join(values) + b"]")  # type: ignore[arg-type]
    except ValidationError:
        return None
    return events if len(events) == len(batch) else None


def _one(record: Record) -> UsageEvent | Rejected:
    value = record.value
    if not value:
        return Rejected(record.offset, "empty", "the record has no value")
    if len(value) > MAX_EVENT_BYTES:
        return Rejected(record.offset, "too_large", f"{len(value)} bytes; an event has {MAX_EVENT_BYTES} at most")
    try:
        return UsageEvent.model_validate_json(value)
    except ValidationError as error:
        return Rejected(record.offset, *_reason(error))


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


def _sort_out(pairs: Iterable[tuple[Record, UsageEvent | Rejected]], latest: datetime, result: Validated) -> None:
    for record, event in pairs:
        if isinstance(event, Rejected):
            result.rejected.append(event)
        elif record.key != event.event_id.bytes:
            result.rejected.append(
                Rejected(record.offset, "key_mismatch", "the record's key must be the 16 bytes of event_id")
            )
        elif not EARLIEST <= event.occurred_at <= latest:
            result.rejected.append(
                Rejected(
                    record.offset,
                    "occurred_at_out_of_range",
                    f"occurred_at must lie between {EARLIEST:%Y-%m-%d} and {latest:%Y-%m-%dT%H:%M:%SZ}",
                )
            )
        else:
            result.events.append(event)
            result.offsets.append(record.offset)
