"""The whole check: rollups against raw events, ids stored twice, open chunks, dead letters."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.watermark import EVERYTHING, raw_kept_from
from spendmeter_stream.barrier.barrier import ingest_barrier
from spendmeter_stream.dlq.letters import DeadLetterCounts
from spendmeter_stream.errors import BarrierError
from spendmeter_stream.journal.open_chunks import BegunChunk, newest_chunks
from spendmeter_stream.kafka.group_position import Stream, open_chunks
from spendmeter_stream.verify.compare import Days, batches, compare, compare_days, days_with_rows, find_duplicates
from spendmeter_stream.verify.report import DayResult, Report

log = logging.getLogger(__name__)

_LOOKS: Final = 3
_PAUSE_SECONDS: Final = 2.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is known of the world around the store."""

    stream: Stream | None = None
    """What fills the store; None where no broker is known."""
    moving: bool = True
    """False where nothing can be inserted meanwhile, because the caller has the store to itself."""
    dead_letters: Callable[[], Awaitable[DeadLetterCounts]] | None = None
    may_hold: bool = True
    """Whether workers may be asked to wait, so that a difference is told from a chunk on its way."""
    barrier_seconds: int = 60
    """The most that they wait for one statement."""


async def verify(
    session: Session,
    days: Days,
    *,
    around: Surroundings,
    progress: Progress | None = None,
) -> Report:
    """Check everything that was stored of `days`. Days before the watermark are counted, and not compared.

    :param progress: called with days compared and days to compare.
    """
    kept = await raw_kept_from(session)
    stored = await days_with_rows(session, days)
    rows = {day: events for day, events in stored.items() if day >= kept}
    events = sum(rows.values())
    found = await compare(session, rows, progress=progress and _of_total(progress, len(rows)))
    found, settled = await _settled(session, found, rows, around)
    duplicate_ids, duplicates = await find_duplicates(session, days, events=sum(stored.values()))
    return Report(
        first=min(rows, default=None),
        last=max(rows, default=None),
        days=len(rows),
        raw_kept_from=kept if kept > EVERYTHING else None,
        uncompared=[day for day in stored if day < kept],
        events=events,
        results=found,
        duplicate_ids=duplicate_ids,
        duplicates=duplicates,
        open_chunks=await _open_chunks(session, around.stream),
        offsets_known=around.stream is not None,
        dead_letters=await around.dead_letters() if around.dead_letters else None,
        settled=settled,
    )


async def differing_days(session: Session, rows: Mapping[date, int], around: Surroundings) -> tuple[list[date], bool]:
    """Days on which a rollup differs from raw events, and whether that is certain.

    :param rows: day → events, of the days to compare.
    """
    found, settled = await _settled(session, await compare(session, rows), rows, around)
    return [result.day for result in found], settled


async def look_again(
    session: Session, found: Sequence[DayResult], rows: Mapping[date, int]
) -> tuple[list[DayResult], bool]:
    """Compare days that differ again, until they agree, or differ twice in the same way.

    An insert reaches raw events before it reaches the rollups, so a difference may be a chunk on its way.
    Returns what still differs, and whether it stood still.

    :param rows: day → events, at least of the days of `found`.
    """
    differing = list(found)
    for _ in range(_LOOKS):
        if not differing:
            break
        await asyncio.sleep(_PAUSE_SECONDS)
        before, differing = differing, await compare(session, _of_days(rows, differing))
        if differing == before:
            return differing, True
    return differing, not differing


async def _settled(
    session: Session, found: list[DayResult], rows: Mapping[date, int], around: Surroundings
) -> tuple[list[DayResult], bool]:
    """What of `found` is a difference, and whether that is certain."""
    if not found or not around.moving:
        return found, True
    if around.stream is None or not around.may_hold:
        return await look_again(session, found, rows)
    try:
        return await _compare_held(session, around.stream, _of_days(rows, found), around), True
    except BarrierError as error:
        log.warning("the ingest could not be held, so a chunk on its way may show as a difference: %s", error)
        found, _ = await look_again(session, found, rows)
        return found, not found


async def _compare_held(
    session: Session, stream: Stream, days: Mapping[date, int], around: Surroundings
) -> list[DayResult]:
    """Compare `days` in moments without inserts, one statement a hold."""
    found: list[DayResult] = []
    for batch in batches(days):
        async with ingest_barrier(session, stream, reason="verify", seconds=around.barrier_seconds) as hold:
            found += await compare_days(session, batch)
            await hold.ensure_active()
    return found


async def _open_chunks(session: Session, stream: Stream | None) -> list[BegunChunk]:
    if stream is None:
        return await newest_chunks(session)
    chunks = await newest_chunks(session, stream.topic_id)
    return await open_chunks(stream, chunks)


def _of_total(progress: Progress, total: int) -> Callable[[int], None]:
    return lambda done: progress(done, total)


def _of_days(rows: Mapping[date, int], results: Sequence[DayResult]) -> dict[date, int]:
    return {result.day: rows[result.day] for result in results}
