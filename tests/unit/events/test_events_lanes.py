"""Encoded batches, compared with aiokafka's partitioner and reader."""

from __future__ import annotations

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.record.default_records import DefaultRecordBatch
from hypothesis import given
from hypothesis import strategies as st

from spendmeter_events._delivery.buffer import Record
from spendmeter_events._delivery.lanes import build_batch, partition_of
from spendmeter_events._delivery.link import ProducerId


@given(st.binary(min_size=16, max_size=16), st.integers(1, 1024))
def test_key_decides_partition_as_every_kafka_client_does(key: bytes, width: int) -> None:
    """Given aiokafka's partitioner, which agrees with the Java client's, then ours agrees."""
    partitions = list(range(width))
    assert partition_of(key, partitions) == DefaultPartitioner()(key, partitions, partitions)


@given(st.lists(st.binary(min_size=1, max_size=2000), min_size=1, max_size=50), st.none() | st.integers(0, 2**31 - 1))
def test_a_batch_is_one_that_any_kafka_client_reads(values: list[bytes], sequence: int | None) -> None:
    """Given aiokafka's reader, then checksum, producer and records are unchanged."""
    records = [Record.of(bytes(16), value, timestamp_ms=1_700_000_000_000 + n) for n, value in enumerate(values)]
    producer = None if sequence is None else ProducerId(7, 3)
    payload = build_batch(records, producer=producer, sequence=sequence or 0)
    batch = DefaultRecordBatch(payload)
    assert batch.validate_crc()
    assert batch.compression_type == DefaultRecordBatch.CODEC_LZ4
    assert (batch.producer_id, batch.producer_epoch, batch.base_sequence) == (
        (-1, -1, -1) if sequence is None else (7, 3, sequence)
    )
    assert [(r.offset, r.timestamp, r.key, r.value) for r in batch] == [
        (n, record.timestamp_ms, record.key, record.value) for n, record in enumerate(records)
    ]
