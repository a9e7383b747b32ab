"""Publish the rows of files as usage events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from spendmeter_deploy.cli.brokers import require_broker
from spendmeter_deploy.cli.importing.import_report import ImportReport
from spendmeter_deploy.cli.importing.pricing import estimate, load_book
from spendmeter_deploy.errors import StartError
from spendmeter_events import UsageEvent, UsageProducer
from spendmeter_events.connection import KafkaConnection
from spendmeter_events.importers import (
    EventMapping,
    Imported,
    InvalidMapping,
    RejectedRow,
    RowIds,
    Rows,
    SkippedRow,
    UnreadableFile,
    events,
    read_rows,
)
from spendmeter_stream.pricing import PriceBook

Item = Imported | RejectedRow | SkippedRow
Progress = Callable[[int, int], None]
_BATCH: Final = 1000


class FileImport:
    """The import of several files with one mapping."""

    def __init__(self, *, mapping: EventMapping, timezone: str, delimiter: str | None, book: PriceBook) -> None:
        self._mapping = mapping
        self._timezone = timezone
        self._delimiter = delimiter
        self._book = book
        self._ids = RowIds()
        self.report = ImportReport()

    def close(self) -> None:
        """Remove the temporary database of ids."""
        self._ids.close()

    def open(self, file: Path) -> tuple[Rows, Iterator[Item]]:
        """Open a file, and check the mapping against its columns.

        :raises OSError, UnreadableFile, InvalidMapping: the file or the mapping is invalid.
        """
        rows = read_rows(file, delimiter=self._delimiter)
        return rows, events(rows, self._mapping, timezone=self._timezone)

    def count(self, items: Sequence[Item], file: str) -> list[UsageEvent]:
        """Add items to the report, and return their events."""
        read = [item.event for item in items if isinstance(item, Imported)]
        new = [event for event in read if self._ids.is_new(event.event_id.bytes)]
        report = self.report
        report.sent += len(read)
        report.repeated += len(read) - len(new)
        report.skipped += sum(isinstance(item, SkippedRow) for item in items)
        for item in items:
            if isinstance(item, RejectedRow):
                report.reject(item, file)
        report.charge(estimate(self._book, new))
        return read


def batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    """Yield the items in lists of at most 1,000. The items before an error come before the error."""
    batch: list[Item] = []
    try:
        for item in items:
            batch.append(item)
            if len(batch) == _BATCH:
                yield batch
                batch = []
    except (OSError, UnreadableFile):
        yield batch
        raise
    yield batch


async def import_files(
    files: Sequence[Path],
    mapping: EventMapping,
    *,
    connection: KafkaConnection,
    timezone: str,
    delimiter: str | None,
    progress: Progress,
) -> ImportReport:
    """Publish every row of `files`. Event ids derive from the rows, so a second import adds nothing.

    :param progress: called with the bytes read and the events sent.
    :raises StartError: no broker answers, or a file or the mapping is invalid.
    """
    await require_broker(connection)
    book = await load_book()
    with closing(FileImport(mapping=mapping, timezone=timezone, delimiter=delimiter, book=book)) as work:
        async with UsageProducer(connection=connection) as producer:
            done = 0
            for file in files:
                try:
                    done += await _publish(file, work, producer, progress=progress, done=done, many=len(files) > 1)
                except (OSError, InvalidMapping, UnreadableFile) as error:
                    before = f" ({work.report.sent:,} events were published before)" if work.report.sent else ""
                    raise StartError(f"{file}: {error}{before}") from error
        return work.report


async def _publish(
    file: Path, work: FileImport, producer: UsageProducer, *, progress: Progress, done: int, many: bool
) -> int:
    """Publish one file, and return its size in bytes."""
    rows, items = work.open(file)
    for batch in batches(items):
        for event in work.count(batch, f"{file} " if many else ""):
            await producer.put(event)
        progress(done + rows.position(), work.report.sent)
        await asyncio.sleep(0)
    await producer.flush()
    progress(done + rows.total_bytes, work.report.sent)
    return rows.total_bytes
