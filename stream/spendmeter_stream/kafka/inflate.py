"""Decompress the body of a record batch up to a limit: a megabyte of zstd can expand to tens of gigabytes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

import cramjam

LIMIT: Final = 64 * 2**20
"""Maximum size of a batch. Producers fill batches up to `batch.size`: 16 KiB by default, rarely above 1 MiB."""

_RATIO: Final = 16
_XERIAL: Final = b"\x82SNAPPY\0"
_XERIAL_HEAD: Final = 16

_INTO: Final[Mapping[int, Callable[[bytes, bytearray], int]]] = {
    1: cramjam.gzip.decompress_into,
    3: cramjam.lz4.decompress_into,
    4: cramjam.zstd.decompress_into,
}


class BatchTooLargeError(Exception):
    """A batch that decompresses to more than `LIMIT` bytes."""


def inflate(codec: int, data: bytes) -> bytes:
    """Decompress the records of a batch.

    :param codec: 1 gzip, 2 snappy, 3 lz4, 4 zstd, as in the batch attributes.
    :raises BatchTooLargeError: more than `LIMIT` bytes; any other exception: `data` is corrupt.
    """
    if codec == 2:
        return _snappy(data)
    if codec not in _INTO:
        raise ValueError("unknown compression codec")
    # Try a small buffer first: most batches fit, and a large buffer takes time to zero.
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
    """Split a stream in xerial framing, which all Java clients write, into its blocks."""
    blocks, position = [], _XERIAL_HEAD
    while position < len(data):
        (length,) = struct.unpack_from(">i", data, position)
        if length < 0:
            raise ValueError("a block of negative length")
        blocks.append(data[position + 4 : position + 4 + length])
        position += 4 + length
    return blocks
