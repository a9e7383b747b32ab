"""Record batches as bytes that no client library writes but brokers accept."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka.client import AIOKafkaClient
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.errors import for_code
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

from spendmeter_events import KafkaConnection

NOW: Final = 1_793_000_000_000
CODECS: Final[Mapping[str, tuple[int, Callable[[bytes], bytes]]]] = {
    "none": (0, bytes),
    "gzip": (1, lambda data: gzip_encode(data, 1)),
    "snappy": (2, snappy_encode),
    "lz4": (3, lz4_encode),
    "zstd": (4, zstd_encode),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRecord:
    """An unvalidated record. Header keys are bytes; a header value may be null."""

    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[bytes, bytes | None]] = ()
    timestamp: int = NOW


def batch(records: Sequence[RawRecord], *, codec: str = "none") -> bytes:
    """Return a batch of magic 2 with base offset 0; the broker assigns the offsets."""
    number, compress = CODECS[codec]
    first = records[0].timestamp
    body = b"".join(_record(it, delta, it.timestamp - first) for delta, it in enumerate(records))
    last, newest = len(records) - 1, max(it.timestamp for it in records)
    after_crc = struct.pack(">hiqqqhii", number, last, first, newest, -1, -1, -1, len(records)) + compress(body)
    return sealed(struct.pack(">qiibI", 0, 0, -1, 2, 0) + after_crc)


def sealed(raw: bytes) -> bytes:
    """Return `raw` with its correct length and CRC."""
    body = raw[21:]
    return raw[:8] + struct.pack(">i", len(raw) - 12) + raw[12:17] + struct.pack(">I", calc_crc32c(body)) + body


async def produce(client: AIOKafkaClient, topic: str, raw: bytes, *, partition: int = 0) -> int:
    """Append a batch and return the offset of its first record. Raises the broker's `KafkaError`."""
    node = await _leader(client, topic, partition)
    request = ProduceRequest(None, -1, 30_000, [(topic, [(partition, raw)])])
    answer = await client.send(node, request)
    ((_, ((_, code, offset, *_),)),) = answer.topics
    if code:
        raise for_code(code)(topic)
    return int(offset)


async def _leader(client: AIOKafkaClient, topic: str, partition: int) -> int:
    while (node := client.cluster.leader_for_partition(TopicPartition(topic, partition))) in (None, -1):
        await client.add_topic(topic)
        await client.force_metadata_update()
    return int(node)


def client(connection: KafkaConnection) -> AIOKafkaClient:
    """Return a client; the caller awaits `bootstrap()` and `close()`."""
    return AIOKafkaClient(**connection.client_options())


def _record(record: RawRecord, delta: int, time_delta: int) -> bytes:
    body = b"\0" + _varint(time_delta) + _varint(delta) + _bytes(record.key) + _bytes(record.value)
    body += _varint(len(record.headers))
    body += b"".join(_bytes(key) + _bytes(value) for key, value in record.headers)
    return _varint(len(body)) + body


def _bytes(value: bytes | None) -> bytes:
    return _varint(-1) if value is None else _varint(len(value)) + value


def _varint(number: int) -> bytes:
    rest = (number << 1) ^ (number >> 63)
    rest &= 2**64 - 1
    out = bytearray()
    while rest > 127:
        out.append(rest & 127 | 128)
        rest >>= 7
    out.append(rest)
    return bytes(out)
