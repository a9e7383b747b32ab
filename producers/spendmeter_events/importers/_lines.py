"""Read the lines of a byte stream."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from gzip import BadGzipFile
from io import BufferedIOBase
from typing import Final
from zipfile import BadZipFile

from spendmeter_events.importers._errors import UnreadableFile

MAX_LINE_BYTES: Final = 2**20
"""Longer lines are rejected without being read into memory."""


class Lines(Iterator[str]):
    """Iterates over lines as text with a normalized newline.

    An invalid line is yielded too, so that the line numbers of the reader stay correct; `take_fault` returns the
    reason and clears it.
    """

    def __init__(self, stream: BufferedIOBase) -> None:
        self._stream = stream
        self._fault = ""
        self.number = 0
        """Number of the current line, from 1."""
        self.size = 0
        """Bytes read so far, after decompression."""

    def take_fault(self) -> str:
        """Return why a line since the last call is invalid; empty if none is."""
        fault, self._fault = self._fault, ""
        return fault

    def __next__(self) -> str:
        raw = self._read()
        if not raw:
            raise StopIteration
        self.number += 1
        if self.number == 1:
            raw = _without_byte_order_mark(raw)
        if len(raw) >= MAX_LINE_BYTES and not raw.endswith(b"\n"):
            return self._skip(raw)
        body = raw.rstrip(b"\r\n")
        try:
            return body.decode() + "\n"
        except UnicodeDecodeError:
            self._fault = "not UTF-8"
            return body.decode(errors="replace") + "\n"

    def _read(self) -> bytes:
        try:
            raw = self._stream.readline(MAX_LINE_BYTES)
        except (EOFError, BadGzipFile, BadZipFile, zlib.error) as error:
            raise UnreadableFile(f"the compressed stream is truncated or damaged after line {self.number}") from error
        self.size += len(raw)
        return raw

    def _skip(self, raw: bytes) -> str:
        while raw and not raw.endswith(b"\n"):
            raw = self._read()
        self._fault = f"longer than {MAX_LINE_BYTES} bytes"
        return "\n"


def _without_byte_order_mark(raw: bytes) -> bytes:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnreadableFile("the file is UTF-16; save it as UTF-8")
    return raw.removeprefix(codecs.BOM_UTF8)
