"""Publish the rows of a CSV or JSON lines file as usage events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from spendmeter_deploy.cli.brokers import require_broker
from spendmeter_deploy.errors import StartError
from spendmeter_events import UsageProducer
from spendmeter_events.connection import KafkaConnection
from spendmeter_events.importers import (
    EventMapping,
    Imported,
    InvalidMapping,
    Rejected,
    UnreadableFile,
    events,
    read_rows,
)

_MAX_REJECTIONS_SHOWN = 20


@dataclass(slots=True)
class ImportReport:
    """Counts of published and rejected rows."""

    sent: int = 0
    rejected: int = 0
    first_rejections: list[Rejected] = field(default_factory=list)
    """The first rejected lines, with line number and reason."""

    def reject(self, rejection: Rejected) -> None:
        """Count a rejected line, and keep it if it is among the first."""
        self.rejected += 1
        if len(self.first_rejections) < _MAX_REJECTIONS_SHOWN:
            self.first_rejections.append(rejection)


async def import_file(
    file: Path,
    mapping: EventMapping,
    *,
    connection: KafkaConnection,
    timezone: str,
    progress: Callable[[int, int], None],
) -> ImportReport:
    """Publish every row of `file`. Event ids derive from the rows, so a second import adds nothing.

    :param progress: called with the bytes read and the events sent.
    :raises StartError: no broker answers, or the file or the mapping is invalid.
    """
    report = ImportReport()
    await require_broker(connection)
    try:
        rows = read_rows(file)
        stream: Iterator[Imported | Rejected] = events(rows, mapping, timezone=timezone)
        async with UsageProducer(connection=connection) as producer:
            for item in stream:
                if isinstance(item, Rejected):
                    report.reject(item)
                else:
                    await producer.put(item.event)
                    report.sent += 1
                if (report.sent + report.rejected) % 1000 == 0:
                    progress(rows.position(), report.sent)
                    await asyncio.sleep(0)
            await producer.flush()
        progress(rows.total_bytes, report.sent)
    except (OSError, InvalidMapping, UnreadableFile) as error:
        raise StartError(f"{file}: {error}") from error
    return report
