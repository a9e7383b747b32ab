"""What a check found, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from spendmeter_stream.dlq.letters import DeadLetterCounts
from spendmeter_stream.journal.open_chunks import BegunChunk
from spendmeter_stream.verify.measures import ROLLUPS

_MEASURES: Final = {rollup.table: rollup.measures for rollup in ROLLUPS}


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure of one org and UTC day, by raw events and by a rollup. None: that side has no such org or day."""

    day: date
    org: str
    table: str
    measure: str
    raw: str | None
    rollup: str | None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An id that raw events hold `copies` times."""

    day: date
    org: str
    event_id: UUID
    copies: int


@dataclass(frozen=True, slots=True)
class DayResult:
    """One day's comparison: how many (rollup, org) pairs differ, and the measures of the first of them."""

    day: date
    differing: int
    differences: list[Difference] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything `verify` says. `clean` is what its exit code tells."""

    first: date | None
    last: date | None
    days: int
    events: int
    raw_kept_from: date | None = None
    """The watermark; None where no raw events were deleted."""
    uncompared: Sequence[date] = ()
    """Days before the watermark: rollups have them, raw events no longer do."""
    results: Sequence[DayResult]
    """The days that differ, and no others."""
    duplicate_ids: int
    duplicates: Sequence[Duplicate]
    open_chunks: Sequence[BegunChunk]
    offsets_known: bool
    """Whether `open_chunks` were judged by the group's offsets; else they are the newest of each partition."""
    dead_letters: DeadLetterCounts | None
    """None where no broker was asked."""
    settled: bool
    """False where days kept changing while they were compared, so that a difference may be a chunk on its way."""

    @property
    def clean(self) -> bool:
        """Whether raw events and rollups agree and no id is stored twice."""
        return not self.results and not self.duplicate_ids

    @property
    def differences(self) -> list[Difference]:
        """The differences that are listed, in the order of days."""
        return [difference for result in self.results for difference in result.differences]

    def as_json(self) -> dict[str, Any]:
        """Plain values, ready to be written as JSON."""
        return {
            "clean": self.clean,
            "settled": self.settled,
            "from": self.first,
            "to": self.last,
            "days": self.days,
            "events": self.events,
            "raw_kept_from": self.raw_kept_from,
            "uncompared_days": list(self.uncompared),
            "differing": sum(result.differing for result in self.results),
            "differences": [asdict(difference) for difference in self.differences],
            "duplicate_ids": self.duplicate_ids,
            "duplicates": [asdict(duplicate) for duplicate in self.duplicates],
            "open_chunks": [asdict(chunk) for chunk in self.open_chunks],
            "offsets_known": self.offsets_known,
            "dead_letters": asdict(self.dead_letters) if self.dead_letters else None,
        }


def day_results(rows: Iterable[Sequence[Any]]) -> list[DayResult]:
    """The answer to `queries.compare_days`, by day."""
    results = []
    for day, of_day in groupby(rows, key=lambda row: row[0]):
        listed = list(of_day)
        differences = [
            difference
            for _, table, org, raw, rolled, _ in listed
            for difference in _differences(day, org, table, raw, rolled)
        ]
        results.append(DayResult(day, differing=listed[0][5], differences=differences))
    return results


def _differences(day: date, org: str, table: str, raw: Sequence[str], rolled: Sequence[str]) -> list[Difference]:
    names = _MEASURES[table]
    absent: Sequence[str | None] = [None] * len(names)
    pairs = zip(names, raw or absent, rolled or absent, strict=True)
    return [
        Difference(day, org, table, measure, left, right)
        for measure, left, right in pairs
        # A side without the org says nothing of it; where the other says 0, both mean the same.
        if left != right and (left or "0") != (right or "0")
    ]
