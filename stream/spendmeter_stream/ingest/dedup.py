"""Which events are stored already: surely new by memory, the rest by a look-up.

A Bloom filter answers "surely new" for events inside the span of time that it remembers whole. Only its hits,
and events older than that span, are looked up in the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rbloom import Bloom

from spendmeter_clickhouse import Session
from spendmeter_stream.ingest.decode import Events
from spendmeter_stream.journal.coordinates import Coordinates

_FALSE_POSITIVES: Final = 0.00001
BEGINNING: Final = -(2**62)
"""Before every moment, in Unix ms."""
_HOUR_MS: Final = 3_600_000
MARGIN_MS: Final = _HOUR_MS
"""How far apart the `occurred_at` of two copies of an event may be."""

_IDS_A_QUERY: Final = 3000
"""Over HTTP ClickHouse refuses a parameter above 128 KiB; an id in an array takes 39 bytes."""

# kafkaMurmurHash is the hash of Kafka's default partitioner: ids that would land in this partition today,
# should the topic have been widened since, and those that did land in it, by whatever partitioner.
_RECENT: Final = """
    SELECT UUIDToNum(event_id) AS id, occurred_at
    FROM usage_events
    WHERE kind = 'usage'
      AND (topic_partition = {partition:UInt32}
           OR kafkaMurmurHash(UUIDToNum(event_id)) % {width:UInt32} = {partition:UInt32})
    ORDER BY toStartOfHour(occurred_at) DESC, occurred_at DESC
    LIMIT {limit:UInt64}"""
# The pairs are the table's key, so that a look-up reads the granules that can have them and no others; most rows of
# those fail at the first condition, which needs one column as it is stored. Among 5 million events of 90 days, 10,000
# neighbours take 0.15 s, 10,000 from anywhere 0.4 s, 100 from anywhere 0.05 s.
_STORED: Final = """
    SELECT event_id, topic_id, topic_partition, topic_offset
    FROM usage_events
    PREWHERE event_id IN (SELECT arrayJoin({ids:Array(UUID)}))
    WHERE kind = 'usage'
      AND (toStartOfHour(occurred_at), UUIDToNum(event_id)) IN (
          SELECT toDateTime(pair.1 + arrayJoin([-3600, 0, 3600]), 'UTC'), UUIDToNum(pair.2)
          FROM (SELECT arrayJoin(arrayZip({hours:Array(UInt32)}, {ids:Array(UUID)})) AS pair))"""


@dataclass(frozen=True, slots=True)
class StoredAt:
    """The coordinates under which an event is stored."""

    topic_id: str
    partition: int
    offset: int


class _Generation:
    """A filter of fixed size, and the newest moment in it: when that is too old to matter, it goes."""

    def __init__(self, capacity: int) -> None:
        self.filter = Bloom(capacity, _FALSE_POSITIVES)
        self.room = capacity
        self.newest = BEGINNING


class SeenIds:
    """What one partition remembers: every id stored since `since`, in Unix ms."""

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._generations = [_Generation(capacity)]
        self.since = BEGINNING

    def add(self, events: Events) -> None:
        """Remember stored events."""
        start = 0
        while start < len(events):
            generation = self._generations[-1]
            if generation.room == 0:
                generation = self._turn()
            end = min(len(events), start + generation.room)
            self.fill(events.keys[start:end], int(events.occurred_at_ms[start:end].max()))
            start = end

    def fill(self, keys: Sequence[bytes], newest: int) -> None:
        """Remember stored ids, no more than there is room for, the newest of them of `newest`."""
        generation = self._generations[-1]
        generation.filter.update(keys)
        generation.room -= len(keys)
        generation.newest = max(generation.newest, newest)

    def possible_duplicates(self, events: Events) -> list[int]:
        """The rows of `events` that may be stored already; of the others, surely none is."""
        # A copy may be stamped up to an hour apart, so the first one may lie before what is remembered whole.
        hits: set[int] = set(np.flatnonzero(events.occurred_at_ms < self.since + MARGIN_MS).tolist())
        for generation in self._generations:
            known = generation.filter
            hits.update([row for row, key in enumerate(events.keys) if key in known])
        return sorted(hits)

    def _turn(self) -> _Generation:
        """Begin a new generation; past two, the oldest is forgotten, and with it the time that it covered."""
        if len(self._generations) == 2:
            self.since = max(self.since, self._generations.pop(0).newest + 1)
        self._generations.append(_Generation(self._capacity))
        return self._generations[-1]


def drop_duplicates(events: Events, stored: Mapping[bytes, StoredAt], *, ours: Coordinates | None) -> Events:
    """The events to insert: each id once, and none that is stored already.

    :param ours: in a replay our own coordinates, whose events stay; None drops whatever is stored.
    """
    if not stored and len(set(events.keys)) == len(events):
        return events
    rows: list[int] = []
    met: set[bytes] = set()
    for row, key in enumerate(events.keys):
        where = stored.get(key)
        own = ours is not None and where == StoredAt(ours.topic_id, ours.partition, events.offsets[row])
        if key in met or not (where is None or own):
            continue
        met.add(key)
        rows.append(row)
    return events.take(rows)


async def rebuild_filter(session: Session, *, partition: int, width: int, capacity: int) -> SeenIds:
    """Rebuild what `partition` remembers from the store: the newest `capacity` ids.

    :param width: how many partitions the topic has now.
    """
    parameters = {"partition": partition, "width": width, "limit": capacity}
    # All of it in the session's thread: at a few hundred thousand ids it would hold up the event loop.
    return await session.run(lambda client: _remembered(client.query_arrow(_RECENT, parameters), capacity))


def _remembered(rows: pa.Table, capacity: int) -> SeenIds:
    seen = SeenIds(capacity=capacity)
    if rows.num_rows:
        moments: dict[str, Any] = pc.min_max(rows["occurred_at"].cast(pa.int64())).as_py()  # type: ignore[assignment]
        keys: list[Any] = rows["id"].to_pylist()
        seen.fill(keys, moments["max"])
        if rows.num_rows == capacity:
            # Others of the oldest moment may have been left out, so only what follows it is whole.
            seen.since = moments["min"] + 1
    return seen


async def lookup_coordinates(session: Session, events: Events) -> dict[bytes, StoredAt]:
    """Where those of `events` that are stored came from, by key.

    An event is found under its id within an hour of its time: a client that stamps each attempt anew means one event.
    """
    found: dict[bytes, StoredAt] = {}
    hours = (events.occurred_at_ms // _HOUR_MS * 3600).tolist()
    # In the order of the table's key, so that each query reads granules of its own.
    keys = sorted(zip(hours, map(_uuid, events.keys), strict=True))
    for start in range(0, len(keys), _IDS_A_QUERY):
        batch = keys[start : start + _IDS_A_QUERY]
        parameters = {"hours": [hour for hour, _ in batch], "ids": [event_id for _, event_id in batch]}
        rows = await session.query(_STORED, parameters)
        found.update((event_id.bytes, StoredAt(*where)) for event_id, *where in rows.result_rows)
    return found


def _uuid(key: bytes) -> UUID:
    return UUID(bytes=key)
