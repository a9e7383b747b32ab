"""Select the calls to reprice, and split them into pieces that fit in memory. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spendmeter_stream.errors import RepriceError


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSelection:
    """Calls that occurred in [start, end), UTC. An empty tuple selects all names."""

    start: datetime
    end: datetime
    providers: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    orgs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise RepriceError("start and end of the window need a time zone")
        if self.start >= self.end:
            raise RepriceError("the window must end after its start")

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the queries in `reading`."""
        return {
            "start": self.start,
            "end": self.end,
            "providers": list(self.providers),
            "models": list(self.models),
            "orgs": list(self.orgs),
        }

    def describe(self) -> str:
        """Return the selection as JSON, for the audit trail."""
        values = {**self.parameters(), "start": self.start.isoformat(), "end": self.end.isoformat()}
        return json.dumps(values, sort_keys=True)


@dataclass(frozen=True, slots=True)
class CallPiece:
    """Calls of whole hours of one UTC month, or the calls of one hour whose id hash falls into `slice`."""

    first_hour: datetime
    last_hour: datetime
    events: int
    slice: int = 0
    slices: int = 1


def pieces_of(hours: Iterable[tuple[datetime, int]], *, size: int) -> Iterator[CallPiece]:
    """Split hours, in order with their number of calls, into pieces of about `size` calls.

    A piece never spans two months: an insert into ClickHouse is atomic only within one monthly partition.
    """
    gathered: list[tuple[datetime, int]] = []
    for hour, events in hours:
        if gathered and not _fits(gathered, hour, events, size):
            yield from _cut(gathered, size)
            gathered = []
        gathered.append((hour, events))
    if gathered:
        yield from _cut(gathered, size)


def _fits(gathered: list[tuple[datetime, int]], hour: datetime, events: int, size: int) -> bool:
    first = gathered[0][0]
    same_month = (first.year, first.month) == (hour.year, hour.month)
    return same_month and sum(count for _, count in gathered) + events <= size


def _cut(gathered: list[tuple[datetime, int]], size: int) -> Iterator[CallPiece]:
    events = sum(count for _, count in gathered)
    # Only a single hour can have more than `size` calls; slice it by a hash of the ids.
    slices = -(-events // size)
    for number in range(slices):
        share = events * (number + 1) // slices - events * number // slices
        yield CallPiece(gathered[0][0], gathered[-1][0], share, number, slices)
