"""Conflicts: an event is dropped because its id is stored, but its content is not that of the stored event.

The first one counts. A client retry has equal content; only a fault of the emitter gives two calls one id, so each
conflict is counted and recorded in `ingest_conflicts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from spendmeter_clickhouse import Session
from spendmeter_events.event import SYSTEM_USER
from spendmeter_events.usage_units import WHOLE_UNITS
from spendmeter_stream import metrics
from spendmeter_stream.ingest.decode import Events, WireEvent
from spendmeter_stream.ingest.dedup import lookup, stored_rows
from spendmeter_stream.journal.coordinates import Coordinates

_PERSONAL: Final = ("user_id", "conversation_id")
"""These identify a person, so their values are not copied."""
_TEXT: Final = (
    "org_id", "feature", "request_id", "provider", "model", "key_source", "service_tier", "region", "status",
    *_PERSONAL,
)  # fmt: skip
COMPARED: Final = (*_TEXT, *WHOLE_UNITS, "audio_seconds", "provider_cost")
"""What decides a cost and who caused it. Not the time: some clients set a new one for each attempt."""
_STORED: Final = stored_rows(f"event_id, occurred_at, {', '.join(COMPARED)}")
_COLUMNS: Final = [
    "event_id", "org_id", "occurred_at", "dropped_org_id", "fields", "counted", "dropped", "topic_id",
    "topic_partition", "topic_offset",
]  # fmt: skip

_QUANTUM: Final = Decimal("1e-12")


async def record_conflicts(session: Session, events: Events, kept: Events, where: Coordinates) -> int:
    """Record the events that are not `kept` and differ from the event with their id. Return their number.

    :raises StoreError: the store failed; a retry records nothing twice.
    """
    offsets = set(kept.offsets)
    dropped = events.take([row for row, offset in enumerate(events.offsets) if offset not in offsets])
    counted = await _counted(session, dropped, kept)
    rows = []
    for row, key in enumerate(dropped.keys):
        found = counted.get(key)
        # None: a copy stored in the meantime was removed.
        if found and (conflict := _conflict(key, found, dropped.fields[row], (where, dropped.offsets[row]))):
            rows.append(conflict)
    if rows:
        await session.insert("ingest_conflicts", rows, _COLUMNS)
        metrics.EVENT_CONFLICTS.inc(len(rows))
    return len(rows)


_Counted = tuple[datetime, dict[str, Any]]


async def _counted(session: Session, dropped: Events, kept: Events) -> dict[bytes, _Counted]:
    """Return time and content of the events that are counted, by key: from this chunk, else from the store."""
    wanted = set(dropped.keys)
    counted = {
        key: (datetime.fromtimestamp(int(kept.occurred_at_ms[row]) / 1000, UTC), content_of(kept.fields[row]))
        for row, key in enumerate(kept.keys)
        if key in wanted
    }
    missing = [row for row, key in enumerate(dropped.keys) if key not in counted]
    for event_id, occurred_at, *values in await lookup(session, dropped.take(missing), _STORED):
        counted.setdefault(event_id.bytes, (occurred_at, _stored_content(values)))
    return counted


def content_of(event: WireEvent) -> dict[str, Any]:
    """Return the compared fields of an event, as they are stored."""
    cost = event.provider_cost_usd
    return {
        **{name: getattr(event, name) for name in (*_TEXT, *WHOLE_UNITS)},
        "user_id": event.user_id or SYSTEM_USER,
        "audio_seconds": Decimal(round(event.audio_seconds * 1000)) / 1000,
        "provider_cost": None if cost is None else Decimal(repr(cost)).quantize(_QUANTUM),
    }


def _stored_content(values: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(COMPARED, values, strict=True))


def _conflict(key: bytes, counted: _Counted, dropped: WireEvent, at: tuple[Coordinates, int]) -> tuple[Any, ...] | None:
    """Return a row of `ingest_conflicts`, or None if the content is equal."""
    occurred_at, first = counted
    second = content_of(dropped)
    fields = [name for name in COMPARED if first[name] != second[name]]
    if not fields:
        return None
    where, offset = at
    return (
        UUID(bytes=key), first["org_id"], occurred_at, second["org_id"], fields, _shown(first, fields),
        _shown(second, fields), where.topic_id, where.partition, offset,
    )  # fmt: skip


def _shown(content: Mapping[str, Any], fields: Sequence[str]) -> dict[str, str]:
    return {name: _text(content[name]) for name in fields if name not in _PERSONAL}


def _text(value: object) -> str:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else "" if value is None else str(value)
