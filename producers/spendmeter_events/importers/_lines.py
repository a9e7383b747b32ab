"""Physical lines of a byte stream."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from gzip import BadGzipFile
from io import BufferedIOBase
from typing import Final

from spendmeter_events.importers._errors import UnreadableFile

MAX_LINE_BYTES: Final = 2**20
"""A longer line is rejected without being held in memory."""


class Lines(Iterator[str]):
    """Iterates over lines as text that ends in one newline, whatever line end the file uses.

    A line that cannot be taken as it is still comes out, so that what reads it keeps its place, and `fault`
    says why; `take_fault` reads that and clears it.
    """

    def __init__(self, stream: BufferedIOBase) -> None:
        self._stream = stream
        self._fault = ""
        self.number = 0
        """The number of the line just read; the first is 1."""
        self.size = 0
        """Bytes read so far, after decompression."""

    def take_fault(self) -> str:
        """Why a line since the last call cannot be used; empty if none."""
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
            return self._pass_over(raw)
        body = raw.rstrip(b"\r\n")
        try:
            return body.decode() + "\n"
        except UnicodeDecodeError:
            self._fault = "not UTF-8"
            return body.decode(errors="replace") + "\n"

    def _read(self) -> bytes:
        try:
            raw = self._stream.readline(MAX_LINE_BYTES)
        except (EOFError, BadGzipFile, zlib.error) as error:
            raise UnreadableFile(f"the gzip stream breaks off after line {self.number}") from error
        self.size += len(raw)
        return raw

    def _pass_over(self, raw: bytes) -> str:
        while raw and not raw.endswith(b"\n"):
            raw = self._read()
        self._fault = f"longer than {MAX_LINE_BYTES} bytes"
        return "\n"


def _without_byte_order_mark(raw: bytes) -> bytes:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnreadableFile("the file is UTF-16; save it as UTF-8")
    return raw.removeprefix(codecs.BOM_UTF8)
