"""`spendmeter replay`: a file of past calls through the real pipeline, once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

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

_SHOWN = 20


@dataclass(slots=True)
class ReplayReport:
    """What became of a file's rows."""

    sent: int = 0
    rejected: int = 0
    first_rejections: list[Rejected] = field(default_factory=list)
    """The first few, with their line numbers."""

    def reject(self, rejection: Rejected) -> None:
        """Count a line that gives no event."""
        self.rejected += 1
        if len(self.first_rejections) < _SHOWN:
            self.first_rejections.append(rejection)


async def replay(
    file: Path,
    mapping: EventMapping,
    *,
    connection: KafkaConnection,
    timezone: str,
    progress: Callable[[int, int], None],
) -> ReplayReport:
    """Publish every row of `file`. The id of each derives from the row alone, so that a second replay adds nothing.

    :param progress: called with bytes read and events sent.
    :raises StartError: the file or the mapping cannot be used; the message says how to mend it.
    """
    report = ReplayReport()
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


async def require_broker(connection: KafkaConnection) -> None:
    """Raise `StartError` where no broker answers: a producer would wait for it for ever."""
    admin = AIOKafkaAdminClient(**connection.client_options(), request_timeout_ms=5000)
    try:
        await admin.start()
    except (KafkaError, OSError) as error:
        raise StartError(f"no Kafka broker answers on {connection.bootstrap_servers}: {error}") from error
    finally:
        with suppress(KafkaError, OSError):
            await admin.close()
