"""Queue of one partition: batches of records, sent one at a time. No I/O.

A batch keeps its encoded bytes until the broker responds: an idempotent broker recognises a retry by producer id and
sequence number, so a retry must send the same bytes.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from aiokafka.codec import lz4_encode
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from spendmeter_events._delivery.buffer import Record
from spendmeter_events._delivery.link import ProducerId

_MAGIC: Final = 2
_ANONYMOUS: Final = ProducerId(-1, -1)
_NO_LIMIT: Final = 2**31 - 1
_LZ4_LEVEL: Final = 1

# The fields of a batch before its records: base offset, length, leader epoch, magic, CRC-32C of everything after it,
# attributes (codec in the lowest bits), last offset delta, two timestamps, producer id, epoch and sequence, count.
_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_LENGTH, _CRC, _ATTRIBUTES = 1, 4, 5
_AFTER_LENGTH, _AFTER_CRC = 12, 21

_WORDS: Final = struct.Struct("<4I")
_M: Final = 0x5BD1E995
_SEED: Final = 0x9747B28C ^ 16
_32_BITS: Final = 0xFFFFFFFF


def partition_of(key: bytes, partitions: list[int]) -> int:
    """Return the partition that Kafka's default partitioner selects for a key of 16 bytes (murmur2, as in Java).

    aiokafka's version accepts keys of any length, reads them byte by byte, and takes four times as long.
    """
    digest = _SEED
    for word in _WORDS.unpack(key):
        word = word * _M & _32_BITS
        digest = digest * _M & _32_BITS ^ (word ^ word >> 24) * _M & _32_BITS
    digest = (digest ^ digest >> 13) * _M & _32_BITS
    digest ^= digest >> 15
    return partitions[(digest & 0x7FFFFFFF) % len(partitions)]


@dataclass(slots=True)
class Group:
    """Records that are sent as one batch."""

    records: list[Record]
    size: int
    sealed: bool = False
    """No record is added: the group is half of a rejected batch, and halving must find the invalid record."""
    payload: bytes | None = None


@dataclass(slots=True)
class Lane:
    """Queue of one partition. `sequence` is the sequence number of the next record to send."""

    partition: int
    groups: deque[Group] = field(default_factory=deque)
    sequence: int = 0
    failures: int = 0
    """Consecutive failed attempts."""
    retry_at: float = 0.0

    def add(self, record: Record, *, batch_bytes: int) -> None:
        """Append to the last group, or to a new one if the last is full, sealed or already encoded."""
        last = self.groups[-1] if self.groups else None
        if last is None or last.payload is not None or last.sealed or last.size + record.size > batch_bytes:
            self.groups.append(Group([record], record.size))
        else:
            last.records.append(record)
            last.size += record.size

    def head_payload(self, producer: ProducerId | None) -> bytes:
        """Return the first group as a record batch, encoded once so that every attempt sends the same bytes."""
        head = self.groups[0]
        if head.payload is None:
            head.payload = build_batch(head.records, producer=producer, sequence=self.sequence)
        return head.payload

    def remove_head(self, *, stored: bool) -> list[Record]:
        """Remove the first group and return its records. Rejected records do not advance the sequence number."""
        head = self.groups.popleft()
        if stored:
            # Wraps to 0 after 2**31 - 1, as in the Java client.
            self.sequence = (self.sequence + len(head.records)) % 2**31
        self.failures = 0
        self.retry_at = 0.0
        return head.records

    def split_head(self) -> None:
        """Halve the first group, to find the record that the broker rejects."""
        head = self.groups.popleft()
        middle = len(head.records) // 2
        for half in (head.records[middle:], head.records[:middle]):
            self.groups.appendleft(Group(half, sum(record.size for record in half), sealed=True))

    def reset_sequence(self) -> None:
        """Reset the sequence number and the encoded batches, for a new producer id."""
        self.sequence = 0
        for group in self.groups:
            group.payload = None

    def all_records(self) -> list[Record]:
        """Return all records of this lane, oldest first."""
        return [record for group in self.groups for record in group.records]


def build_batch(records: list[Record], *, producer: ProducerId | None, sequence: int) -> bytes:
    """Return a Kafka record batch (magic 2), compressed with lz4."""
    number, epoch = producer or _ANONYMOUS
    builder = DefaultRecordBatchBuilder(
        magic=_MAGIC,
        compression_type=DefaultRecordBatch.CODEC_NONE,
        is_transactional=0,
        producer_id=number,
        producer_epoch=epoch,
        base_sequence=sequence if producer else -1,
        batch_size=_NO_LIMIT,
    )
    for offset, record in enumerate(records):
        builder.append(offset, record.timestamp_ms, record.key, record.value, [])
    return _compressed(builder.build())


def _compressed(plain: bytearray) -> bytes:
    """Return the batch with its records as one lz4 frame.

    aiokafka compresses at level 9, which takes ten times the CPU time for a sixth fewer bytes.
    """
    records: bytes = lz4_encode(bytes(memoryview(plain)[_HEADER.size :]), level=_LZ4_LEVEL)
    head = list(_HEADER.unpack_from(plain))
    head[_LENGTH] = _HEADER.size - _AFTER_LENGTH + len(records)
    head[_ATTRIBUTES] |= DefaultRecordBatch.CODEC_LZ4
    covered = _HEADER.pack(*head)[_AFTER_CRC:] + records
    head[_CRC] = calc_crc32c(covered)
    return _HEADER.pack(*head)[:_AFTER_CRC] + covered
