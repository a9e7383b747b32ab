"""What becomes of a record that raises anything, on every topic that is read. docs/dead-letters.md has it as a table.

* A record of the usage topic that can be read and cannot be counted is dead-lettered.
* A record of any other topic, and one that cannot be read at all, is skipped; its coordinates are logged and counted.
* A fault that belongs to no record is not a poison record: it raises, and whoever reads the topic shows it as stopped.

No content of a record reaches a log: an exception is named by its type and place, never by its message.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from traceback import extract_tb
from typing import Final, Literal, Protocol, TypeVar

from pydantic import ValidationError

from spendmeter_stream import metrics

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

Reason = Literal["crc", "compression", "structure", "too_large", "invalid", "refused", "dead_letter"]
"""`crc`, `compression`, `structure`, `too_large`: it cannot be read. `invalid`: it is not what its topic carries.
`refused`: the store or the price book does not take it. `dead_letter`: the dead-letter topic does not take it."""

_FRAMES: Final = 4
UNPROCESSABLE: Final = "unprocessable"
"""The error code of a dead letter that no rule foresaw: the worker raised an exception because of it."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why the record at `offset` is not an event. `message` never quotes the record's content."""

    offset: int
    code: str
    message: str


class Record(Protocol):
    """What validation needs of a Kafka record."""

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
    """Log and count that `record` is passed over."""
    skip_range(record.topic, record.partition, record.offset, record.offset + 1, reason, fault)


def skip_range(topic: str, partition: int, start: int, end: int, reason: Reason, fault: BaseException | str) -> None:
    """Log and count that the records at [start, end) are passed over. `fault` must not quote content."""
    why = fault if isinstance(fault, str) else name_of(fault)
    span = f"offset {start}" if end == start + 1 else f"offsets [{start}, {end})"
    log.error("%s partition %d: %s skipped (%s: %s)", topic, partition, span, reason, why)
    metrics.RECORDS_SKIPPED.labels(topic, reason).inc(end - start)


def name_of(error: BaseException) -> str:
    """The exception's type and the lines that led to it. Its message may quote a record, so it is left out."""
    frames = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in extract_tb(error.__traceback__)]
    return " < ".join([type(error).__name__, *reversed(frames[-_FRAMES:])])


def fault_of(error: ValidationError) -> str:
    """The first fault of a record: its kind, and the field where that is one of the contract's."""
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    # The name of an unknown field is content.
    known = fault["type"] != "extra_forbidden"
    return " at ".join([fault["type"], *([".".join(map(str, fault["loc"]))[:80]] if known and fault["loc"] else [])])


class UnprocessableError(Exception):
    """Records because of which a step raises: left out, the rest goes through."""

    def __init__(self, rejected: Sequence[Rejected]) -> None:
        super().__init__(f"{len(rejected)} records")
        self.rejected = {why.offset: why for why in rejected}


def isolating(offsets: Sequence[int], attempt: Callable[[Sequence[int]], R]) -> R:
    """Return `attempt` of the rows of all records; `offsets` are theirs.

    :raises UnprocessableError: some rows raise alone; any other exception: it belongs to no row.
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
    """Return the items for which `attempt` raises alone, by index; found by bisection.

    Empty where each half works although the whole does not: then the fault belongs to no item.
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
