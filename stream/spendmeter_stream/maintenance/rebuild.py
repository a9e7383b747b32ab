"""Rebuild a month of every rollup from raw events during ingestion. docs/verify.md explains why nothing is lost.

1. Insert the month's committed events into a shadow table per rollup, with the SELECT of the rollup's view, some days
   at a time. Events below the group's committed offsets are final.
2. Insert the events that were committed in the meantime.
3. Request an ingest barrier, so that nothing is in flight. Insert the rest of the month's events, and check that the
   totals of each shadow equal those of raw events.
4. Replace each rollup's month by its shadow's, one atomic step per table, and release the barrier. REPLACE PARTITION
   keeps the table's deduplication tokens, so a retried chunk is still skipped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import uuid4

from spendmeter_clickhouse import Session, StoreError
from spendmeter_clickhouse.watermark import raw_kept_from
from spendmeter_stream.barrier.barrier import ingest_barrier
from spendmeter_stream.errors import RebuildError
from spendmeter_stream.journal.repricing import open_blocks
from spendmeter_stream.kafka.group_position import Stream
from spendmeter_stream.maintenance.shadow_tables import Selection, Shadow, shadow_tables
from spendmeter_stream.verify.compare import Days, batches, days_with_rows

_BELOW: Final = "(topic_id != {{topic_id:String}} OR topic_offset < {{{name}:Map(UInt32, UInt64)}}[topic_partition])"
_COMMITTED: Final = _BELOW.format(name="committed")
_COMMITTED_BEFORE: Final = _BELOW.format(name="before")
_DAYS: Final = """toStartOfHour(occurred_at) >= {first:Date} AND toStartOfHour(occurred_at) < {last:Date} + 1
    AND toDate(occurred_at) IN {days:Array(Date)}"""
_MONTH: Final = "toYYYYMM(occurred_at) = {month:UInt32}"

Offsets = Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """Result of a rebuild."""

    month: date
    events: int
    """Raw events of the month at the start."""
    paused_seconds: float
    """Upper bound of the time that workers paused; 0 without a barrier."""


async def rebuild(
    session: Session,
    month: date,
    *,
    stream: Stream | None,
    barrier_seconds: int = 60,
    shrink: bool = False,
    suspects: Collection[date] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Rebuilt:
    """Rebuild `month` of every rollup from raw events.

    :param month: any day of it.
    :param stream: the consumer group that fills the store; None if the caller has exclusive access to the store.
    :param barrier_seconds: maximum duration of the barrier, even if this process is killed.
    :param shrink: replace a rollup even if it loses requests on some day.
    :param suspects: days that may lose requests, because their rollups are known to differ from raw events.
    :param progress: called with the number of events read and the total of the month.
    :raises RebuildError: raw events of the month are missing or incomplete, the totals differ, a rollup would lose
        requests, or a repricing was interrupted. Nothing was changed.
    :raises BarrierError: a chunk stays open, or the barrier expired. Rollups not yet replaced are unchanged.
    """
    await _ensure_raw_kept(session, month)
    days = await _days_of(session, month)
    barrier_id = uuid4()
    async with shadow_tables(session, barrier_id) as shadows:
        work = _Work(session=session, shadows=shadows, month=month, stream=stream, shrink=shrink, suspects=suspects)
        committed = await work.gather_committed(days, progress)
        if stream is None:
            await work.swap()
            elapsed = 0.0
        else:
            committed = await work.gather_committed_since(committed)
            started = time.monotonic()
            async with ingest_barrier(
                session, stream, reason="rebuild", seconds=barrier_seconds, barrier_id=barrier_id
            ) as barrier:
                try:
                    await work.gather_rest(committed)
                    await work.swap()
                except StoreError:
                    # Workers drop the shadow tables of an expired barrier: report the expiry, not the missing table.
                    await barrier.ensure_active()
                    raise
            elapsed = time.monotonic() - started
    return Rebuilt(month=month.replace(day=1), events=sum(days.values()), paused_seconds=elapsed)


async def _ensure_raw_kept(session: Session, month: date) -> None:
    kept = await raw_kept_from(session)
    if month.replace(day=1) < kept:
        raise RebuildError(f"raw events before {kept} were deleted, so {month:%Y-%m} cannot be rebuilt")


async def _days_of(session: Session, month: date) -> dict[date, int]:
    first = month.replace(day=1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    days = await days_with_rows(session, Days(first, last))
    days = {day: events for day, events in days.items() if events}
    if not days:
        raise RebuildError(f"there are no raw events of {month:%Y-%m}: rollups unchanged")
    return days


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """Fill and swap the shadow tables of one month."""

    session: Session
    shadows: Sequence[Shadow]
    month: date
    stream: Stream | None
    shrink: bool
    suspects: Collection[date]

    @property
    def partition(self) -> int:
        """The month's partition, YYYYMM."""
        return self.month.year * 100 + self.month.month

    async def gather_committed(self, days: Mapping[date, int], progress: Callable[[int, int], None] | None) -> Offsets:
        """Round 1, by days. Return the offsets below which all events were gathered; empty without a stream."""
        committed = await self.stream.committed() if self.stream else {}
        where = f"{_DAYS} AND {_COMMITTED}" if self.stream else _DAYS
        done, total = 0, sum(days.values())
        for batch in batches(days):
            await self._gather(where, committed=committed, days=batch, first=batch[0], last=batch[-1])
            done += sum(days[day] for day in batch)
            if progress is not None:
                progress(done, total)
        return committed

    async def gather_committed_since(self, before: Offsets) -> Offsets:
        """Round 2: gather the events committed since."""
        committed = await self.stream.committed() if self.stream else {}
        await self._gather(f"{_MONTH} AND {_COMMITTED} AND NOT {_COMMITTED_BEFORE}", committed=committed, before=before)
        return committed

    async def gather_rest(self, committed: Offsets) -> None:
        """Round 3, within the barrier: gather all other events."""
        await self._gather(f"{_MONTH} AND NOT {_COMMITTED}", committed=committed)

    async def swap(self) -> None:
        """Check the totals of every shadow, then replace the month of every rollup."""
        if await open_blocks(self.session):
            raise RebuildError(
                "a repricing was interrupted, and its retry would count rows twice: run `spendmeter reprice` again,"
                " then rebuild"
            )
        # Check again: raw events may have been deleted since the start.
        await _ensure_raw_kept(self.session, self.month)
        for shadow in self.shadows:
            await shadow.check(self.session, self.partition)
            if not self.shrink:
                await shadow.ensure_not_smaller(self.session, self.partition, suspects=self.suspects)
        for shadow in self.shadows:
            await shadow.take_over(self.session, self.partition)

    async def _gather(self, where: str, **values: object) -> None:
        topic_id = self.stream.topic_id if self.stream else ""
        bound = {name: _as_map(value) if isinstance(value, Mapping) else value for name, value in values.items()}
        selection = Selection(where, {"month": self.partition, "topic_id": topic_id, **bound})
        for shadow in self.shadows:
            await shadow.fill(self.session, selection)


def _as_map(offsets: Offsets) -> str:
    """Format a ClickHouse map; the client would send JSON, whose keys are strings."""
    return "{" + ", ".join(f"{partition:d}: {offset:d}" for partition, offset in offsets.items()) + "}"
