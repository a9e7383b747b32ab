"""Handling of records that cannot be processed, on every consumed topic. Table: docs/dead-letters.md.

* A decodable record of the usage topic that cannot be processed is dead-lettered.
* A record of any other topic, or an undecodable record, is skipped; its coordinates are logged and counted.
* An error that no single record causes is raised, and the reader of the topic reports itself as stopped.

Record content is never logged: exceptions are logged by type and location, without their message.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from traceback import extract_tb
from typing import Final, Literal, Protocol, TypeVar

from pydantic import ValidationError

from spendmeter_stream import metrics
from spendmeter_stream.errors import PartitionStoppedError

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

Reason = Literal["crc", "compression", "structure", "too_large", "invalid", "refused", "dead_letter"]
"""`crc`, `compression`, `structure`, `too_large`: the record cannot be decoded. `invalid`: invalid for its topic.
`refused`: the store or the price book rejected it. `dead_letter`: the dead-letter topic rejected it."""

_FRAMES: Final = 4
UNPROCESSABLE: Final = "unprocessable"
"""Error code of a record for which the worker raised an unexpected exception."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why the record at `offset` was rejected. `message` never contains record content."""

    offset: int
    code: str
    message: str


class SourceRecord(Protocol):
    """The attributes of a Kafka record that validation uses."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class Located(Protocol):
    """A record's coordinates."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


def skip(record: Located, reason: Reason, fault: BaseException | str) -> None:
    """Log and count a skipped record."""
    skip_range(record.topic, record.partition, record.offset, record.offset + 1, reason, fault)


def skip_range(topic: str, partition: int, start: int, end: int, reason: Reason, fault: BaseException | str) -> None:
    """Log and count the skipped records [start, end). `fault` must not contain record content."""
    why = fault if isinstance(fault, str) else name_of(fault)
    span = f"offset {start}" if end == start + 1 else f"offsets [{start}, {end})"
    log.error("%s partition %d: %s skipped (%s: %s)", topic, partition, span, reason, why)
    metrics.RECORDS_SKIPPED.labels(topic, reason).inc(end - start)


def name_of(error: BaseException) -> str:
    """Return the exception's type and innermost frames, without its message, which may contain record content."""
    frames = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in extract_tb(error.__traceback__)]
    return " < ".join([type(error).__name__, *reversed(frames[-_FRAMES:])])


def fault_of(error: ValidationError) -> str:
    """Return the type of the first validation error, and its field if the contract defines it."""
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    # The name of an unknown field is record content.
    known = fault["type"] != "extra_forbidden"
    return " at ".join([fault["type"], *([".".join(map(str, fault["loc"]))[:80]] if known and fault["loc"] else [])])


class UnprocessableError(Exception):
    """Some records make a step raise. Without them, it succeeds."""

    def __init__(self, rejected: Sequence[Rejected]) -> None:
        super().__init__(f"{len(rejected)} records")
        self.rejected = {why.offset: why for why in rejected}


def isolating(offsets: Sequence[int], attempt: Callable[[Sequence[int]], R]) -> R:
    """Return `attempt(rows)` for the rows of all records; `offsets` are the records' offsets.

    :raises UnprocessableError: single rows raise; any other exception: no single row is the cause.
    """
    rows = range(len(offsets))
    try:
        return attempt(rows)
    except Exception:
        culprits = find_culprits(rows, attempt)
        if not culprits:
            raise
        rejected = [Rejected(offsets[row], UNPROCESSABLE, name_of(error)) for row, error in sorted(culprits.items())]
        raise UnprocessableError(rejected) from None


def find_culprits(items: Sequence[T], attempt: Callable[[Sequence[T]], object]) -> dict[int, Exception]:
    """Return the items for which `attempt` raises, by index, found by bisection.

    Empty if both halves succeed although the whole fails: then no single item is the cause.
    """
    culprits: dict[int, Exception] = {}
    waiting = [range(len(items))]
    while waiting:
        part = waiting.pop()
        try:
            attempt(items[part.start : part.stop])
        except Exception as error:
            if len(part) == 1:
                culprits[part.start] = error
            elif part:
                waiting += [part[: len(part) // 2], part[len(part) // 2 :]]
    return culprits


class BadRecordLimit:
    """Stop a partition after too many bad records in a row: its topic probably has messages of another kind."""

    def __init__(self, *, partition: int, maximum: int) -> None:
        self._partition = partition
        self._maximum = maximum
        self._in_a_row = 0

    def check(self, codes: Sequence[str], *, records: int, end: int) -> None:
        """Count the rejections (by code) of a chunk of `records` records before offset `end`; a good record resets it.

        :raises PartitionStoppedError: the limit is reached.
        """
        if len(codes) < records:
            self._in_a_row = 0
            return
        self._in_a_row += len(codes)
        if self._in_a_row >= self._maximum:
            raise PartitionStoppedError(
                f"partition {self._partition}: {self._in_a_row} bad records in a row,"
                f" the last at offset {end - 1}: {codes[-1]}"
            )
