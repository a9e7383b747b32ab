"""Which events are stored already: surely new by memory, the rest by a look-up.

A Bloom filter answers "surely new" for events inside the span of time that it remembers whole. Only its hits,
and events older than that span, are looked up in the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from rbloom import Bloom

from spendmeter_clickhouse import Session
from spendmeter_events.event import UsageEvent
from spendmeter_stream.block import Coordinates
from spendmeter_stream.validate import Validated

_FALSE_POSITIVES: Final = 0.00001
_HOUR: Final = timedelta(hours=1)
BEGINNING: Final = datetime.min.replace(tzinfo=UTC)

# kafkaMurmurHash is the hash of Kafka's default partitioner: ids that would land in this partition today,
# should the topic have been widened since, and those that did land in it, by whatever partitioner.
_RECENT = """
    SELECT event_id, occurred_at
    FROM usage_events
    WHERE kind = 'usage'
      AND (topic_partition = {partition:UInt32}
           OR kafkaMurmurHash(UUIDToNum(event_id)) % {width:UInt32} = {partition:UInt32})
    ORDER BY toStartOfHour(occurred_at) DESC
    LIMIT {limit:UInt64}"""
_STORED = """
    SELECT event_id, incarnation, topic_partition, topic_offset
    FROM usage_events
    WHERE kind = 'usage'
      AND toStartOfHour(occurred_at) BETWEEN {earliest:DateTime} AND {latest:DateTime}
      AND UUIDToNum(event_id) IN (SELECT UUIDToNum(arrayJoin({ids:Array(UUID)})))"""


@dataclass(frozen=True, slots=True)
class StoredAt:
    """The coordinates under which an event is stored."""

    incarnation: str
    partition: int
    offset: int


class _Generation:
    """A filter of fixed size, and the newest moment in it: when that is too old to matter, it goes."""

    def __init__(self, capacity: int) -> None:
        self.filter = Bloom(capacity, _FALSE_POSITIVES)
        self.room = capacity
        self.newest = BEGINNING


class SeenIds:
    """What one partition remembers: every id stored since `since`."""

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._generations = [_Generation(capacity)]
        self.since = BEGINNING

    def add(self, events: Iterable[tuple[UUID, datetime]]) -> None:
        """Remember stored events."""
        for event_id, occurred_at in events:
            generation = self._generations[-1]
            if generation.room == 0:
                generation = self._turn()
            generation.room -= 1
            generation.newest = max(generation.newest, occurred_at)
            generation.filter.add(event_id.bytes)

    def surely_new(self, event_id: UUID, occurred_at: datetime) -> bool:
        """True only where no stored event can have this id."""
        if occurred_at < self.since:
            return False
        key = event_id.bytes
        return not any(key in generation.filter for generation in self._generations)

    def _turn(self) -> _Generation:
        """Begin a new generation; past two, the oldest is forgotten, and with it the time that it covered."""
        if len(self._generations) == 2:
            self.since = max(self.since, self._generations.pop(0).newest + timedelta(milliseconds=1))
        self._generations.append(_Generation(self._capacity))
        return self._generations[-1]


def not_yet_stored(
    validated: Validated, stored: Mapping[UUID, StoredAt], *, ours: Coordinates | None
) -> tuple[list[UsageEvent], list[int]]:
    """The events to insert, with their offsets: each id once, and none that is stored already.

    :param ours: in a replay our own coordinates, whose events stay; None drops whatever is stored.
    """
    events: list[UsageEvent] = []
    offsets: list[int] = []
    met: set[UUID] = set()
    for event, offset in zip(validated.events, validated.offsets, strict=True):
        where = stored.get(event.event_id)
        own = ours is not None and where == StoredAt(ours.incarnation, ours.partition, offset)
        if event.event_id in met or not (where is None or own):
            continue
        met.add(event.event_id)
        events.append(event)
        offsets.append(offset)
    return events, offsets


async def recall(session: Session, *, partition: int, width: int, capacity: int) -> SeenIds:
    """Rebuild what `partition` remembers from the store: the newest `capacity` ids."""
    rows = await session.query(_RECENT, {"partition": partition, "width": width, "limit": capacity})
    seen = SeenIds(capacity=capacity)
    seen.add((event_id, occurred_at) for event_id, occurred_at in rows.result_rows)
    if len(rows.result_rows) == capacity:
        # Read newest hour first: the last hour read may be cut in the middle, so only what follows it is whole.
        oldest = min(occurred_at for _, occurred_at in rows.result_rows)
        seen.since = oldest.replace(minute=0, second=0, microsecond=0) + _HOUR
    return seen


async def stored_at(session: Session, events: Sequence[UsageEvent]) -> dict[UUID, StoredAt]:
    """Where those of `events` that are stored came from; the search spans their hours and the one before."""
    if not events:
        return {}
    moments = [event.occurred_at for event in events]
    rows = await session.query(
        _STORED,
        {
            "earliest": min(moments) - _HOUR,
            "latest": max(moments),
            "ids": [event.event_id for event in events],
        },
    )
    return {event_id: StoredAt(*where) for event_id, *where in rows.result_rows}
