"""Parse and filter dead letters. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final, Protocol

from spendmeter_stream.dlq.dead_letters import ATTEMPTS, original_headers

_MAX_TEXT: Final = 500


class Stored(Protocol):
    """A Kafka record of the dead-letter topic."""

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
    """One record of the dead-letter topic; `partition` and `offset` are its position there."""

    partition: int
    offset: int
    at: datetime
    """Time of dead-lettering, UTC."""
    key: bytes | None
    value: bytes
    code: str
    message: str
    from_partition: int
    from_offset: int
    """Position in the usage topic; -1 if the headers lack it."""
    attempts: int
    """How often this content was dead-lettered."""
    truncated: bool
    """Whether `value` is only the beginning of a record that exceeded the topic's size limit."""
    headers: tuple[tuple[str, bytes | None], ...] = ()
    """Headers of the original record."""

    @property
    def fingerprint(self) -> bytes:
        """Hash of key and bytes."""
        return blake2b((self.key or b"") + b"\0" + self.value, digest_size=16).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Select dead letters. None matches any value."""

    code: str | None = None
    partition: int | None = None
    """Partition of the usage topic."""
    since: datetime | None = None
    """Time zone aware."""
    offset: int | None = None
    """Offset in the dead-letter topic."""

    def matches(self, letter: DeadLetter) -> bool:
        """Return whether `letter` is selected."""
        return (
            self.code in (None, letter.code)
            and self.partition in (None, letter.from_partition)
            and self.offset in (None, letter.offset)
            and (self.since is None or letter.at >= self.since)
        )


def dead_letter(record: Stored) -> DeadLetter:
    """Parse a record of the dead-letter topic. Missing or malformed headers read as unknown."""
    headers = dict(record.headers)
    return DeadLetter(
        partition=record.partition,
        offset=record.offset,
        at=_time(record.timestamp),
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


def _time(timestamp: int | None) -> datetime:
    """Return a record's timestamp, or 1970 if it is out of range: a producer may set any number."""
    try:
        return datetime.fromtimestamp((timestamp or 0) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _text(headers: Mapping[str, bytes | None], name: str) -> str:
    """Return a header as printable text of bounded length, safe to show in a terminal."""
    found = headers.get(name)
    text = "unknown" if found is None else found.decode(errors="replace")
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:_MAX_TEXT])


def _number(headers: Mapping[str, bytes | None], name: str, default: int) -> int:
    found = headers.get(name) or b""
    return int(found) if found.isdigit() and len(found) < 20 else default


@dataclass(frozen=True, slots=True)
class DeadLetterCounts:
    """Number of dead letters, by error code."""

    total: int
    by_code: dict[str, int]
