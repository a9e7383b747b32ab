"""Decompresses the body of a record batch, up to a limit: a megabyte of zstd can hold tens of gigabytes of zeros."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

import cramjam

LIMIT: Final = 64 * 2**20
"""Bytes of one batch. Producers fill a batch up to `batch.size`, 16 KiB by default and rarely above 1 MiB."""

_RATIO: Final = 16
_XERIAL: Final = b"\x82SNAPPY\0"
_XERIAL_HEAD: Final = 16

_INTO: Final[Mapping[int, Callable[[bytes, bytearray], int]]] = {
    1: cramjam.gzip.decompress_into,
    3: cramjam.lz4.decompress_into,
    4: cramjam.zstd.decompress_into,
}


class BatchTooLargeError(Exception):
    """A batch that inflates to more than `LIMIT`."""


def inflate(codec: int, data: bytes) -> bytes:
    """The records of a batch.

    :param codec: 1 gzip, 2 snappy, 3 lz4, 4 zstd, as in a batch's attributes.
    :raises BatchTooLargeError: more than `LIMIT` bytes; any other exception: `data` is broken.
    """
    if codec == 2:
        return _snappy(data)
    if codec not in _INTO:
        raise ValueError("no codec of Kafka")
    # A small buffer first: most batches fit, and a large one costs the time to clear it.
    for size in (min(LIMIT, _RATIO * len(data) + 4096), LIMIT):
        buffer = bytearray(size)
        try:
            return bytes(memoryview(buffer)[: _INTO[codec](data, buffer)])
        except cramjam.DecompressionError as error:
            if "whole buffer" not in str(error):
                raise
    raise BatchTooLargeError(f"more than {LIMIT} bytes without compression")


def _snappy(data: bytes) -> bytes:
    blocks = _blocks(data) if data.startswith(_XERIAL) else [data]
    if sum(cramjam.snappy.decompress_raw_len(block) for block in blocks) > LIMIT:
        raise BatchTooLargeError(f"more than {LIMIT} bytes without compression")
    return b"".join(bytes(_raw(block)) for block in blocks)


def _raw(block: bytes) -> Any:
    return cramjam.snappy.decompress_raw(block)


def _blocks(data: bytes) -> list[bytes]:
    """The blocks of a stream as xerial's library, and so every Java client, writes it."""
    blocks, position = [], _XERIAL_HEAD
    while position < len(data):
        (length,) = struct.unpack_from(">i", data, position)
        if length < 0:
            raise ValueError("a block of negative length")
        blocks.append(data[position + 4 : position + 4 + length])
        position += 4 + length
    return blocks
