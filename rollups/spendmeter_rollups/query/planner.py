"""Choose the tables of a query: the coarsest rollups that answer it exactly, and raw events for the rest.

The planner splits a window into contiguous, disjoint pieces. Whole UTC days come from a daily rollup, then whole
hours, then quarter hours. The rest at both ends (at most 15 minutes each, if the family has that grain) comes from
raw events. A series is split at its bucket edges in the same way, so that no rollup row spans two buckets. The
result does not depend on the split.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Final

from spendmeter_clickhouse.catalogue import DAY
from spendmeter_rollups.catalogue.dimensions import FAMILIES, Rollup
from spendmeter_rollups.query.windows import Window

MAX_RANGES: Final = 16
"""Above this number of ranges, evaluating the condition costs more than reading a finer table."""

_TICK: Final = timedelta(milliseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Piece:
    """Time ranges to read from one table; `rollup` None means raw events."""

    rollup: Rollup | None
    ranges: tuple[Window, ...]

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last UTC day."""
        return self.ranges[0].start.date(), (self.ranges[-1].end - _TICK).date()


def choose_family(columns: Iterable[str], measures: Iterable[str]) -> tuple[Rollup, ...]:
    """Return the rollups with all of `columns` and `measures`, coarsest first; empty if only raw events have them."""
    needed, wanted = frozenset(columns), frozenset(measures)
    for family in FAMILIES:
        if needed <= family[0].columns and wanted <= family[0].measures:
            return family
    return ()


def plan(
    window: Window,
    *,
    columns: Iterable[str],
    measures: Iterable[str],
    edges: Sequence[datetime] = (),
    first_event: datetime | None = None,
    newest_event: datetime | None = None,
    daily: bool = False,
) -> tuple[Piece, ...]:
    """Return the pieces whose sum is exactly the events of `window`.

    :param columns: every column in GROUP BY or in a filter.
    :param edges: the bucket edges of a series, ascending; none for a single total.
    :param first_event: if no event precedes the window, its start is rounded down to the coarsest grain.
    :param newest_event: if no event is at or after the window's end, the end is rounded up to the coarsest grain, and
        the finer tables are not read.
    :param daily: read no row that sums several days: each day has its own exchange rate.
    """
    family = choose_family(columns, measures)
    if daily:
        family = tuple(rollup for rollup in family if rollup.seconds <= DAY)
    if family and newest_event is not None and newest_event < window.end:
        window = Window(window.start, _ceil(window.end, family[0].seconds))
    if family and first_event is not None and window.start <= first_event:
        window = Window(_floor(window.start, family[0].seconds), window.end)
    pieces = _cover(window, family, edges)
    crowded = [piece for piece in pieces if len(piece.ranges) > MAX_RANGES]
    if crowded:
        exact = tuple(rollup for rollup in family if _aligned(edges, rollup.seconds))
        pieces = _cover(window, exact, ())
    return pieces


def _cover(window: Window, family: Sequence[Rollup], edges: Sequence[datetime]) -> tuple[Piece, ...]:
    rest = _split(window, edges)
    pieces = []
    for rollup in family:
        taken, rest = _take_whole(rest, rollup.seconds)
        if taken:
            pieces.append(Piece(rollup, _join(taken)))
    if rest:
        pieces.append(Piece(None, _join(rest)))
    return tuple(pieces)


def _split(window: Window, edges: Sequence[datetime]) -> list[Window]:
    inner = [edge for edge in edges if window.start < edge < window.end]
    cuts = [window.start, *inner, window.end]
    return [Window(start, end) for start, end in pairwise(cuts)]


def _take_whole(spans: Iterable[Window], seconds: int) -> tuple[list[Window], list[Window]]:
    """Split each span into its whole grains and the remainders before and after them."""
    taken, rest = [], []
    for span in spans:
        start, end = _ceil(span.start, seconds), _floor(span.end, seconds)
        if start >= end:
            rest.append(span)
            continue
        taken.append(Window(start, end))
        if span.start < start:
            rest.append(Window(span.start, start))
        if end < span.end:
            rest.append(Window(end, span.end))
    return taken, rest


def _join(spans: Iterable[Window]) -> tuple[Window, ...]:
    joined: list[Window] = []
    for span in spans:
        if joined and joined[-1].end == span.start:
            joined[-1] = Window(joined[-1].start, span.end)
        else:
            joined.append(span)
    return tuple(joined)


def _aligned(edges: Iterable[datetime], seconds: int) -> bool:
    return all(_floor(edge, seconds) == edge for edge in edges)


def _floor(instant: datetime, seconds: int) -> datetime:
    return instant - (instant - _EPOCH) % timedelta(seconds=seconds)


def _ceil(instant: datetime, seconds: int) -> datetime:
    return -((_EPOCH - instant) // timedelta(seconds=seconds)) * timedelta(seconds=seconds) + _EPOCH
