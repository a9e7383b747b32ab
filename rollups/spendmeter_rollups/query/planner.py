"""Decides which tables answer a question: the coarsest rollups that are exact for it, raw events for the rest.

A window is cut into pieces that touch without overlapping. Inside it whole UTC days come from a daily rollup,
then whole hours, then quarters, and what is left at its ends (at most 15 minutes each, where the family has
that grain) from raw events. A series is cut at each of its bucket edges in the same way, so that no row of a
rollup straddles two of its buckets. No sum depends on the cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from spendmeter_rollups.catalogue.dimensions import FAMILIES, Rollup
from spendmeter_rollups.query.windows import Window

MAX_RANGES: Final = 16
"""More ranges of one table than this cost more to test than a finer table costs to read."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Piece:
    """Ranges of time to read from one table; `rollup` None means raw events."""

    rollup: Rollup | None
    ranges: tuple[Window, ...]


def choose_family(columns: Iterable[str], measures: Iterable[str]) -> tuple[Rollup, ...]:
    """The rollups that keep all of `columns` and `measures`, coarsest first; none where only raw events do."""
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
) -> tuple[Piece, ...]:
    """The pieces whose sum is exactly the events of `window`.

    :param columns: every column that is grouped by or filtered on.
    :param edges: the bucket edges of a series, ascending; none for a single total.
    :param first_event: with no event before the window's start, that start is as good as the start of its day.
    :param newest_event: with no event at or after the window's end, that end is as good as the end of its day,
        and the finer tables need not be read.
    """
    family = choose_family(columns, measures)
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
    """Whole grains inside each span, and what is left before and after them."""
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


def _floor(moment: datetime, seconds: int) -> datetime:
    return moment - (moment - _EPOCH) % timedelta(seconds=seconds)


def _ceil(moment: datetime, seconds: int) -> datetime:
    return -((_EPOCH - moment) // timedelta(seconds=seconds)) * timedelta(seconds=seconds) + _EPOCH
