"""Result of a check, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from spendmeter_stream.dlq.letters import DeadLetterCounts
from spendmeter_stream.journal.open_chunks import BegunChunk
from spendmeter_stream.verify.doubles import CountingWarnings
from spendmeter_stream.verify.measures import ROLLUPS

_MEASURES: Final = {rollup.table: rollup.measures for rollup in ROLLUPS}


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure of one org and UTC day in raw events and in a rollup; None if that side lacks the org or day."""

    day: date
    org: str
    table: str
    measure: str
    raw: str | None
    rollup: str | None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An id stored `copies` times in raw events."""

    day: date
    org: str
    event_id: UUID
    copies: int


@dataclass(frozen=True, slots=True)
class DayResult:
    """Comparison of one day: the number of (rollup, org) pairs that differ, and the measures of the first of them."""

    day: date
    differing: int
    differences: list[Difference] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Result of `verify`. `clean` determines its exit code."""

    first: date | None
    last: date | None
    days: int
    events: int
    raw_kept_from: date | None = None
    """The watermark; None if no raw events were deleted."""
    uncompared: Sequence[date] = ()
    """Days before the watermark: in rollups, but no longer in raw events."""
    results: Sequence[DayResult]
    """Only the days that differ."""
    duplicate_ids: int
    duplicates: Sequence[Duplicate]
    open_chunks: Sequence[BegunChunk]
    offsets_known: bool
    """Whether `open_chunks` were filtered by the group's offsets; else they are the newest of each partition."""
    dead_letters: DeadLetterCounts | None
    """None without a broker."""
    settled: bool
    """False if days changed during the comparison, so that a difference may be a chunk in flight."""

    warnings: CountingWarnings = field(default_factory=CountingWarnings)
    """Calls that may be counted twice, and events that are not counted: warnings, not differences."""

    @property
    def clean(self) -> bool:
        """Return whether raw events and rollups agree and no id is stored twice."""
        return not self.results and not self.duplicate_ids

    @property
    def differences(self) -> list[Difference]:
        """Return the listed differences, by day."""
        return [difference for result in self.results for difference in result.differences]

    def as_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
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
            "suspected_double_reports": self.warnings.suspected,
            "suspected_cost": self.warnings.suspected_cost,
            "double_reports": [asdict(report) for report in self.warnings.double_reports],
            "conflicting_events": self.warnings.conflicts,
            "conflicts": [asdict(conflict) for conflict in self.warnings.conflict_list],
        }


def day_results(rows: Iterable[Sequence[Any]]) -> list[DayResult]:
    """Group the rows of `queries.compare_days` by day."""
    results = []
    for day, group in groupby(rows, key=lambda row: row[0]):
        listed = list(group)
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
        # A side without the org equals 0 on the other side.
        if left != right and (left or "0") != (right or "0")
    ]
