"""Read record batches so that a corrupt batch or record does not block its partition.

For one corrupt record, aiokafka raises from `getmany`, drops the records that it decoded before it, and raises again
after a seek, because each fetch returns the whole batch. This module skips an unreadable batch by its offsets, and in
other batches only the unreadable records. A header key that is not valid UTF-8 is escaped, and is not an error.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch
from aiokafka.structs import ConsumerRecord
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from spendmeter_stream.kafka.inflate import BatchTooLargeError, inflate
from spendmeter_stream.kafka.wire_record import BrokenRecord, RawRecord, raw_records
from spendmeter_stream.poison import Reason, skip_range

_LENGTH: Final = struct.Struct(">i")
_HEAD: Final = 12
"""Size of base offset and length, which the length field excludes."""
_MAGIC: Final = 16
_ATTRIBUTES: Final = 21
_BODY: Final = 61
"""Offset of the records in a batch with magic 2."""
_CODEC: Final = 0x07

QUIET_FETCH_MS: Final = 2000
"""How long fetches of the quiet topics (prices, directory) wait for records: shorter ones cost an idle worker more."""

_distrusted: dict[TopicPartition, int] = {}
"""The batch of each partition that failed its CRC check once. It is fetched again, in case the network corrupted it."""


def skip_unreadable_batches() -> None:
    """Make every aiokafka consumer of this process, including Faust's, read through this module."""
    fetcher.MemoryRecords = RawBatches
    fetcher.PartitionRecords = ReadableRecords


def open_reader(*topics: str, client_options: dict[str, Any], **options: Any) -> AIOKafkaConsumer:
    """Return a read-committed consumer without auto-commit that skips unreadable records. It is not started."""
    skip_unreadable_batches()
    fixed = {"enable_auto_commit": False, "isolation_level": "read_committed"}
    return AIOKafkaConsumer(*topics, **client_options, **fixed, **options)


def make_faust_read_committed() -> None:
    """Set `read_committed` on Faust's own consumer, and long fetches: Faust has no settings for them."""
    create = AIOKafkaConsumerThread._create_worker_consumer

    def create_reader(self: AIOKafkaConsumerThread, transport: Any) -> AIOKafkaConsumer:
        consumer = create(self, transport)
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = QUIET_FETCH_MS
        return consumer

    if create.__module__ != __name__:
        AIOKafkaConsumerThread._create_worker_consumer = create_reader  # type: ignore[method-assign]


def readable_end(consumer: AIOKafkaConsumer, partition: TopicPartition) -> int | None:
    """Return the end of the readable log, as reported by the last fetch; None before the first fetch.

    Not `end_offsets`, which the embedded broker answers wrongly. Open transactions follow the last stable offset.
    """
    end: int | None = consumer.highwater(partition)
    stable: int | None = consumer.last_stable_offset(partition)
    return end if end is None or stable is None or stable < 0 else min(end, stable)


class BrokenBatchError(Exception):
    """A batch cannot be read."""

    def __init__(self, reason: Reason, why: str) -> None:
        super().__init__(why)
        self.reason: Reason = reason


class RawBatches:
    """The raw batches of one partition in a fetch response. Replaces aiokafka's `MemoryRecords`."""

    def __init__(self, data: bytes | None) -> None:
        self._data = memoryview(data or b"")
        self._position = 0

    def size_in_bytes(self) -> int:
        return len(self._data)

    def has_next(self) -> bool:
        """Whether a batch follows. A truncated batch counts only if it is the first: then it will never be complete."""
        left = len(self._data) - self._position
        return left > 0 if self._position == 0 else left >= self._length()

    def next_batch(self) -> bytes:
        """Return the bytes of the next batch, truncated at the end of the response."""
        end = self._position + self._length()
        batch = bytes(self._data[self._position : end])
        self._position = min(end, len(self._data))
        return batch

    def _length(self) -> int:
        if len(self._data) - self._position < _HEAD:
            return _HEAD
        (length,) = _LENGTH.unpack_from(self._data, self._position + 8)
        # A negative length would cause an endless loop.
        return _HEAD + max(int(length), 0)


class ReadableRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """The readable records of one partition in a fetch response."""

    _records: RawBatches
    _tp: TopicPartition
    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[ConsumerRecord]:
        while self._records.has_next():
            raw = self._records.next_batch()
            try:
                plain = _open(raw, check_crc=self._check_crcs)
                batch = _parse(plain)
                ignored = self._is_ignored(batch)
            except Exception as error:
                if not self._skip_batch(raw, error):
                    return
                continue
            if not ignored:
                yield from self._read(batch, plain)
            self.next_fetch_offset = max(self.next_fetch_offset, batch.next_offset)

    def _read(self, batch: Any, plain: bytes) -> Iterator[ConsumerRecord]:
        try:
            for record in batch:
                # Brokers return compressed batches whole, including records before the requested offset.
                if record.offset < self.next_fetch_offset:
                    continue
                readable = self._consumer_record(self._tp, record)
                self.next_fetch_offset = record.offset + 1
                yield readable
        except Exception as error:
            if plain[_MAGIC] < 2:
                self._skip(batch.next_offset, "structure", error)
            else:
                yield from self._salvage(batch, plain)

    def _salvage(self, batch: Any, plain: bytes) -> Iterator[ConsumerRecord]:
        """Yield the readable records of a batch that contains an unreadable one."""
        for found in raw_records(plain[_BODY:], _count_of(plain)):
            start = batch.base_offset + found.delta
            if isinstance(found, BrokenRecord):
                self._skip(batch.next_offset if found.rest else start + 1, "structure", found.why)
            elif start >= self.next_fetch_offset:
                self.next_fetch_offset = start + 1
                yield self._consumer_record(self._tp, _Salvaged(found, batch))

    def _is_ignored(self, batch: Any) -> bool:
        """Whether `batch` is a control batch or, with `read_committed`, belongs to an aborted transaction."""
        if self._isolation_level == fetcher.READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)

    def _skip_batch(self, raw: bytes, error: Exception) -> bool:
        """Skip a whole batch; False if it must be fetched again first."""
        base, end = _offsets_of(raw, self.next_fetch_offset)
        reason: Reason = error.reason if isinstance(error, BrokenBatchError) else "structure"
        if reason == "crc" and _distrusted.get(self._tp) != base:
            _distrusted[self._tp] = base
            return False
        self._skip(end, reason, str(error) if isinstance(error, BrokenBatchError) else error)
        return True

    def _skip(self, end: int, reason: Reason, fault: BaseException | str) -> None:
        if end > self.next_fetch_offset:
            skip_range(self._tp.topic, self._tp.partition, self.next_fetch_offset, end, reason, fault)
            self.next_fetch_offset = end


class _Salvaged:
    """A record decoded by this module, with the attributes of aiokafka's records."""

    def __init__(self, found: RawRecord, batch: Any) -> None:
        self.offset = batch.base_offset + found.delta
        self.timestamp_type = batch.timestamp_type
        self.timestamp = batch.max_timestamp if batch.timestamp_type else batch.first_timestamp + found.time_delta
        self.key, self.value, self.headers = found.key, found.value, found.headers
        self.checksum = None


def _open(raw: bytes, *, check_crc: bool) -> bytes:
    """Verify and decompress a batch. Raises `BrokenBatchError`."""
    if len(raw) < _HEAD or len(raw) < _HEAD + _LENGTH.unpack_from(raw, 8)[0]:
        raise BrokenBatchError("too_large", f"the response was truncated after {len(raw)} bytes of the batch")
    if len(raw) <= _MAGIC or (raw[_MAGIC] >= 2 and len(raw) < _BODY):
        raise BrokenBatchError("structure", f"{len(raw)} bytes are too few for a batch")
    if check_crc and not _parse(raw).validate_crc():
        raise BrokenBatchError("crc", "the checksum does not match")
    if raw[_MAGIC] < 2 or not (codec := raw[_ATTRIBUTES + 1] & _CODEC):
        return raw
    try:
        body = inflate(codec, raw[_BODY:])
    except BatchTooLargeError as error:
        raise BrokenBatchError("too_large", str(error)) from error
    except Exception as error:
        raise BrokenBatchError("compression", type(error).__name__) from error
    return raw[: _ATTRIBUTES + 1] + bytes([raw[_ATTRIBUTES + 1] & ~_CODEC]) + raw[_ATTRIBUTES + 2 : _BODY] + body


def _parse(raw: bytes) -> Any:
    return DefaultRecordBatch(raw) if raw[_MAGIC] >= 2 else LegacyRecordBatch(raw, raw[_MAGIC])


def _count_of(plain: bytes) -> int:
    return int(struct.unpack_from(">i", plain, _BODY - 4)[0])


def _offsets_of(raw: bytes, wanted: int) -> tuple[int, int]:
    """Return [base, end) of a batch if its header is plausible; else only the offset `wanted`."""
    if len(raw) >= _ATTRIBUTES + 6 and raw[_MAGIC] >= 2:
        (base,) = struct.unpack_from(">q", raw)
        (last,) = struct.unpack_from(">i", raw, _ATTRIBUTES + 2)
        if base <= wanted <= base + last or (base > wanted and last >= 0):
            return base, base + last + 1
    return wanted, wanted + 1
