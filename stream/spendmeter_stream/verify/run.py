"""Run the check: rollups against raw events, duplicate ids, open chunks, dead letters."""

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
from spendmeter_stream.verify.doubles import find_warnings
from spendmeter_stream.verify.report import DayResult, Report

log = logging.getLogger(__name__)

_REPEATS: Final = 3
_REPEAT_SECONDS: Final = 2.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Environment of the store during a check."""

    stream: Stream | None = None
    """Consumer group that fills the store; None without a broker."""
    moving: bool = True
    """False if nothing can be inserted during the check: the caller has exclusive access to the store."""
    dead_letters: Callable[[], Awaitable[DeadLetterCounts]] | None = None
    use_barrier: bool = True
    """Whether an ingest barrier may be requested, to distinguish a difference from a chunk in flight."""
    barrier_seconds: int = 60
    """Maximum duration of the barrier for one query."""


async def verify(
    session: Session,
    days: Days,
    *,
    around: Surroundings,
    progress: Progress | None = None,
) -> Report:
    """Check all stored rows of `days`. Days before the watermark are counted but not compared.

    :param progress: called with the number of compared days and the total.
    """
    kept = await raw_kept_from(session)
    stored = await days_with_rows(session, days)
    rows = {day: events for day, events in stored.items() if day >= kept}
    events = sum(rows.values())
    found = await compare(session, rows, progress=progress and _of_total(progress, len(rows)))
    found, settled = await _confirm(session, found, rows, around)
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
        warnings=await find_warnings(session, stored, days.parameters()),
    )


async def differing_days(session: Session, rows: Mapping[date, int], around: Surroundings) -> tuple[list[date], bool]:
    """Return the days on which a rollup differs from raw events, and whether the result is certain.

    :param rows: day → events of the days to compare.
    """
    found, settled = await _confirm(session, await compare(session, rows), rows, around)
    return [result.day for result in found], settled


async def compare_again(
    session: Session, found: Sequence[DayResult], rows: Mapping[date, int]
) -> tuple[list[DayResult], bool]:
    """Repeat the comparison of days that differ until they agree, or two results are equal.

    An insert reaches raw events before the rollups, so a difference may be a chunk in flight. Return the remaining
    differences, and whether the result is stable.

    :param rows: day → events, at least of the days of `found`.
    """
    differing = list(found)
    for _ in range(_REPEATS):
        if not differing:
            break
        await asyncio.sleep(_REPEAT_SECONDS)
        before, differing = differing, await compare(session, _of_days(rows, differing))
        if differing == before:
            return differing, True
    return differing, not differing


async def _confirm(
    session: Session, found: list[DayResult], rows: Mapping[date, int], around: Surroundings
) -> tuple[list[DayResult], bool]:
    """Return the confirmed differences of `found`, and whether the result is certain."""
    if not found or not around.moving:
        return found, True
    if around.stream is None or not around.use_barrier:
        return await compare_again(session, found, rows)
    try:
        return await _compare_in_barrier(session, around.stream, _of_days(rows, found), around), True
    except BarrierError as error:
        log.warning("ingest barrier failed, so a chunk in flight may show as a difference: %s", error)
        found, _ = await compare_again(session, found, rows)
        return found, not found


async def _compare_in_barrier(
    session: Session, stream: Stream, days: Mapping[date, int], around: Surroundings
) -> list[DayResult]:
    """Compare `days` without concurrent inserts, one barrier per query."""
    found: list[DayResult] = []
    for batch in batches(days):
        async with ingest_barrier(session, stream, reason="verify", seconds=around.barrier_seconds) as barrier:
            found += await compare_days(session, batch)
            await barrier.ensure_active()
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
