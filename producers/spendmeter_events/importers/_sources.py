"""Open a file of rows as a byte stream: a path or stdin, plain, gzip, or a zip archive of one file."""

from __future__ import annotations

import gzip
import io
import os
import sys
from pathlib import Path, PurePosixPath
from typing import IO, Final, NamedTuple, cast
from zipfile import BadZipFile, ZipFile, ZipInfo

from spendmeter_events.importers._errors import UnreadableFile

STDIN: Final = "-"
_BUFFER: Final = 2**16
_ENCRYPTED: Final = 0x1
_NOT_DATA: Final = ("__MACOSX/", ".")
"""Beginnings of the names that archivers add."""


class Source(NamedTuple):
    """An open file."""

    file: io.BufferedReader
    """The file on disk, whose position shows the progress."""
    stream: io.BufferedReader
    """Its content, decompressed."""
    name: PurePosixPath
    """A name whose suffix may be the format: that of the file inside an archive."""


def open_file(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a path for reading; `-` is stdin, which stays open.

    :raises OSError: the file cannot be opened.
    """
    if os.fspath(path) == STDIN:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    return Path(path).open("rb")


def decompressed(file: io.BufferedReader, path: str | os.PathLike[str]) -> Source:
    """Return the content of an open file. gzip and zip are detected by their first bytes.

    :raises UnreadableFile: the archive is damaged, encrypted, or not of one file.
    """
    name = PurePosixPath(Path(path).name)
    magic = file.peek(4)[:4]
    if magic[:2] == b"\x1f\x8b":
        stream = cast(IO[bytes], gzip.GzipFile(fileobj=file))
        return Source(file, _buffered(stream), name.with_suffix("") if name.suffix == ".gz" else name)
    if magic in (b"PK\x03\x04", b"PK\x05\x06"):
        return _unzipped(file)
    return Source(file, file, name)


def _unzipped(file: io.BufferedReader) -> Source:
    if not file.seekable():
        raise UnreadableFile("a zip archive cannot be read from a pipe; unpack it with unzip -p")
    try:
        archive = ZipFile(file)
        member = _only_file(archive)
        return Source(file, _buffered(archive.open(member)), PurePosixPath(member.filename))
    except (BadZipFile, NotImplementedError) as error:
        raise UnreadableFile("the zip archive is damaged, or compressed by an unknown method") from error


def _only_file(archive: ZipFile) -> ZipInfo:
    members = [each for each in archive.infolist() if not each.is_dir() and not each.filename.startswith(_NOT_DATA)]
    if len(members) != 1:
        raise UnreadableFile(f"the zip archive has {len(members)} files where one is expected; unpack it first")
    if members[0].flag_bits & _ENCRYPTED:
        raise UnreadableFile("the zip archive is encrypted; unpack it first")
    return members[0]


def _buffered(stream: IO[bytes]) -> io.BufferedReader:
    return io.BufferedReader(cast(io.RawIOBase, stream), _BUFFER)
