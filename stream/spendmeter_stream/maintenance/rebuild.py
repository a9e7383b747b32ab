"""Rebuilds a month of every rollup from raw events, while ingest goes on. docs/verify.md argues why nothing is lost.

1. The month's settled events pass each rollup's own view SELECT into a shadow table, some days at a time. Settled are
   events below the group's committed offsets: nothing can be added to those.
2. A second, shorter round takes what was settled meanwhile.
3. Ingest is held: nothing is in flight. The rest of the month's events goes into the shadows, and their totals must
   equal those of raw events.
4. Each rollup's month is replaced by its shadow's, one atomic step a table. A replacement leaves the table's memory of
   insert tokens alone, so that a chunk that is sent again is still skipped. Ingest goes on.
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
_SETTLED: Final = _BELOW.format(name="settled")
_SETTLED_BEFORE: Final = _BELOW.format(name="before")
_DAYS: Final = """toStartOfHour(occurred_at) >= {first:Date} AND toStartOfHour(occurred_at) < {last:Date} + 1
    AND toDate(occurred_at) IN {days:Array(Date)}"""
_MONTH: Final = "toYYYYMM(occurred_at) = {month:UInt32}"

Offsets = Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild did."""

    month: date
    events: int
    """Raw events of the month when it began."""
    held_seconds: float
    """How long workers waited, at most; 0 where nothing had to be held."""


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
    """Make `month` of every rollup anew from raw events.

    :param month: any day of it.
    :param stream: what fills the store meanwhile; None where nothing can, because the caller has the store to itself.
    :param barrier_seconds: the most that workers wait, even if this process is killed.
    :param shrink: replace a rollup even by one that has fewer requests on some day.
    :param suspects: days that may have fewer, because their rollups are known to differ from raw events.
    :param progress: called with events read so far, and of the month.
    :raises RebuildError: raw events have nothing of the month, do not reach back to its start, do not add up, or have
        fewer requests than a rollup; or a repricing is half done. Nothing was changed.
    :raises BarrierError: a chunk stays open, or the hold was too short; a rollup not yet replaced is as it was.
    """
    await _ensure_active(session, month)
    days = await _days_of(session, month)
    pause = uuid4()
    async with shadow_tables(session, pause) as shadows:
        work = _Work(session=session, shadows=shadows, month=month, stream=stream, shrink=shrink, suspects=suspects)
        settled = await work.gather_settled(days, progress)
        if stream is None:
            await work.swap()
            held = 0.0
        else:
            settled = await work.gather_settled_since(settled)
            started = time.monotonic()
            async with ingest_barrier(
                session, stream, reason="rebuild", seconds=barrier_seconds, barrier_id=pause
            ) as hold:
                try:
                    await work.gather_rest(settled)
                    await work.swap()
                except StoreError:
                    # A pause that ran out takes the shadows away: then that is the reason.
                    await hold.ensure_active()
                    raise
            held = time.monotonic() - started
    return Rebuilt(month=month.replace(day=1), events=sum(days.values()), held_seconds=held)


async def _ensure_active(session: Session, month: date) -> None:
    kept = await raw_kept_from(session)
    if month.replace(day=1) < kept:
        raise RebuildError(f"raw events from before {kept} were deleted, so {month:%Y-%m} cannot be rebuilt from them")


async def _days_of(session: Session, month: date) -> dict[date, int]:
    first = month.replace(day=1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    days = await days_with_rows(session, Days(first, last))
    days = {day: events for day, events in days.items() if events}
    if not days:
        raise RebuildError(f"there are no raw events of {month:%Y-%m}: its rollups stay as they are")
    return days


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """The shadows of one month on their way."""

    session: Session
    shadows: Sequence[Shadow]
    month: date
    stream: Stream | None
    shrink: bool
    suspects: Collection[date]

    @property
    def partition(self) -> int:
        """YYYYMM, the name of the month's partition."""
        return self.month.year * 100 + self.month.month

    async def gather_settled(self, days: Mapping[date, int], progress: Callable[[int, int], None] | None) -> Offsets:
        """Round 1, by days; returns below which offsets everything was gathered. Without a stream, all is settled."""
        settled = await self.stream.committed() if self.stream else {}
        where = f"{_DAYS} AND {_SETTLED}" if self.stream else _DAYS
        done, total = 0, sum(days.values())
        for batch in batches(days):
            await self._gather(where, settled=settled, days=batch, first=batch[0], last=batch[-1])
            done += sum(days[day] for day in batch)
            if progress is not None:
                progress(done, total)
        return settled

    async def gather_settled_since(self, before: Offsets) -> Offsets:
        """Round 2: what was settled since, whole."""
        settled = await self.stream.committed() if self.stream else {}
        await self._gather(f"{_MONTH} AND {_SETTLED} AND NOT {_SETTLED_BEFORE}", settled=settled, before=before)
        return settled

    async def gather_rest(self, settled: Offsets) -> None:
        """Round 3, while ingest is held: everything else."""
        await self._gather(f"{_MONTH} AND NOT {_SETTLED}", settled=settled)

    async def swap(self) -> None:
        """Replace every rollup's month, once every shadow adds up."""
        if await open_blocks(self.session):
            raise RebuildError(
                "a repricing was interrupted, and will send again what we would count now: run `spendmeter reprice`"
                " once more, then rebuild"
            )
        # Once more, for raw events may have been deleted since it began.
        await _ensure_active(self.session, self.month)
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
    """As ClickHouse writes a map; the client would send its keys as JSON, which are text."""
    return "{" + ", ".join(f"{partition:d}: {offset:d}" for partition, offset in offsets.items()) + "}"
