"""Decode the records of an uncompressed batch (magic 2) one by one. Lengths isolate a corrupt record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record. `delta` is relative to the batch's base offset, `time_delta` (ms) to its first timestamp."""

    delta: int
    time_delta: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class BrokenRecord:
    """An unreadable record. With `rest`, all following records of the batch are unreadable, too."""

    delta: int
    why: str
    rest: bool = False


def raw_records(body: bytes, count: int) -> Iterator[RawRecord | BrokenRecord]:
    """Yield the `count` records of a batch's body, in order."""
    position, expected = 0, 0
    for _ in range(max(count, 0)):
        try:
            length, start = _varint(body, position)
            if length < 0 or start + length > len(body):
                raise ValueError("record length exceeds the batch")
        except (ValueError, IndexError) as error:
            yield BrokenRecord(expected, type(error).__name__, rest=True)
            return
        position = start + length
        try:
            found: RawRecord | BrokenRecord = _record(body[start:position])
        except (ValueError, IndexError) as error:
            found = BrokenRecord(expected, type(error).__name__)
        expected = found.delta + 1
        yield found


def _record(body: bytes) -> RawRecord:
    _, position = _varint(body, 0)  # attributes, unused
    time_delta, position = _varint(body, position)
    delta, position = _varint(body, position)
    key, position = _bytes(body, position)
    value, position = _bytes(body, position)
    count, position = _varint(body, position)
    headers: list[tuple[str, bytes | None]] = []
    for _ in range(count):
        name, position = _bytes(body, position)
        content, position = _bytes(body, position)
        headers.append(((name or b"").decode("utf-8", "backslashreplace"), content))
    if position != len(body):
        raise ValueError("record length does not match its content")
    return RawRecord(delta, time_delta, key, value, headers)


def _bytes(body: bytes, position: int) -> tuple[bytes | None, int]:
    length, position = _varint(body, position)
    if length < 0:
        return None, position
    if position + length > len(body):
        raise ValueError("field length exceeds the record")
    return body[position : position + length], position + length


def _varint(body: bytes, position: int) -> tuple[int, int]:
    """Decode a zigzag varint; return it and the position after it."""
    number, shift = 0, 0
    while True:
        byte = body[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), position
        shift += 7
        if shift > 63:
            raise ValueError("varint longer than ten bytes")
