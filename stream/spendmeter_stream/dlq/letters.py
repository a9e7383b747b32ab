"""Dead letters as they lie in their topic: what each says, and which of them a command means. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final, Protocol

from spendmeter_stream.dlq.dead_letters import ATTEMPTS, original_headers

_MAX_TEXT: Final = 500


class Stored(Protocol):
    """What a dead letter is read from: a Kafka record."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One record of the dead-letter topic. `partition` and `offset` are its own place there."""

    partition: int
    offset: int
    at: datetime
    """When it was dead-lettered, UTC."""
    key: bytes | None
    value: bytes
    code: str
    message: str
    from_partition: int
    from_offset: int
    """The place in the usage topic that it came from; -1 where its headers do not say."""
    attempts: int
    """How often this content was dead-lettered."""
    truncated: bool
    """Whether `value` is only the beginning, because the topic did not take it whole."""
    headers: tuple[tuple[str, bytes | None], ...] = ()
    """Those that the record came with."""

    @property
    def fingerprint(self) -> bytes:
        """The same for every dead letter of the same key and bytes."""
        return blake2b((self.key or b"") + b"\0" + self.value, digest_size=16).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which dead letters are meant. What is None does not matter."""

    code: str | None = None
    partition: int | None = None
    """Of the usage topic."""
    since: datetime | None = None
    """With a zone."""
    offset: int | None = None
    """Of the dead-letter topic."""

    def takes(self, letter: DeadLetter) -> bool:
        """Whether `letter` is meant."""
        return (
            self.code in (None, letter.code)
            and self.partition in (None, letter.from_partition)
            and self.offset in (None, letter.offset)
            and (self.since is None or letter.at >= self.since)
        )


def dead_letter(record: Stored) -> DeadLetter:
    """A record of the dead-letter topic, understood. Headers that are missing or torn read as unknown."""
    headers = dict(record.headers)
    return DeadLetter(
        partition=record.partition,
        offset=record.offset,
        at=_moment(record.timestamp),
        key=record.key,
        value=record.value or b"",
        code=_text(headers, "error_code"),
        message=_text(headers, "error_message"),
        from_partition=_number(headers, "partition", -1),
        from_offset=_number(headers, "offset", -1),
        attempts=_number(headers, ATTEMPTS, 1),
        truncated="truncated" in headers,
        headers=tuple(original_headers(record.headers)),
    )


def _moment(timestamp: int | None) -> datetime:
    """A record's timestamp; 1970 for one that is no moment of the calendar, for a producer may set any."""
    try:
        return datetime.fromtimestamp((timestamp or 0) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _text(headers: Mapping[str, bytes | None], name: str) -> str:
    """A header for people: whatever wrote it, it moves no cursor and fills no screen."""
    found = headers.get(name)
    text = "unknown" if found is None else found.decode(errors="replace")
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:_MAX_TEXT])


def _number(headers: Mapping[str, bytes | None], name: str, otherwise: int) -> int:
    found = headers.get(name) or b""
    return int(found) if found.isdigit() and len(found) < 20 else otherwise


@dataclass(frozen=True, slots=True)
class DeadLetterCounts:
    """What the dead-letter topic holds now."""

    total: int
    by_code: dict[str, int]
